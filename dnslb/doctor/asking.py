"""One question to one server, and whatever came of it. Blocking; many are asked from threads."""

from __future__ import annotations

import secrets
import socket
import struct
from dataclasses import dataclass, field
from ipaddress import IPv4Address, IPv6Address, ip_address
from typing import TYPE_CHECKING, Final, NamedTuple

from dnslib import EDNS0, QTYPE, RCODE, DNSQuestion, DNSRecord, EDNSOption

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from dnslib import RR

__all__ = ["COOKIE", "ECS", "NSID", "Endpoint", "Record", "Reply", "ask", "client_subnet", "key"]

TIMEOUT: Final = 2.0
"""Seconds for one attempt; UDP has two."""

PAYLOAD: Final = 1232
"""Octets that are offered for an answer by UDP: what passes everywhere in one piece."""

ECS: Final = 8
COOKIE: Final = 10
NSID: Final = 3
OPT: Final = 41


class Endpoint(NamedTuple):
    """Where to ask."""

    address: IPv4Address | IPv6Address
    port: int = 53

    def __str__(self) -> str:
        """`192.0.2.1`, or with the port where it is not 53."""
        if self.port == 53:
            return str(self.address)
        host = f"[{self.address}]" if self.address.version == 6 else str(self.address)
        return f"{host}:{self.port}"

    @classmethod
    def parse(cls, text: str, port: int = 53) -> Endpoint:
        """`192.0.2.1`, `192.0.2.1:53`, `2001:db8::1` or `[2001:db8::1]:53`.

        Raises:
            ValueError: it is none of these.
        """
        host, number = text, ""
        if text.startswith("["):
            host, _, rest = text[1:].partition("]")
            number = rest.removeprefix(":")
        elif text.count(":") == 1:
            host, _, number = text.partition(":")
        value = int(number) if number else port
        if not 0 < value < 65_536:
            raise ValueError(f"{value} is no port")
        return cls(ip_address(host), value)


class Record(NamedTuple):
    """A record, its names in lower case and absolute."""

    owner: str
    type: str
    ttl: int
    data: str


@dataclass(frozen=True, slots=True)
class Reply:
    """What came back; with a `failure` nothing did, and the rest is empty."""

    failure: str = ""  # `no answer within 2 s`, `refused: nothing listens`
    rcode: str = ""
    authoritative: bool = False
    truncated: bool = False
    recursion: bool = False
    answer: tuple[Record, ...] = ()
    authority: tuple[Record, ...] = ()
    additional: tuple[Record, ...] = ()
    edns: bool = False
    options: Mapping[int, bytes] = field(default_factory=dict)
    size: int = 0  # octets

    @property
    def good(self) -> bool:
        """Whether there is an answer that says NOERROR."""
        return not self.failure and self.rcode == "NOERROR"

    @property
    def what(self) -> str:
        """The failure, or the rcode."""
        return self.failure or self.rcode

    def records(self, rtype: str, owner: str | None = None) -> tuple[Record, ...]:
        """Those of the answer section of one type, and one owner."""
        return tuple(
            record
            for record in self.answer
            if record.type == rtype and owner in {None, record.owner}
        )

    def data(self, rtype: str) -> frozenset[str]:
        """The rdata of the answer's records of one type."""
        return frozenset(record.data for record in self.records(rtype))


def ask(
    server: Endpoint,
    name: str,
    rtype: str,
    *,
    tcp: bool = False,
    edns: bool = True,
    options: Iterable[tuple[int, bytes]] = (),
    recurse: bool = False,
) -> Reply:
    """Ask `server` for the records of `rtype` at `name`. Never raises for what the network does."""
    question = DNSRecord(q=DNSQuestion(name, getattr(QTYPE, rtype)))
    question.header.id = secrets.randbelow(65_536)
    question.header.rd = int(recurse)
    if edns:
        opts = [EDNSOption(code, data) for code, data in options]
        question.add_ar(EDNS0(udp_len=PAYLOAD, opts=opts))
    packet = question.pack()
    try:
        data = _by_tcp(server, packet) if tcp else _by_udp(server, packet)
        return _reply(data)
    except TimeoutError:
        return Reply(failure=f"no answer within {TIMEOUT * (1 if tcp else 2):g} s")
    except ConnectionRefusedError:
        return Reply(failure="refused: nothing listens there")
    except EOFError:
        return Reply(failure="the connection was closed without an answer")
    except OSError as failure:
        return Reply(failure=(failure.strerror or str(failure)).lower())
    except Exception as failure:  # noqa: BLE001 - dnslib raises what it likes on odd packets
        return Reply(failure=f"an answer that cannot be read: {failure}")


def client_subnet(network: str) -> tuple[int, bytes]:
    """The client-subnet option (RFC 7871) of an IPv4 /24 or IPv6 /56 that begins at `network`."""
    address = ip_address(network)
    family, length = (1, 24) if address.version == 4 else (2, 56)
    return ECS, struct.pack("!HBB", family, length, 0) + address.packed[: length // 8]


def key(name: str) -> str:
    """A name as it is compared: in lower case, with its final dot."""
    return name.lower().rstrip(".") + "."


def _family(server: Endpoint) -> int:
    return socket.AF_INET if server.address.version == 4 else socket.AF_INET6


def _by_udp(server: Endpoint, packet: bytes) -> bytes:
    with socket.socket(_family(server), socket.SOCK_DGRAM) as sock:
        sock.settimeout(TIMEOUT)
        sock.connect((str(server.address), server.port))
        for _ in range(2):
            sock.send(packet)
            try:
                while True:
                    data = sock.recv(65_535)
                    # a question that met its own sender says nothing (RFC 1035, section 4.1.1)
                    if data[:2] == packet[:2] and len(data) >= 12 and data[2] & 0x80:
                        return data
            except TimeoutError:
                continue
    raise TimeoutError


def _by_tcp(server: Endpoint, packet: bytes) -> bytes:
    with socket.create_connection((str(server.address), server.port), TIMEOUT) as sock:
        sock.sendall(struct.pack("!H", len(packet)) + packet)
        with sock.makefile("rb") as stream:
            length = stream.read(2)
            if len(length) < 2:
                raise EOFError
            data = stream.read(struct.unpack("!H", length)[0])
    if data[:2] != packet[:2]:
        raise EOFError
    return data


def _reply(data: bytes) -> Reply:
    parsed = DNSRecord.parse(data)
    opt = next((record for record in parsed.ar if record.rtype == OPT), None)
    return Reply(
        rcode=str(RCODE.get(parsed.header.rcode)),
        authoritative=bool(parsed.header.aa),
        truncated=bool(parsed.header.tc),
        recursion=bool(parsed.header.ra),
        answer=_records(parsed.rr),
        authority=_records(parsed.auth),
        additional=_records(parsed.ar),
        edns=opt is not None,
        options={option.code: bytes(option.data) for option in opt.rdata} if opt else {},
        size=len(data),
    )


def _records(section: Iterable[RR]) -> tuple[Record, ...]:
    return tuple(
        Record(key(str(record.rname)), str(QTYPE.get(record.rtype)), record.ttl, _data(record))
        for record in section
        if record.rtype != OPT
    )


def _data(record: RR) -> str:
    text = str(record.rdata)
    return key(text) if QTYPE.get(record.rtype) in {"NS", "CNAME"} else text
