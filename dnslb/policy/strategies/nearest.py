"""The nearest member that is up, by great-circle distance from the client.

client's coordinates ─▶ distance to each member's location, biased ─▶ nearest first
a site is down       ─▶ each of its clients goes to the next nearest for him
bias above 0         ─▶ distance x (1 - bias/100): it draws clients from farther away
bias below 0         ─▶ distance / (1 + bias/100), as Route 53 has it
client unknown       ─▶ the member with `unknown: true`, else the last; then by distance from it
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Final, NamedTuple

from dnslb.geo.atlas import nowhere
from dnslb.policy.orders import Orders
from dnslb.policy.strategies.base import Strategy

if TYPE_CHECKING:
    from collections.abc import Sequence

    from dnslb.config.model import Member
    from dnslb.geo.atlas import Atlas
    from dnslb.geo.location import Location
    from dnslb.policy.orders import Order
    from dnslb.policy.plan import Node
    from dnslb.policy.strategies.base import Candidate, Choice

__all__ = ["Nearest", "Site", "distance", "order", "sites_of"]

EARTH: Final = 6371.0
"""The mean radius in kilometres."""


class Site(NamedTuple):
    """What is looked at of a member."""

    location: tuple[float, float] | None  # latitude, longitude in degrees
    bias: int
    unknown: bool  # whether it is for clients whose place is not known


class Nearest(Strategy):
    """Distance decides."""

    name = "nearest"
    measured = False
    ordered = True
    places = True

    def plan(self, candidates: Sequence[Candidate], choice: Choice) -> Node:
        """A choice by network among the candidates."""
        sites = sites_of(choice.members)
        atlas = choice.atlas
        orders = atlas.remember(("nearest", sites), lambda: _orders(sites, atlas))
        return orders.network(candidates, choice)


def sites_of(members: Sequence[Member]) -> tuple[Site, ...]:
    """What is looked at of `members`."""
    return tuple(Site(one.location, one.bias, one.rule.unknown) for one in members)


def order(sites: Sequence[Site], location: Location | None) -> Order:
    """The members for a client at `location`, nearest first; those without a place come last."""
    if location is None or location.latitude is None or location.longitude is None:
        return _for_unknown(sites)
    client = _vector(location.latitude, location.longitude)
    return _from(client, [site.location and _vector(*site.location) for site in sites], sites)


def distance(site: Site, location: tuple[float, float]) -> float:
    """Kilometres from `location` (latitude, longitude) to `site`, biased."""
    if site.location is None:
        return math.inf
    return _biased(_vector(*location), _vector(*site.location), site.bias)


def _orders(sites: Sequence[Site], atlas: Atlas) -> Orders:
    database = atlas.provider("latitude")
    if database is None:
        return Orders(nowhere(), [_for_unknown(sites)])
    vectors = [site.location and _vector(*site.location) for site in sites]
    unknown = _for_unknown(sites)

    def judge(location: Location | None) -> Order:
        if location is None or location.latitude is None or location.longitude is None:
            return unknown
        return _from(_vector(location.latitude, location.longitude), vectors, sites)

    by, orders = atlas.judge(database, ("latitude", "longitude"), judge)
    return Orders(by, orders)  # type: ignore[arg-type]


Vector = tuple[float, float, float]


def _for_unknown(sites: Sequence[Site]) -> Order:
    places = [place for place, site in enumerate(sites) if site.unknown] or [len(sites) - 1]
    first = sites[places[0]]
    if first.location is None:
        return tuple(dict.fromkeys((*places, *range(len(sites)))))
    vectors = [site.location and _vector(*site.location) for site in sites]
    others = _from(_vector(*first.location), vectors, sites)
    return tuple(dict.fromkeys((*places, *others)))


def _from(client: Vector, vectors: Sequence[Vector | None], sites: Sequence[Site]) -> Order:
    distances = [
        math.inf if vector is None else _biased(client, vector, site.bias)
        for vector, site in zip(vectors, sites, strict=True)
    ]
    return tuple(sorted(range(len(sites)), key=distances.__getitem__))


def _biased(one: Vector, other: Vector, bias: int) -> float:
    # by the chord, which is exact for places close to each other too
    chord = math.dist(one, other)
    kilometres = 2 * EARTH * math.asin(min(chord / 2, 1.0))
    return kilometres * (1 - bias / 100) if bias > 0 else kilometres / (1 + bias / 100)


def _vector(latitude: float, longitude: float) -> Vector:
    """The place on the unit sphere."""
    north, east = math.radians(latitude), math.radians(longitude)
    return math.cos(north) * math.cos(east), math.cos(north) * math.sin(east), math.sin(north)
