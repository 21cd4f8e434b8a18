"""The static records of a zone while it is read, which the engine keeps, and their places."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from dnslb.config.files import why_unreadable
from dnslb.config.spot import Spot
from dnslb.engine import new_records
from dnslb.zone.master import Meaning
from dnslb.zone.names import is_within, parent, relative
from dnslb.zone.records import Finding

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from dnslb.config.problem import Report
    from dnslb.zone.records import RRset

__all__ = ["Content", "Found", "Placed"]


@dataclass(frozen=True, slots=True)
class Placed:
    """A record and the spot at which it was written."""

    owner: bytes  # absolute, in lower case, wire format
    type: int
    ttl: int  # seconds
    rdata: bytes
    spot: Spot


@dataclass(frozen=True, slots=True)
class Found:
    """What the engine found wrong, and how many errors and warnings there are beyond those."""

    errors: Sequence[Finding]
    warnings: Sequence[Finding]
    more: tuple[int, int]


class Content:
    """All static records of one zone, and the names of its services."""

    def __init__(self, origin: bytes, report: Report, file: Path) -> None:
        self.origin = origin
        self.records = new_records(origin)
        self._report = report
        self._files = [file]  # by the engine's numbers; 0 is where spots come from
        self._spots: list[Spot] = []

    def add(self, record: Placed) -> None:
        """Add a record of a YAML file."""
        spot = self._number(record.spot)
        self.records.add(record.owner, record.type, record.ttl, record.rdata, spot)

    def add_service(self, owner: bytes, spot: Spot) -> None:
        """Add the name of a service."""
        self.records.add_service(owner, self._number(spot))

    def read(
        self, file: Path, ttl: int, refused: Sequence[tuple[int, bytes | None]] = ()
    ) -> list[tuple[int, Spot]]:
        """Add the records of a master file, and report what is wrong with it.

        `ttl` is for records without one. Those of the types in `refused` are left out, at one owner
        or at all, and returned as their types and spots.
        """
        meaning = Meaning(why_unreadable)
        files, problems, left_out = self.records.read(file, ttl, meaning, refused)
        self._files += map(Path, files)
        for place, message in problems:
            self.spot(place).problem(message)
        return [(number, self.spot(place)) for number, place in left_out]

    @property
    def whole(self) -> Spot:
        """The file that the zone is in."""
        return Spot(self._report, self._files[0])

    @property
    def files(self) -> list[Path]:
        """The master files that were read, those that they include among them."""
        return self._files[1:]

    def check(self) -> Found:
        """What breaks a rule (`engine/src/zones/rules.rs`)."""
        return _found(self.records.check())

    def check_nested(self, apexes: Iterable[bytes]) -> Found:
        """The names that belong to the zones at `apexes`, which are below this zone."""
        return _found(self.records.check_nested(list(apexes)))

    def spots(self, owner: bytes, number: int) -> Iterator[Spot]:
        """Where the records of one name and type were written."""
        return map(self.spot, self.records.places(owner, number))

    def types(self, owner: bytes) -> dict[int, RRset]:
        """The records of one owner name, by type."""
        return {rrset.type: rrset for rrset in self.records.at(owner)}

    def exists(self, name: bytes) -> bool:
        """Whether something stands at or below `name`, or a wildcard covers it (RFC 4592)."""
        if self.records.exists(name):
            return True
        while name != self.origin:
            name = parent(name)
            if self.records.exists(name):
                return self.records.exists(b"\x01*" + name)
        return False

    def spot(self, place: tuple[int, int, int]) -> Spot:
        """Where something stands, by the engine's numbers."""
        file, line, column = place
        if file == 0:
            return self._spots[line]
        return Spot(self._report, self._files[file], place=(line, column))

    def inside(self, name: bytes) -> bool:
        """Whether `name` is in the zone."""
        return is_within(name, self.origin)

    def text(self, name: bytes) -> str:
        """An owner name as it is written: relative, `@` for the apex."""
        return relative(name, self.origin)

    def _number(self, spot: Spot) -> int:
        self._spots.append(spot)
        return len(self._spots) - 1


def _found(
    told: tuple[Sequence[tuple[object, ...]], Sequence[tuple[object, ...]], int, int],
) -> Found:
    errors, warnings, more_errors, more_warnings = told
    return Found(
        [Finding(*item) for item in errors],  # type: ignore[arg-type]
        [Finding(*item) for item in warnings],  # type: ignore[arg-type]
        (more_errors, more_warnings),
    )
