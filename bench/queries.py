"""What is asked, and what a right answer is."""

from __future__ import annotations

import itertools
import random
import secrets
import socket
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from dnslib import RCODE, DNSRecord
from servers import NAME, ORIGIN, write_zone

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

__all__ = ["Asked", "ask", "hosts", "labels", "mixed", "probe", "zone_of"]

PROBED: Final = 20
"""Queries whose answers are looked at, one by one, before a load."""

PATIENCE: Final = 2.0
"""Seconds that a server has for one answer."""


@dataclass(frozen=True)
class Asked:
    """A file of queries, what they are called in a table, and their right answer."""

    about: str
    path: Path
    rcode: str = "NOERROR"
    adds: frozenset[int] | None = None
    """Octets by which an answer may be longer than its query; None: any number."""
    records: int | None = 1  # in an answer; None: any number
    options: tuple[str, ...] = ()  # of dnsperf


def ask(path: Path, lines: Iterable[str], about: str = "", **right: object) -> Asked:
    """Write queries to a file, as dnsperf reads them."""
    with path.open("w") as out:
        out.writelines(f"{line}\n" for line in lines)
    return Asked(about, path, **right)  # type: ignore[arg-type]


def hosts(count: int) -> list[str]:
    """The queries for all names of `zone_of`, in random order, the same in each run."""
    lines = [f"n{number:07}.{ORIGIN} A" for number in range(count)]
    random.Random(count).shuffle(lines)
    return lines


def zone_of(path: Path, count: int) -> Path:
    """A master file of so many names, each with an address."""
    lines = (
        f"n{number:07} A 10.{number >> 16 & 255}.{number >> 8 & 255}.{number & 255}\n"
        for number in range(count)
    )
    return write_zone(path, "".join(lines))


def labels(count: int) -> Iterable[str]:
    """Queries for names that nobody has, of one length."""
    return (f"{secrets.token_hex(6)}.{ORIGIN} A" for _ in range(count))


def mixed(count: int, name: str = NAME) -> Iterable[str]:
    """Queries for a name in mixed case (0x20), each letter by chance."""
    dice = random.Random(20)
    for _ in range(count):
        yield "".join(dice.choice((str.lower, str.upper))(char) for char in name) + " A"


def probe(asked: Asked, address: str, port: int) -> str:
    """What is wrong about the answers to the first queries; empty when nothing is."""
    with asked.path.open() as file, socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as client:
        client.settimeout(PATIENCE)
        client.connect((address, port))
        for line in itertools.islice(file, PROBED):
            name, rtype = line.split()
            query = DNSRecord.question(name, rtype)
            client.send(query.pack())
            try:
                reply = DNSRecord.parse(client.recv(4096))
            except TimeoutError:
                return f"{line.strip()}: no answer"
            if RCODE[reply.header.rcode] != asked.rcode or not reply.header.aa:
                return f"{line.strip()}: not {asked.rcode}, or not with authority:\n{reply}"
            if asked.records is not None and len(reply.rr) != asked.records:
                return f"{line.strip()}: not {asked.records} records:\n{reply}"
    return ""
