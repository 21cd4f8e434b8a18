"""The static records of a zone while it is read: each with its spot, by owner name and type."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from dnslb.zone.names import ancestors, is_within, parent, relative
from dnslb.zone.rdata import rdata_text
from dnslb.zone.records import RRset
from dnslb.zone.types import type_name

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from dnslb.config.spot import Spot

__all__ = ["Content", "Placed"]

MAX_RRSET: Final = 60_000
"""Octets; what is larger may not fit into a message, and the engine refuses it."""

PER_RECORD: Final = 12
"""Octets of a record besides its rdata: a pointer to its owner, type, class, TTL and length."""


@dataclass(frozen=True, slots=True)
class Placed:
    """A record and the spot at which it was written."""

    owner: bytes  # absolute, in lower case, wire format
    type: int
    ttl: int  # seconds
    rdata: bytes
    spot: Spot


class Content:
    """All static records of one zone; `services` are the owner names of what is balanced."""

    def __init__(self, origin: bytes, records: Iterable[Placed], services: Iterable[bytes]) -> None:
        self.origin = origin
        self._records: dict[bytes, dict[int, list[Placed]]] = {}
        for record in records:
            self._records.setdefault(record.owner, {}).setdefault(record.type, []).append(record)
        self._owners = {*self._records, *services}
        self._names = {
            name for owner in self._owners for name in ancestors(owner) if len(name) >= len(origin)
        }

    def owners(self) -> Iterator[tuple[bytes, dict[int, list[Placed]]]]:
        """Every owner name with its records by type."""
        yield from self._records.items()

    def at(self, owner: bytes, number: int) -> list[Placed]:
        """The records of one owner name and type."""
        return self._records.get(owner, {}).get(number, [])

    def types(self, owner: bytes) -> dict[int, list[Placed]]:
        """The records of one owner name, by type."""
        return self._records.get(owner, {})

    def exists(self, name: bytes) -> bool:
        """Whether something stands at or below `name`, or a wildcard covers it (RFC 4592)."""
        if name in self._names:
            return True
        while name != self.origin:
            name = parent(name)
            if name in self._names:
                return b"\x01*" + name in self._owners
        return False

    def inside(self, name: bytes) -> bool:
        """Whether `name` is in the zone."""
        return is_within(name, self.origin)

    def text(self, name: bytes) -> str:
        """An owner name as it is written: relative, `@` for the apex."""
        return relative(name, self.origin)

    def rrsets(self) -> list[RRset]:
        """The records as RRsets; what contradicts itself is reported."""
        return [
            self._rrset(owner, number, records)
            for owner, types in self._records.items()
            for number, records in types.items()
        ]

    def _rrset(self, owner: bytes, number: int, records: list[Placed]) -> RRset:
        first, name = records[0], f"{self.text(owner)} {type_name(number)}"
        rdatas: dict[bytes, None] = {}
        for record in records:
            if record.ttl != first.ttl:
                record.spot.problem(
                    f"{name} has TTL {first.ttl} elsewhere and {record.ttl} here; "
                    "records of one name and type share one TTL (RFC 2181 section 5.2)"
                )
            if record.rdata in rdatas:
                record.spot.warning(f"{name} {rdata_text(number, record.rdata)} stands twice")
            rdatas[record.rdata] = None
        size = sum(PER_RECORD + len(rdata) for rdata in rdatas)
        if size > MAX_RRSET:
            first.spot.problem(f"{name} takes {size} octets, {MAX_RRSET} is the most")
        return RRset(owner, number, first.ttl, tuple(rdatas))
