"""Databases the size of GeoLite2-City and GeoLite2-ASN: 4 million networks, 100,000 locations.

`mmdb_writer` inserts a network bit by bit into a tree of Python objects, which is slow and large for
4 million networks. Here its encoder writes the data section and the metadata, and the
search tree is made of numbers: the networks come in the order of their addresses, so each needs
only the nodes that it does not share with the one before it.

What the files hold follows from `VERSION` and the seed alone. As in the real ones, a block of
addresses is allocated to somebody in one country and cut into networks of a few near cities,
neighbouring networks differ, some space is nobody's, and the IPv4 tree is also found at
::ffff:0:0/96, 2001::/32 and 2002::/16.

    python tests/geo/cityfile.py      writes both into the cache, unless they are there; tells where
"""

from __future__ import annotations

import os
import random
import sys
import tempfile
from array import array
from bisect import bisect
from heapq import merge
from ipaddress import IPv6Network
from itertools import accumulate
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, NamedTuple, TypeAlias

from mmdb_writer import METADATA_MAGIC, Encoder, MmdbU16
from world import COUNTRIES, Country

from dnslb.geo.countries import EUROPEAN_UNION

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

__all__ = ["BUILT", "VERSION", "Size", "asn_file", "cached", "city_file", "folder"]

VERSION: Final = 1
"""Of what is generated: whoever changes it changes this, so that no cache serves the old."""

BUILT: Final = 1_790_000_000
"""The build time that the files state, seconds since 1970."""

LEAF: Final = 1 << 31
"""Added to what a node's side holds when that is no node but an offset into the data."""

SEPARATOR: Final = 16
"""Octets of zeros between the search tree and the data."""

IPV4: Final = tuple(map(IPv6Network, ("::/96", "::ffff:0:0/96", "2001::/32", "2002::/16")))
"""Where the IPv4 tree hangs in that of IPv6: as in MaxMind's files, at four places."""

REGISTRIES: Final = {
    ("AS", "OC"): "1 14 27 36 39 42 43 49 58-61 101 103 106 110-126 133 150 153 163 171 175 180 182"
    " 183 202 203 210 211 218-223",
    ("EU",): "2 5 25 31 37 46 51 53 57 62 77-95 109 141 145 151 176 178 185 188 193-195 212 213"
    " 217",
    ("AF",): "41 102 105 154 196 197",
    ("SA",): "177 179 181 186 187 189-191 200 201",
}
"""By the first octet of an address, the continents that it is mostly used in; else America."""

UNUSED: Final = frozenset({0, 10, 127})

REGISTRIES6: Final = {0x2001: "EU", 0x2400: "AS", 0x2600: "NA", 0x2800: "SA", 0x2A00: "EU"} | {
    0x2C00: "AF"
}

FOREIGN: Final = 0.04
"""The share of allocations that are used on another continent than their neighbours."""


Network: TypeAlias = "tuple[int, int, int]"
"""Address, prefix length, and what is known of it: a number, or where in the file that is."""


class Size(NamedTuple):
    """How much of everything: one in `thin` allocations of the full file's, and the locations."""

    thin: int
    locations: int


FULL: Final = Size(1, 100_000)


class Allocation(NamedTuple):
    """A block of addresses that somebody holds."""

    base: int
    length: int  # of its prefix
    country: int
    number: int  # random; decides who the holder is


def allocations(size: Size, bits: int) -> Iterator[Allocation]:
    """All blocks of IPv4 (32 bits) or IPv6 (128), in the order of their addresses."""
    dice = _dice("allocations", bits)
    blocks = _allocations4 if bits == 32 else _allocations6
    return blocks(dice, _Countries(dice), size.thin)


def _dice(*purpose: object) -> random.Random:
    return random.Random(f"{VERSION} {purpose}")


def _allocations4(dice: random.Random, draw: _Countries, thin: int) -> Iterator[Allocation]:
    regions = {
        first: continents
        for continents, octets in REGISTRIES.items()
        for low, _, high in (part.partition("-") for part in octets.split())
        for first in range(int(low), int(high or low) + 1)
    }
    lengths = _Draw({12: 1, 13: 2, 14: 6, 15: 10, 16: 22, 17: 12, 18: 12, 19: 14, 20: 12, 22: 9})
    count = 0
    for first in range(1, 224):
        if first in UNUSED:
            continue
        continents = regions.get(first, ("NA",))
        for base, length in _cut(first << 24, 8, 32, lengths, dice):
            country = draw.within(continents)
            number = dice.getrandbits(30)
            if dice.random() < 0.03:  # nobody's
                continue
            count += 1
            if count % thin == 0:
                yield Allocation(base, length, country, number)


def _allocations6(dice: random.Random, draw: _Countries, thin: int) -> Iterator[Allocation]:
    for prefix, continent in REGISTRIES6.items():
        continents = ("AS", "OC") if continent == "AS" else (continent,)
        share = {"EU": 5_000, "NA": 3_000, "AS": 3_800, "SA": 1_900, "AF": 700}[continent]
        base = (prefix << 16) + (0x200 if prefix == 0x2001 else 0)
        for _ in range(share):
            base += dice.choice((1, 1, 1, 2, 4))
            country = draw.within(continents)
            number = dice.getrandbits(30)
            if number % thin == 0:
                yield Allocation(base << 96, 32, country, number)


class _Countries:
    """Draws a country by its weight."""

    def __init__(self, dice: random.Random) -> None:
        self._dice = dice
        indices = range(len(COUNTRIES))
        self._anywhere = _Draw({index: COUNTRIES[index].weight for index in indices})
        self._within = {
            continents: _Draw(
                {
                    index: COUNTRIES[index].weight
                    for index in indices
                    if COUNTRIES[index].continent in continents
                }
            )
            for continents in (("AS", "OC"), ("EU",), ("AF",), ("SA",), ("NA",))
        }

    def within(self, continents: tuple[str, ...]) -> int:
        dice = self._dice
        draw = self._anywhere if dice.random() < FOREIGN else self._within[continents]
        return draw(dice)


class _Draw:
    """Draws one of some numbers, each by its weight."""

    def __init__(self, weights: dict[int, int]) -> None:
        self._values = list(weights)
        self._sums = list(accumulate(weights.values()))

    def __call__(self, dice: random.Random) -> int:
        return self._values[bisect(self._sums, dice.random() * self._sums[-1])]


def _cut(
    base: int, length: int, bits: int, lengths: _Draw, dice: random.Random
) -> Iterator[tuple[int, int]]:
    """The prefixes that fill a block, each as long as drawn, or longer where it has to fit in."""
    end = base + (1 << (bits - length))
    while base < end:
        host = bits - max(length, lengths(dice))
        host = min(host, (base & -base).bit_length() - 1)
        yield base, bits - host
        base += 1 << host


FINE: Final = _Draw({20: 6, 21: 8, 22: 22, 23: 16, 24: 30, 25: 6, 26: 5, 27: 1, 28: 1, 32: 1})
COARSE: Final = _Draw({16: 30, 17: 10, 18: 20, 19: 20, 20: 20})


def _networks(size: Size, bits: int, firsts: Sequence[int]) -> Iterator[Network]:
    """The networks with the numbers of their locations; `firsts`: each country's first one."""
    dice = _dice("networks", bits)
    for block in allocations(size, bits):
        first, end = firsts[block.country], firsts[block.country + 1]
        near = first + int(dice.random() * (end - first))
        pool = [near + index if near + index < end else first for index in range(8)]
        if bits == 32:
            lengths = FINE if dice.random() < 0.26 else COARSE
            pieces = _cut(block.base, block.length, 32, lengths, dice)
        else:
            pieces = _spine(block.base, dice)
        last = -1
        for base, length in pieces:
            location = pool[int(dice.random() * 8)]
            if location == last:  # neighbours differ: else they were one network in a real file
                location = pool[0] if last != pool[0] else pool[1]
            last = location
            yield base, length, location


def _spine(base: int, dice: random.Random) -> Iterator[tuple[int, int]]:
    """A /32 of IPv6 cut to sixteenths, one of these again, and so on to between /32 and /64."""
    depth = dice.choice((0, 2, 3, 4, 4, 4, 5, 6, 8))
    before, after = [], []
    length = 32
    for _ in range(depth):
        length += 4
        step = 1 << (128 - length)
        deeper = dice.randrange(16)
        before += [(base + step * index, length) for index in range(deeper)]
        after += [(base + step * index, length) for index in range(15, deeper, -1)]
        base += step * deeper
    return iter([*before, (base, length), *reversed(after)])


def city_file(path: Path, size: Size = FULL) -> int:
    """Write a database like GeoLite2-City and return how many networks it has."""
    encoder = Encoder(int_type="u32")
    offsets, firsts = _locations(encoder, size.locations)
    parts = [
        ((base, length, offsets[at]) for base, length, at in _networks(size, bits, firsts))
        for bits in (32, 128)
    ]
    return _write(path, "GeoLite2-City", parts, encoder)


def asn_file(path: Path, size: Size = FULL) -> int:
    """Write a database like GeoLite2-ASN and return how many networks it has."""
    encoder = Encoder(int_type="u32")
    offsets = [
        encoder.encode(
            {
                "autonomous_system_number": 1_000 + 3 * index,
                "autonomous_system_organization": f"Network Operator {index}",
            },
            return_offset=True,
        )
        for index in range(70_000 // size.thin)
    ]
    parts = [
        (
            (base, length, offsets[holder])
            for base, length, holder in _held(size, bits, len(offsets))
        )
        for bits in (32, 128)
    ]
    return _write(path, "GeoLite2-ASN", parts, encoder)


def _held(size: Size, bits: int, holders: int) -> Iterator[Network]:
    """The networks with the numbers of their holders: allocations, some of them handed on."""
    dice = _dice("holders", bits)
    for block in allocations(size, bits):
        cuts = dice.choice((0, 0, 1, 2))
        host = bits - block.length - cuts
        holder = block.number % holders
        for piece in range(1 << cuts):
            yield block.base + (piece << host), block.length + cuts, holder
            holder = (holder + 1 + int(dice.random() * 50)) % holders


def _locations(encoder: Encoder, count: int) -> tuple[list[int], list[int]]:
    """Where in the data each location is, by its number; and the first number of each country."""
    dice = _dice("locations")
    weights = [country.weight**0.75 for country in COUNTRIES]
    sums = [0.0, *accumulate(weights)]
    firsts = [int(total * count / sums[-1]) for total in sums]
    radii = [MmdbU16(radius) for radius in (5, 10, 20, 50, 100, 200, 500, 1000)]
    offsets = []
    for index, country in enumerate(COUNTRIES):
        where = _places(country, firsts[index + 1] - firsts[index], dice)
        of = _country(country, index)
        for city, (latitude, longitude) in enumerate(where):
            region = city * 12 // len(where)
            record: dict[str, Any] = {
                "city": _named(3_000_000 + len(offsets), f"{country.code} City {city}"),
                **of,
                "location": {
                    "accuracy_radius": radii[int(dice.random() * len(radii))],
                    "latitude": latitude,
                    "longitude": longitude,
                    "time_zone": f"Zone/{country.code}",
                },
                "subdivisions": [
                    {"iso_code": f"{region:02}"}
                    | _named(2_000_000 + index * 100 + region, f"{country.code} Region {region}")
                ],
            }
            offsets.append(encoder.encode(record, return_offset=True))
    return offsets, firsts


def _places(country: Country, count: int, dice: random.Random) -> list[tuple[float, float]]:
    """Coordinates of a country's cities, near ones beside each other."""
    places = [
        (anchor, dice.gauss(0, 1.5), dice.gauss(0, 1.5))
        for anchor in (index * len(country.anchors) // count for index in range(count))
    ]
    found = []
    for anchor, north, east in sorted(places):
        latitude, longitude = country.anchors[anchor]
        found.append(
            (
                round(max(-89.9, min(89.9, latitude + north)) + 0.00005, 4),
                round(max(-179.9, min(179.9, longitude + east)) + 0.00005, 4),
            )
        )
    return found


def _country(country: Country, index: int) -> dict[str, Any]:
    union = {"is_in_european_union": True} if country.code in EUROPEAN_UNION else {}
    about = {"iso_code": country.code, **union, **_named(1_000_000 + index, f"Land {country.code}")}
    continents = sorted({country.continent for country in COUNTRIES})
    number = 900_000 + continents.index(country.continent)
    return {
        "continent": {"code": country.continent, **_named(number, f"Part {country.continent}")},
        "country": about,
        "registered_country": about,
    }


def _named(number: int, name: str) -> dict[str, Any]:
    return {"geoname_id": number, "names": {"en": name}}


def _write(path: Path, kind: str, parts: Sequence[Iterator[Network]], encoder: Encoder) -> int:
    """Write a file of the networks of IPv4 and of IPv6, with the offsets of their data."""
    sides = array("I", bytes(16))  # two for each node; node 0 is IPv6's root, node 1 IPv4's
    places = ((int(place[0]), place.prefixlen, 1) for place in IPV4)
    four, six = (((base, length, at | LEAF) for base, length, at in part) for part in parts)
    count = _plant(sides, 1, 32, four) + _plant(sides, 0, 128, merge(places, six)) - len(IPV4)
    nodes = len(sides) // 2
    data = nodes + SEPARATOR - LEAF
    tree = array("I", (side + data if side >= LEAF else side or nodes for side in sides))
    with tempfile.NamedTemporaryFile(dir=path.parent, delete=False) as file:
        file.write(_packed(tree))
        file.write(bytes(SEPARATOR))
        file.writelines(encoder.data_list)
        file.write(METADATA_MAGIC)
        file.write(Encoder(cache=False).encode_meta(_metadata(kind, nodes)))
    Path(file.name).chmod(0o644)
    Path(file.name).replace(path)  # whole or not at all, for those who wait for it
    return count


def _plant(sides: array[int], root: int, bits: int, networks: Iterable[Network]) -> int:
    """Hang networks, in the order of their addresses, below a node; return how many they were.

    `path` holds the nodes from the root to where the last network hangs: the next one leaves it
    at the first bit that differs. Nodes are numbered as they come, so only new ones are touched.
    """
    path = [root]
    before = count = 0
    for base, length, value in networks:
        common = bits - (base ^ before).bit_length()
        del path[common + 1 :]
        node = path[-1]
        for depth in range(len(path), length):
            new = len(sides) >> 1
            sides.extend((0, 0))
            sides[2 * node + (base >> (bits - depth) & 1)] = new
            path.append(new)
            node = new
        sides[2 * node + (base >> (bits - length) & 1)] = value
        before = base
        count += 1
    return count


def _packed(sides: array[int]) -> bytes:
    """The search tree in records of 28 bits: seven octets a node, the middle one shared."""
    if sys.byteorder == "little":
        sides.byteswap()
    raw = sides.tobytes()
    out = bytearray(len(raw) // 8 * 7)
    for at, octet in ((0, 1), (1, 2), (2, 3), (4, 5), (5, 6), (6, 7)):
        out[at::7] = raw[octet::8]
    high = raw[0::8].translate(bytes((value << 4) & 0xFF for value in range(256)))
    shared = int.from_bytes(high, "big") | int.from_bytes(raw[4::8], "big")
    out[3::7] = shared.to_bytes(len(high), "big")
    return bytes(out)


def _metadata(kind: str, nodes: int) -> dict[str, Any]:
    return {
        "node_count": nodes,
        "record_size": 28,
        "ip_version": 6,
        "database_type": kind,
        "languages": ["en"],
        "binary_format_major_version": 2,
        "binary_format_minor_version": 0,
        "description": {"en": "Random data of the size of a real file"},
        "build_epoch": BUILT,
    }


def folder() -> Path:
    """Where files are cached."""
    home = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(home) / "dnslb"


def cached() -> tuple[Path, Path]:
    """The city file and the ASN file of full size, written when this version's are not there."""
    paths = []
    for name, write in (("city", city_file), ("asn", asn_file)):
        path = folder() / f"{name}-{VERSION}.mmdb"
        if not path.exists():
            path.parent.mkdir(parents=True, exist_ok=True)
            write(path)
        paths.append(path)
    return paths[0], paths[1]


if __name__ == "__main__":
    sys.stdout.write("".join(f"{path}\n" for path in cached()))
