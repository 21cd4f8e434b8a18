"""The databases of a configuration, and what has been decided of their locations.

    database ─▶ its distinct locations ─▶ each judged once ─▶ a map: network ─▶ judgement

A database of millions of networks has some tens of thousands of locations, and of these a policy
tells a few apart. So a policy is asked once for every location that differs in what it looks at,
and the answers are kept, with the map, for as long as the databases stay.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, NamedTuple, TypeVar, cast

from dnslb.engine import network_map
from dnslb.geo.countries import continent_of
from dnslb.geo.location import NOWHERE, Location

if TYPE_CHECKING:
    from collections.abc import Callable, Hashable, Iterable, Sequence

    from dnslb._engine import Database, NetworkMap
    from dnslb.config.model import Address
    from dnslb.geo.database import Opened

__all__ = ["EMPTY", "Atlas", "Judged"]

MAX_REMEMBERED: Final = 256
"""How many maps are kept for use again; the oldest goes first."""

T = TypeVar("T")


class Judged(NamedTuple):
    """A map, and what each of its labels stands for."""

    map: NetworkMap
    results: Sequence[Hashable]


class Atlas:
    """What is known of the places of addresses. It does not change; new files make a new one."""

    def __init__(self, city: Opened | None = None, asn: Opened | None = None) -> None:
        self.files = {name: one for name, one in (("city", city), ("asn", asn)) if one}
        self.city = city.database if city else None
        self.asn = asn.database if asn else None
        self._remembered: dict[Hashable, object] = {}

    @property
    def databases(self) -> tuple[Database, ...]:
        """Those that there are, places first."""
        return tuple(one for one in (self.city, self.asn) if one is not None)

    def provider(self, field: str) -> Database | None:
        """The database that tells the `field` of a `Location`; None: none does."""
        first, second = self.city, self.asn
        if field in {"asn", "organization"}:
            first, second = second, first
        # the continent follows from the country
        fields = {field, "country"} if field == "continent" else {field}
        return next((one for one in (first, second) if one and fields & one.fields), None)

    def locate(self, address: Address) -> Location | None:
        """What is known of `address`; None: no database knows it."""
        found = None
        for database in self.databases:
            label, _ = database.map.find(address)
            if not label:
                continue
            here = Location(*database.location(label - 1))
            found = found or NOWHERE
            for field, value in zip(Location._fields, here, strict=True):
                if self.provider(field) is database:
                    found = found._replace(**{field: cast("Any", value)})
        return found and _complete(found)

    def judge(
        self, database: Database, fields: Iterable[str], judge: Callable[[Location | None], T]
    ) -> Judged:
        """Every location that differs in `fields` judged once; None is for those not known."""
        fields = sorted({*fields} | ({"country"} if "continent" in fields else set()))
        fields = [field for field in Location._fields if field in fields]
        rows, row_of = database.rows(fields)
        numbers: dict[T, int] = {judge(None): 0}
        order = []
        for row in rows:
            location = _complete(NOWHERE._replace(**dict(zip(fields, row, strict=True))))
            order.append(numbers.setdefault(judge(location), len(numbers)))
        by = database.map.relabel([0, *(order[row] for row in row_of)])
        return Judged(by, cast("list[Hashable]", list(numbers)))

    def remember(self, key: Hashable, make: Callable[[], T]) -> T:
        """What `make` makes, once for each `key`."""
        known = self._remembered.get(key)
        if known is None:
            known = make()
            while len(self._remembered) >= MAX_REMEMBERED:
                self._remembered.pop(next(iter(self._remembered)), None)
            self._remembered[key] = known
        return cast("T", known)


EMPTY: Final = Atlas()
"""No databases: nothing is known of any address."""


def nowhere() -> NetworkMap:
    """The map that tells no addresses apart."""
    return network_map(())


def _complete(location: Location) -> Location:
    """`location` with the continent of its country, where the database has none."""
    if location.continent is None and location.country is not None:
        return location._replace(continent=continent_of(location.country))
    return location
