"""Reasons: why a member of a `geo` or `nearest` pool is, or is not, for a client."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from dnslb.policy.strategies import geo, nearest

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from dnslb.config.model import Address, Member, Pool, Rule
    from dnslb.geo.location import Location

__all__ = ["HOLDS", "condition", "notes", "place", "settled"]

HOLDS: Final = "the rule holds"

MANY: Final = 4
"""Of a list, so many are told."""


def notes(pool: Pool, location: Location | None, client: Address) -> Sequence[str]:
    """What to say of each member; empty texts where where the client is plays no part."""
    if isinstance(pool.strategy, geo.Geo):
        return _of_rules(pool.members, location, client)
    if isinstance(pool.strategy, nearest.Nearest):
        return _of_distances(pool.members, location)
    return [""] * len(pool.members)


def settled(pool: Pool, notes: Sequence[str], able: Sequence[bool], answers: int) -> Sequence[str]:
    """The `notes` of a `geo` pool with what came of them, by the members that are able to serve.

    A rule that holds may be behind another that serves, and a member may serve without its own.
    """
    if not isinstance(pool.strategy, geo.Geo):
        return notes
    holding = frozenset(at for at, note in enumerate(notes) if note == HOLDS)
    order = geo.order(holding, len(notes))
    chosen = [at for at in order if able[at]][:answers]
    found = list(notes)
    for at in chosen:
        if at not in holding and at != order[0]:
            found[at] += "; serves, as none before it can"
    for at in holding:
        if able[at] and at not in chosen:
            found[at] += ", but one before it serves"
    return found


def condition(pool: Pool, member: Member) -> str:
    """Which clients a member is for, in words; empty where where the client is plays no part."""
    if isinstance(pool.strategy, nearest.Nearest):
        if member.location is None:
            return "no location"
        return f"nearest to {member.location[0]:g}, {member.location[1]:g}"
    if not isinstance(pool.strategy, geo.Geo):
        return ""
    rule = member.rule
    lists: dict[str, Iterable[object]] = {
        "network": rule.networks,
        "continent": rule.continents,
        "country": rule.countries,
        "subdivision": rule.subdivisions,
        "city": rule.cities,
        "AS": rule.asns,
    }
    parts = [f"{word} {_any_of(values)}" for word, values in lists.items() if values]
    if rule.unknown:
        parts.append("unknown addresses")
    return ", ".join(parts) or "everyone else"


def place(location: Location | None) -> str:
    """The location in words."""
    if location is None:
        return "unknown: no database has it"
    parts = [location.continent, location.country, *location.subdivisions, location.city]
    words = [part for part in parts if part]
    if location.asn is not None:
        words.append(f"AS{location.asn}")
    if location.organization:
        words.append(location.organization)
    if location.latitude is not None and location.longitude is not None:
        words.append(f"at {location.latitude:g}, {location.longitude:g}")
    return ", ".join(words)


def _of_rules(
    members: Sequence[Member], location: Location | None, client: Address
) -> Sequence[str]:
    found = [_against(member.rule, location, client) for member in members]
    if all(found):
        found[-1] += "; no rule holds, so the last one is tried first"
    return [f"passed over: {reason}" if reason else HOLDS for reason in found]


def _against(rule: Rule, location: Location | None, client: Address) -> str:
    """Why `rule` does not hold; empty when it does."""
    if rule.networks and not any(client in network for network in rule.networks):
        return f"not in {_any_of(rule.networks)}"
    if rule.unknown and location is not None:
        return "only for unknown addresses"
    if geo.holds(rule, location, client):
        return ""
    if location is None:
        return "where the client is is unknown"
    if rule.continents and location.continent not in rule.continents:
        return f"continent is {_told(location.continent)}, not {_any_of(rule.continents)}"
    if rule.countries and location.country not in rule.countries:
        return f"country is {_told(location.country)}, not {_any_of(rule.countries)}"
    if rule.subdivisions and rule.subdivisions.isdisjoint(location.subdivisions):
        own = _told(", ".join(location.subdivisions))
        return f"subdivision is {own}, not {_any_of(rule.subdivisions)}"
    if rule.cities and rule.cities.isdisjoint((location.city, location.city_id)):
        return f"city is {_told(location.city)}, not {_any_of(rule.cities)}"
    own = "unknown" if location.asn is None else str(location.asn)
    return f"AS number is {own}, not {_any_of(rule.asns)}"


def _of_distances(members: Sequence[Member], location: Location | None) -> Sequence[str]:
    sites = nearest.sites_of(members)
    ranks = {member: rank for rank, member in enumerate(nearest.order(sites, location), start=1)}
    if location is None or location.latitude is None or location.longitude is None:
        return [f"number {ranks[number]}: no coordinates" for number in range(len(sites))]
    here = location.latitude, location.longitude
    found = []
    for number, site in enumerate(sites):
        plain = nearest.distance(site._replace(bias=0), here)
        biased = f", {nearest.distance(site, here):,.0f} by its bias" if site.bias else ""
        found.append(f"number {ranks[number]}: {plain:,.0f} km away{biased}")
    return found


def _told(text: str | None) -> str:
    return text or "unknown"


def _any_of(values: Iterable[object]) -> str:
    words = sorted(map(str, values))
    if len(words) > MANY:
        words = [*words[: MANY - 1], f"{len(words) - MANY + 1} others"]
    return " or ".join(filter(None, (", ".join(words[:-1]), words[-1])))
