"""The first rule that holds for the client, and of those the first whose member is up.

    rules that hold, in the order written ─▶ the last rule ─▶ the others in the order written
    a rule holds   ─▶ when all that it gives does; of each list one entry suffices
    client unknown ─▶ conditions on places do not hold, `unknown: true` does

Somebody serves every client while anything is up: which names exist never depends on the client.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from dnslb.engine import network_map
from dnslb.geo.atlas import nowhere
from dnslb.policy.orders import Orders
from dnslb.policy.strategies.base import Strategy

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from dnslb._engine import NetworkMap
    from dnslb.config.model import Address, Rule
    from dnslb.geo.atlas import Atlas
    from dnslb.geo.location import Location
    from dnslb.policy.orders import Order
    from dnslb.policy.plan import Node
    from dnslb.policy.strategies.base import Candidate, Choice

__all__ = ["Geo", "fields_of", "holds", "order"]

Places = frozenset[int]
"""Rules, by the place of their member in the pool."""


class Geo(Strategy):
    """Rules about the client decide."""

    name = "geo"
    measured = False
    ordered = True
    places = True

    def plan(self, candidates: Sequence[Candidate], choice: Choice) -> Node:
        """A choice by network among the candidates."""
        rules = tuple(member.rule for member in choice.members)
        atlas = choice.atlas
        orders = atlas.remember(("geo", rules), lambda: _orders(rules, atlas))
        return orders.network(candidates, choice)


def holds(rule: Rule, location: Location | None, client: Address) -> bool:
    """Whether `rule` holds for `client`, of whom `location` is known."""
    if rule.unknown and location is not None:
        return False
    if rule.networks and not any(client in network for network in rule.networks):
        return False
    return _is_there(rule, location, fields_of(rule))


def order(holding: Places, rules: int) -> Order:
    """The order of a pool's members for clients for whom the rules `holding` hold."""
    last = rules - 1
    return tuple(dict.fromkeys((*sorted(holding), last, *range(rules))))


def fields_of(rule: Rule) -> frozenset[str]:
    """The fields of a location that `rule` looks at."""
    looks = {
        "continent": rule.continents,
        "country": rule.countries,
        "subdivisions": rule.subdivisions,
        "city": rule.cities,
        "city_id": rule.cities,
        "asn": rule.asns,
    }
    return frozenset(field for field, wanted in looks.items() if wanted)


def _is_there(rule: Rule, location: Location | None, fields: frozenset[str]) -> bool:
    """Whether what `rule` gives of `fields` holds for `location`."""
    if not fields:
        return True
    if location is None:
        return False
    if "continent" in fields and location.continent not in rule.continents:
        return False
    if "country" in fields and location.country not in rule.countries:
        return False
    if "subdivisions" in fields and rule.subdivisions.isdisjoint(location.subdivisions):
        return False
    if {"city", "city_id"} & fields and rule.cities.isdisjoint((location.city, location.city_id)):
        return False
    return "asn" not in fields or location.asn in rule.asns


def _orders(rules: Sequence[Rule], atlas: Atlas) -> Orders:
    by = nowhere()
    # what the parts looked at so far let hold, and whether a database knows the address
    found: list[tuple[Places, bool]] = [(frozenset(range(len(rules))), False)]
    for part, results in _parts(rules, atlas):
        by, pairs = by.product(part)
        numbers: dict[tuple[Places, bool], int] = {}
        merged = []
        for had, label in pairs:
            (held, known), (also, knows) = found[had], results[label]
            merged.append(numbers.setdefault((held & also, known or knows), len(numbers)))
        by, found = by.relabel(merged), list(numbers)
    places = range(len(rules))
    unknown = frozenset(place for place in places if rules[place].unknown)
    numbers_of: dict[Order, int] = {}
    labels = []
    for held, known in found:
        mine = order(held - unknown if known else held, len(rules))
        labels.append(numbers_of.setdefault(mine, len(numbers_of)))
    return Orders(by.relabel(labels), list(numbers_of))


def _parts(
    rules: Sequence[Rule], atlas: Atlas
) -> Iterator[tuple[NetworkMap, Sequence[tuple[Places, bool]]]]:
    """Maps whose labels stand for the rules that one source of knowledge lets hold.

    And for whether it knows the address, as far as any rule asks that.
    """
    everyone = frozenset(range(len(rules)))
    asks = any(rule.unknown for rule in rules)
    looked = {field for rule in rules for field in fields_of(rule)}
    for database in atlas.databases:
        fields = frozenset(field for field in looked if atlas.provider(field) is database)
        if not fields and not asks:
            continue

        def judge(
            location: Location | None, fields: frozenset[str] = fields
        ) -> tuple[Places, bool]:
            held = frozenset(
                place
                for place, rule in enumerate(rules)
                if _is_there(rule, location, fields_of(rule) & fields)
            )
            return held, asks and location is not None

        yield atlas.judge(database, fields, judge)  # type: ignore[misc]
    # what no database tells never holds
    told = {field for field in looked if atlas.provider(field)}
    blind = frozenset(
        place for place, rule in enumerate(rules) if not _tells(told, fields_of(rule))
    )
    if blind:
        yield nowhere(), [(everyone - blind, False)]
    for place, rule in enumerate(rules):
        if rule.networks:
            inside = network_map([(network, 1) for network in rule.networks])
            yield inside, [(everyone - {place}, False), (everyone, False)]


def _tells(told: set[str], fields: frozenset[str]) -> bool:
    """Whether what is `told` says something of all `fields`; cities have a name or a number."""
    cities = {"city", "city_id"}
    return fields - cities <= told and (not fields & cities or bool(cities & told))
