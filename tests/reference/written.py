"""Seeded zones as master files and as the reference's data: what NSD and a daemon can both load.

Every kind of content that a master file may have, and none that a loader refuses: nothing but glue
below a cut, nothing below a DNAME, no circle of aliases.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass, field
from ipaddress import ip_address
from typing import TYPE_CHECKING

from reference.generate import opt, question
from reference.names import MAX_NAME, Name, encode, fold, is_within, octets, text
from reference.server import Server
from reference.zone import CNAME, DNAME, Node, RRset, Zone

if TYPE_CHECKING:
    from random import Random

ODD = [b"\0", b"a.b", b"\xff\xc0", b"Q" * 63, b"@", b"_tcp", b"-", b'"', b";"]

NUMBERS = {
    "A": 1, "NS": 2, "CNAME": 5, "SOA": 6, "PTR": 12, "HINFO": 13, "MX": 15, "TXT": 16, "AAAA": 28,
    "SRV": 33, "NAPTR": 35, "DNAME": 39, "DS": 43, "SSHFP": 44, "TLSA": 52, "CAA": 257,
    "TYPE65400": 65400,
}  # fmt: skip


@dataclass
class Written:
    """A zone and its master file."""

    origin: Name
    records: dict[Name, dict[str, tuple[int, list[tuple[str, bytes]]]]] = field(
        default_factory=dict
    )

    def add(self, owner: Name, rtype: str, ttl: int, *rdatas: tuple[str, bytes]) -> None:
        """Add records, as text and in wire format; the first TTL of a type stands."""
        ttl, found = self.records.setdefault(owner, {}).setdefault(rtype, (ttl, []))
        found += [rdata for rdata in rdatas if rdata[1] not in [wire for _, wire in found]]

    def zone(self) -> Zone:
        """The reference's form."""
        nodes: dict[Name, dict[int, RRset]] = {}
        for owner, types in self.records.items():
            for rtype, (ttl, rdatas) in types.items():
                rrset = RRset(ttl, tuple(wire for _, wire in rdatas))
                nodes.setdefault(fold(owner), {})[NUMBERS[rtype]] = rrset
        return Zone(self.origin, {owner: Node(rrsets) for owner, rrsets in nodes.items()})

    def master(self) -> str:
        """The master file, the SOA first."""
        lines = [
            f"{text(owner)} {ttl} IN {rtype} {rdata}"
            for owner, types in self.records.items()
            for rtype, (ttl, rdatas) in types.items()
            for rdata, _ in rdatas
        ]
        lines.sort(key=lambda line: " IN SOA " not in line)
        return "\n".join(lines) + "\n"


class Writer:
    """Makes zones from a seeded source of chance."""

    def __init__(self, random: Random) -> None:
        self.random = random

    def world(self, count: int) -> list[Written]:
        """`count` zones or a few more, some of them inside of others."""
        origins: list[Name] = []
        for number in range(count):
            origin: Name = (b"zone%d" % number, b"test")
            origins.append(origin)
            if number % 3 == 0:
                origins.append((b"a", *origin))  # the one right above delegates it, or not
            if number % 6 == 0:
                origins.append((b"b", b"b", b"a", *origin))
        written = [self.zone(origin, origins) for origin in origins]
        circles = _circles(written)
        while circles:
            for zone in written:
                for owner, rtype in circles:
                    zone.records.get(owner, {}).pop(rtype, None)
            circles = _circles(written)
        return written

    def label(self) -> bytes:
        """Mostly one of three letters, so that names meet."""
        chance = self.random
        label = chance.choice([b"a", b"b", b"c", b"*"] * 6 + [b"A", b"B", *ODD])
        return label if chance.random() < 0.95 else label.upper()

    def name(self, origin: Name, most: int = 4) -> Name:
        """A name in or below `origin`."""
        depth = self.random.randint(0, most)
        return tuple(self.label() for _ in range(depth)) + origin

    def target(self, origin: Name, origins: list[Name]) -> Name:
        """Where a name in rdata points: mostly into the zone."""
        chance = self.random.random()
        if chance < 0.15:
            return (*self.name((), 2), b"elsewhere", b"example")
        return self.name(self.random.choice(origins) if chance < 0.25 else origin, 3)

    def zone(self, origin: Name, origins: list[Name]) -> Written:
        """A zone of some thirty names."""
        made = Written(origin)
        ns, contact = (b"ns", *origin), (b"host.master", *origin)
        numbers = (
            self.random.randint(1, 2**32 - 1),
            3600,
            900,
            604800,
            self.random.choice([0, 60, 9000]),
        )
        made.add(
            origin, "SOA", 600,
            (" ".join([text(ns), text(contact), *map(str, numbers)]),
             encode(ns) + encode(contact) + struct.pack("!5I", *numbers)),
        )  # fmt: skip
        made.add(origin, "NS", 500, *map(named, [ns, (b"ns", b"elsewhere", b"example")]))
        made.add(ns, "A", 400, address("192.0.2.53"))
        for _ in range(self.random.randint(10, 45)):
            self.put(made, self.name(origin), origins)
        prune(made, [one for one in origins if one != origin and is_within(one, origin)])
        if ns not in made.records:  # a DNAME at the apex leaves no room for it
            made.records[origin]["NS"] = (500, [named((b"ns", b"elsewhere", b"example"))])
        return made

    def put(self, made: Written, owner: Name, origins: list[Name]) -> None:
        """Let something stand at `owner`."""
        chance, origin = self.random, made.origin
        lower = fold(owner)
        kind = chance.choice(
            ["addresses", "addresses", "text", "mail", "many", "alias", "alias", "cut", "cut",
             "child", "rename", "odd"]
        )  # fmt: skip
        present = made.records.get(lower, {})
        if {"CNAME", "DNAME"} & present.keys() or (kind in {"alias", "cut", "child"} and present):
            return
        ttl = chance.choice([0, 30, 3600, 2**31 - 1])
        target = self.target(origin, origins)
        if kind == "addresses":
            made.add(lower, "A", ttl, address("192.0.2.1"), address("192.0.2.2"))
            made.add(lower, "AAAA", ttl, address("2001:db8::1"))
        elif kind == "text":
            made.add(lower, "TXT", ttl, ('"a text" "\\200;"', b"\x06a text\x02\xc8;"))
            made.add(lower, "CAA", ttl, ('0 issue "ca.example"', b"\0\5issueca.example"))
        elif kind == "mail":
            name = encode(target)
            made.add(lower, "MX", ttl, (f"10 {text(target)}", b"\0\x0a" + name))
            made.add(lower, "SRV", ttl, (f"1 2 53 {text(target)}", b"\0\1\0\2\0\x35" + name))
        elif kind == "many":
            made.add(
                lower, "TXT", ttl,
                *(("z" * 9 + f"{n:03d}" * 50, bytes([159]) + b"z" * 9 + b"%03d" % n * 50) for n in range(chance.choice([3, 9, 80]))),
            )  # fmt: skip
        elif kind == "alias" and lower != origin:
            made.add(lower, "CNAME", ttl, named(target))
        elif kind == "cut" and lower != origin and lower[0] != b"*":
            self.cut(made, lower, origins)
        elif kind == "child" and (b"a", *origin) in origins:
            self.cut(made, (b"a", *origin), origins)
        elif (
            kind == "rename"
            and lower[:1] != (b"*",)
            and not is_within(target, lower)
            # NSD counts what a zone above has as below the DNAME, and refuses to load it
            and not any(is_within(one, lower) for one in origins if one != origin)
            and not (
                lower == origin and any(is_within(origin, one) for one in origins if one != origin)
            )
        ):
            made.add(lower, "DNAME", ttl, named(target))
        elif kind == "odd":
            made.add(lower, "TYPE65400", ttl, ("\\# 3 010203", b"\1\2\3"))
            made.add(lower, "HINFO", ttl, ('"cpu" "os"', b"\3cpu\2os"))
            made.add(lower, "PTR", ttl, named(target))
            made.add(
                lower,
                "NAPTR",
                ttl,
                (f'1 2 "s" "x" "" {text(target)}', b"\0\1\0\2\1s\1x\0" + encode(target)),
            )
            made.add(lower, "TLSA", ttl, ("3 1 1 " + "ab" * 32, b"\3\1\1" + b"\xab" * 32))
            made.add(lower, "SSHFP", ttl, ("1 1 " + "cd" * 20, b"\1\1" + b"\xcd" * 20))

    def cut(self, made: Written, owner: Name, origins: list[Name]) -> None:
        """Delegate `owner`, to servers below, beside and elsewhere."""
        inside = (b"ns1", *owner)
        made.add(owner, "NS", 700, named(inside), named(self.target(made.origin, origins)))
        for number in range(self.random.choice([1, 2, 40])):
            made.add(inside, "A", 800, address(f"192.0.2.{number}"))
        if self.random.random() < 0.5:
            made.add(inside, "AAAA", 800, address("2001:db8::53"))
        if self.random.random() < 0.5:
            ds = b"\x12\x34\x0d\x02" + bytes(range(32))
            made.add(owner, "DS", 900, (f"4660 13 2 {ds[4:].hex()}", ds))


def named(name: Name) -> tuple[str, bytes]:
    """Rdata that is a name."""
    return text(name), encode(name)


def address(written: str) -> tuple[str, bytes]:
    """Rdata that is an address."""
    return written, ip_address(written).packed


def prune(made: Written, children: list[Name]) -> None:
    """Leave out what loaders refuse: records that a cut or a DNAME above takes out of the zone.

    Names below `children`, zones of the same server, are no more this zone's than if it delegated them.
    """
    for owner in sorted(made.records, key=len):
        for start in range(1, len(owner) - len(made.origin) + 1):
            above = owner[start:]
            types = made.records.get(above, {})
            if above in children or (above != made.origin and "NS" in types):
                # nothing but glue: and no delegation inside of the delegation
                kept = {"A", "AAAA"} & made.records[owner].keys()
                if above in children and owner != (b"ns1", *above):
                    kept = set()
                made.records[owner] = {rtype: made.records[owner][rtype] for rtype in kept}
            if "DNAME" in types:
                made.records[owner] = {}
        types = made.records[owner]
        if owner in children or ("NS" in types and owner != made.origin):
            made.records[owner] = {rtype: types[rtype] for rtype in types if rtype in {"NS", "DS"}}
        elif "CNAME" in types and len(types) > 1:
            made.records[owner] = {"CNAME": types["CNAME"]}
    made.records = {owner: types for owner, types in made.records.items() if types}


def _circles(written: list[Written]) -> list[tuple[Name, str]]:
    """CNAMEs and DNAMEs that begin chains longer than a response follows, circles among them."""
    zones = [one.zone() for one in written]
    server = Server(zones)
    found = []
    for zone in zones:
        for owner, node in zone.nodes.items():
            for rtype, start in (
                (CNAME, owner),
                (CNAME, (b"zz", *owner[1:])),
                (DNAME, (b"zz", *owner)),
            ):
                if rtype in node.rrsets and (start == owner or rtype == DNAME or owner[0] == b"*"):
                    # a chain that comes to an end does so at a name, not at an alias
                    answer = server.resolve(start, 1).answer
                    if sum(record.type == CNAME for record in answer) > 6 or _returns(answer):
                        found.append((owner, "CNAME" if rtype == CNAME else "DNAME"))
    return found


def _returns(answer: list) -> bool:
    """Whether a chain comes back to one of its names."""
    owners = [fold(record.owner) for record in answer if record.type == CNAME]
    targets = [record.rdata.lower() for record in answer if record.type == CNAME]
    return bool(targets) and targets[-1] in [encode(owner) for owner in owners]


TYPES = [1, 1, 1, 28, 16, 15, 5, 39, 2, 6, 43, 33, 257, 255, 65400, 13, 12, 35, 52, 65]


def asked(random: Random, written: list[Written]) -> bytes:
    """A query near the names of `written`."""
    writer = Writer(random)
    zone = random.choice(written)
    owners = list(zone.records)
    kind = random.random()
    if kind < 0.35:
        name = random.choice(owners)
    elif kind < 0.65:
        name = writer.name(random.choice(owners), 2)
    elif kind < 0.75:
        owner = random.choice(owners)
        name = owner[random.randint(0, len(owner)) :]
    elif kind < 0.97:
        name = writer.name(zone.origin, 4)
    else:
        name = writer.name((b"other", b"example"), 2)
    while octets(name) > MAX_NAME:
        name = name[1:]
    if random.random() < 0.4:
        name = tuple(label.swapcase() for label in name)
    extra = b""
    if random.random() < 0.5:
        size = random.choice([512, 1232, 1232, 4096, 0])
        options = random.choice([[], [], [], [(65001, b"what")]])
        extra = opt(size, 0, 0, random.choice([0, 0x8000]), options)
    return question(
        name, random.choice(TYPES), 1, random.choice([0x100] * 7 + [0, 0, 0x110]), extra
    )


__all__ = ["Writer", "Written", "asked"]
