"""The protocols of the matrix: how each is asked, and by which good server it is answered."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from dnslib import QTYPE
from faults import good, packets

from dnslb.health.checks.agent import AgentCheck
from dnslb.health.checks.base import Check, Kept, Outcome, Result
from dnslb.health.checks.command import ExecCheck
from dnslb.health.checks.dns import DnsCheck
from dnslb.health.checks.grpc import GrpcCheck
from dnslb.health.checks.http import HttpCheck
from dnslb.health.checks.http2 import Http2Check
from dnslb.health.checks.http3 import Http3Check
from dnslb.health.checks.icmp import IcmpCheck
from dnslb.health.checks.push import PushCheck
from dnslb.health.checks.tcp import TcpCheck
from dnslb.health.checks.tls_handshake import TlsCheck
from dnslb.health.checks.udp import UdpCheck
from dnslb.health.checks.websocket import WebSocketCheck

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from contextlib import AbstractAsyncContextManager

WWW = ("www.example.com", QTYPE.A)
SSH = b"SSH-2.0-OpenSSH_9.9\r\n\r\n"
OPTIONS = dict[str, Any]


@dataclass(frozen=True)
class OwnCheck(Check):
    """An operator's own check, with a bug."""

    bug: bool = False

    async def probe(self, address: str, kept: Kept) -> Result:
        del kept
        if self.bug:
            raise ZeroDivisionError(address)
        return Result(Outcome.OK)


@dataclass(frozen=True)
class Protocol:
    """One column of the matrix."""

    name: str
    check: type[Check]
    server: Callable[[str], AbstractAsyncContextManager[int]] | None = None
    tls: bool = False
    good: OPTIONS = field(default_factory=dict)  # how to ask so that all is well
    asks: Mapping[str, OPTIONS] = field(default_factory=dict)  # and so that a failure comes
    garbage: Any = b""  # over datagrams: made from what was asked
    reusable: bool = False

    @property
    def alpn(self) -> tuple[str, ...]:
        return getattr(self.check, "ALPN", ())

    @property
    def datagrams(self) -> bool:
        return self.server in {packets.echoes, packets.name_packets}


BODY = {"body": "^fine"}
WEB_ASKS = {
    "status": {"path": "/status"},
    "redirect": {"path": "/redirect", "status": ((200, 299),)},
    "body": {"body": "wrong"},
    "endless": {"path": "/endless", "body": "wrong"},
}
WEB = {"good": {"path": "/ok", **BODY}, "asks": WEB_ASKS, "garbage": SSH}
SOCKET = {
    "good": {"path": "/ws", "send": b"hello", **BODY},
    "asks": {
        "status": {"path": "/status"},
        "redirect": {"path": "/redirect"},
        "body": {"body": "wrong"},
        "endless": {"send": b"endless"},
    },
    "garbage": SSH,
}
LINE = {
    "good": {"send": b"hello\n", "body": "say about it\n"},
    "asks": {"body": {"send": b"nobody\n"}, "endless": {"send": b"endless\n"}},
}
GRPC = {
    "asks": {"status": {"service": "shop.Pay"}, "endless": {}},
    "garbage": SSH,
    "reusable": True,
}
DNS_ASKS = {
    "status": {"query": ("fail.example.com", QTYPE.A)},
    "body": {"answer": ("192.0.2.9",)},
}


def _shell(script: str) -> OPTIONS:
    return {"command": ("/bin/sh", "-c", script)}


def _columns() -> list[Protocol]:
    sites, frames, lines = good.websites, good.frames, good.lines
    udp = {"query": WWW, "answer": ("192.0.2.1",)}
    return [
        Protocol("http", HttpCheck, sites, reusable=True, **WEB),
        Protocol("https", HttpCheck, sites, tls=True, reusable=True, **WEB),
        Protocol("h2c", Http2Check, frames, reusable=True, **WEB),
        Protocol("http2", Http2Check, frames, tls=True, reusable=True, **WEB),
        Protocol("http3", Http3Check, tls=True, **WEB),
        Protocol("ws", WebSocketCheck, sites, **SOCKET),
        Protocol("wss", WebSocketCheck, sites, tls=True, **SOCKET),
        Protocol("grpc", GrpcCheck, good.calls, **GRPC),
        Protocol("grpc-tls", GrpcCheck, good.calls, tls=True, **GRPC),
        Protocol("tcp", TcpCheck, lines, reusable=True, **LINE),
        Protocol("tls", TlsCheck, lines, tls=True, reusable=True, **LINE),
        Protocol(
            "udp",
            UdpCheck,
            packets.echoes,
            good={"send": b"hello", **BODY},
            asks={"body": {"send": b"nobody"}},
        ),
        Protocol(
            "dns-udp",
            DnsCheck,
            packets.name_packets,
            good=udp,
            asks=DNS_ASKS,
            garbage=lambda query: query[:2] + SSH,
        ),
        Protocol(
            "dns-tcp",
            DnsCheck,
            good.names,
            good={**udp, "transport": "tcp"},
            asks=DNS_ASKS,
            garbage=len(SSH).to_bytes(2, "big") + SSH,
            reusable=True,
        ),
        Protocol("icmp", IcmpCheck),
        Protocol(
            "agent",
            AgentCheck,
            lines,
            good={"send": b"state\n"},
            asks={"status": {"send": b"status\n"}, "endless": {"send": b"endless\n"}},
            garbage=SSH,
            reusable=True,
        ),
        Protocol(
            "exec",
            ExecCheck,
            good=_shell("echo fine"),
            asks={
                "status": _shell("echo critical; exit 2"),
                "silence": _shell("exec sleep 60"),
                "endless": _shell("exec yes"),
                "crash": {"command": ("/no/such/program",)},
            },
        ),
        Protocol("push", PushCheck),
        Protocol("own", OwnCheck, asks={"crash": {"bug": True}}),
    ]


PROTOCOLS = {protocol.name: protocol for protocol in _columns()}
