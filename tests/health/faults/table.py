"""The matrix: what each failure is called in each protocol, and where there is none.

A row is a failure. Its outcome holds for the protocols in `where`; `but` are those for which it is
called otherwise. Every cell that is left out has a reason.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NamedTuple

from faults.protocols import PROTOCOLS

from dnslb.health.checks.base import Outcome

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

ALL = tuple(PROTOCOLS)
LOCAL = ("exec", "push", "own")
STREAMS = tuple(
    one.name for one in PROTOCOLS.values() if one.server is not None and not one.datagrams
)
QUESTIONS = tuple(name for name in ALL if name not in {*LOCAL, "icmp"})  # to a port
NETWORK = (*QUESTIONS, "icmp")
TLS = tuple(one.name for one in PROTOCOLS.values() if one.tls)
TLS_STREAMS = tuple(name for name in TLS if name != "http3")
DATAGRAMS = ("udp", "dns-udp", "icmp")
WEB = ("http", "https", "h2c", "http2", "http3", "ws", "wss")
REUSABLE = tuple(one.name for one in PROTOCOLS.values() if one.reusable)
OTHER_FAMILY = ("http", "https", "http2", "http3", "grpc", "tcp", "udp", "dns-udp")
"""The protocols that are also failed over IPv6 by what is no fault of the network."""


@dataclass(frozen=True)
class Row:
    """One failure."""

    name: str
    means: str
    outcome: Outcome
    where: tuple[str, ...]
    but: Mapping[str, Outcome] = field(default_factory=dict)
    without: Mapping[str, str] = field(default_factory=dict)  # why it is left out, by protocol

    def of(self, protocol: str) -> Outcome | None:
        """What it is called in a protocol; None: it cannot be there."""
        return self.but.get(protocol, self.outcome) if protocol in self.where else None

    def missing(self, protocol: str) -> str:
        """Why it cannot be."""
        own = {"exec": "a program asks no network", "push": "nothing is asked"}
        own["own"] = "over StreamCheck, as tcp"
        return self.without.get(protocol) or own.get(protocol, "")


class Cell(NamedTuple):
    """A failure in a protocol."""

    protocol: str
    failure: str
    family: int
    outcome: Outcome

    @property
    def id(self) -> str:
        """`http2-reset-midway`, over IPv6 `http2-reset-midway-v6`."""
        return f"{self.protocol}-{self.failure}" + ("-v6" if self.family == 6 else "")


def _out(reason: str, *protocols: str) -> dict[str, str]:
    return dict.fromkeys(protocols, reason)


O = Outcome  # noqa: E741 - a table is read by its columns
NO_TLS = _out("no TLS", *(name for name in NETWORK if name not in TLS))
NO_HANDSHAKE = {**NO_TLS, **_out("TLS within QUIC is no stream of its own", "http3")}
ONE = _out("one datagram is the whole answer", *DATAGRAMS)
NO_CONNECTION = _out("no connection", *DATAGRAMS)
ECHO = _out("an echo says nothing", "icmp")
UNKEPT = {
    **NO_CONNECTION,
    **_out("keeps no connection", *(name for name in STREAMS if name not in REUSABLE), "http3"),
}
ANY_BYTES = _out("any bytes are well-formed; see body", "tcp", "tls", "udp")

ROWS = (
    Row("good", "the server is well", O.OK, ALL),
    Row(
        "late", "the answer comes late, but in time", O.OK, (*STREAMS, "udp", "dns-udp"),
        without=_out("the kernel answers at once", "icmp") | _out("as over UDP", "http3"),
    ),
    Row("refused", "nothing listens", O.REFUSED, QUESTIONS, without=_out("no port", "icmp")),
    Row("drop", "packets vanish", O.CONNECT_TIMEOUT, NETWORK, but=dict.fromkeys(DATAGRAMS, O.READ_TIMEOUT)),
    Row("unreachable", "a router has no way there (ICMP)", O.UNREACHABLE, NETWORK),
    Row("prohibited", "a router forbids it (ICMP)", O.UNREACHABLE, NETWORK),
    Row("no-route", "this machine has no way there", O.UNREACHABLE, NETWORK),
    Row("name", "the name does not exist", O.DNS, NETWORK),
    Row("tls-expired", "certificate expired", O.TLS_EXPIRED, TLS, without=NO_TLS),
    Row("tls-name", "certificate for another name", O.TLS_NAME, TLS, without=NO_TLS),
    Row("tls-untrusted", "certificate of a stranger", O.TLS_UNTRUSTED, TLS, without=NO_TLS),
    Row(
        "tls-protocol", "no TLS on the port, or no protocol in common", O.TLS_PROTOCOL, TLS,
        without=NO_TLS,
    ),
    Row("tls-reset", "reset within the handshake", O.TLS, TLS_STREAMS, without=NO_HANDSHAKE),
    Row("tls-closed", "closed within the handshake", O.TLS, TLS_STREAMS, without=NO_HANDSHAKE),
    Row("tls-silence", "no more within the handshake", O.TLS, TLS_STREAMS, without=NO_HANDSHAKE),
    Row("reset", "reset before the answer", O.RESET, (*STREAMS, "http3"), without=NO_CONNECTION),
    Row(
        "reset-midway", "reset in its middle", O.RESET_MIDWAY, (*STREAMS, "http3"),
        without=NO_CONNECTION,
    ),
    Row("closed", "closed before the answer", O.CLOSED, (*STREAMS, "http3"), without=NO_CONNECTION),
    Row(
        "closed-midway", "closed in its middle", O.CLOSED, (*STREAMS, "http3"),
        # nothing but what is expected says where an answer ends
        but={"tcp": O.BODY, "tls": O.BODY}, without=NO_CONNECTION,
    ),
    Row(
        "silence", "asked, and nothing comes", O.READ_TIMEOUT, (*QUESTIONS, "exec"),
        without=_out("as packets that vanish", "icmp"),
    ),
    Row("stall", "half of the answer, then nothing", O.READ_TIMEOUT, (*STREAMS, "http3"), without=ONE),
    Row("drip", "a byte at a time", O.SLOW, (*STREAMS, "http3"), without=ONE),
    Row(
        "garbage", "an answer that is none", O.MALFORMED,
        tuple(name for name in QUESTIONS if name not in ANY_BYTES), without=ANY_BYTES | ECHO,
    ),
    Row(
        "endless", "an answer without end", O.TOO_LARGE,
        tuple(name for name in (*STREAMS, "http3", "exec") if name != "dns-tcp"),
        without=ONE | _out("its length is two bytes", "dns-tcp"),
    ),
    Row(
        "status", "the server says that it fails", O.STATUS,
        (*WEB, "grpc", "grpc-tls", "dns-udp", "dns-tcp", "agent", "exec", "push"),
        without=ECHO | _out("says no status", "tcp", "tls", "udp"),
    ),
    Row(
        "body", "other content than expected", O.BODY,
        (*WEB, "tcp", "tls", "udp", "dns-udp", "dns-tcp"),
        without=ECHO | _out("its status is all there is", "grpc", "grpc-tls", "agent", "exec"),
    ),
    Row(
        "redirect", "a redirect", O.REDIRECT, WEB,
        without=_out("knows no redirect", *(name for name in NETWORK if name not in WEB)),
    ),
    Row(
        "restart", "the server restarts between probes", O.OK, QUESTIONS,
        without=_out("no server but the kernel", "icmp"),
    ),
    Row("restart-reuse", "with `reuse`: the kept connection is dead", O.OK, REUSABLE, without=UNKEPT),
    Row("restart-unseen", "and that shows only when it is used", O.OK, REUSABLE, without=UNKEPT),
    Row("silent", "no heartbeat in time", O.SILENT, ("push",), without=_out("sends no heartbeats", *NETWORK, "exec", "own")),
    Row(
        "crash", "the probe itself fails", O.ERROR, ("exec", "own"),
        without=_out("only by a bug; see own", *NETWORK, "push"),
    ),
)  # fmt: skip

NETWORK_FAULTS = ("drop", "unreachable", "prohibited", "no-route")
"""The rows that need a network of their own."""


def _cells() -> Iterator[Cell]:
    for row in ROWS:
        for protocol in ALL:
            outcome = row.of(protocol)
            if outcome is None:
                continue
            yield Cell(protocol, row.name, 4, outcome)
            both = protocol in OTHER_FAMILY and row.name != "name"
            if both or row.name in NETWORK_FAULTS or (protocol, row.name) == ("icmp", "good"):
                yield Cell(protocol, row.name, 6, outcome)


CELLS = tuple(_cells())


COLUMNS = {
    "http": ("http", "https"),
    "http2": ("h2c", "http2"),
    "http3": ("http3",),
    "websocket": ("ws", "wss"),
    "grpc": ("grpc", "grpc-tls"),
    "dns": ("dns-udp", "dns-tcp"),
    **{name: (name,) for name in ("tcp", "tls", "udp", "icmp", "agent", "exec", "push", "own")},
}
"""The types of checks, with the protocols that each of them speaks."""


def markdown() -> str:
    """The matrix as docs show it; a dot stands for the row's result."""
    lines = [
        f"| failure | result | {' | '.join(COLUMNS)} |",
        "| --- | --- |" + " --- |" * len(COLUMNS),
    ]
    for row in ROWS:
        words = [_words(row, protocols) for protocols in COLUMNS.values()]
        lines.append(f"| {row.means} | `{row.outcome.value}` | {' | '.join(words)} |")
    return "\n".join(lines) + "\n"


def _words(row: Row, protocols: tuple[str, ...]) -> str:
    found = [row.of(protocol) for protocol in protocols]
    other = [outcome.value for outcome in found if outcome not in {None, row.outcome}]
    dot = ["●"] if row.outcome in found else []
    return ", ".join([*dot, *dict.fromkeys(f"`{word}`" for word in other)])
