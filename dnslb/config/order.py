"""The order of the rules of a `geo` pool: which come too late, and who is left to the last one."""

from __future__ import annotations

from bisect import bisect_right
from ipaddress import ip_network
from typing import TYPE_CHECKING, Final, TypeVar

from dnslb.config.conditions import countries_of
from dnslb.config.model import EVERYBODY, Rule
from dnslb.config.networks import extent, last
from dnslb.geo.countries import CONTINENTS, COUNTRIES

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from dnslb.config.conditions import Conditions
    from dnslb.config.model import Network
    from dnslb.config.spot import Spot

__all__ = ["Covering", "check_order"]

T = TypeVar("T")

_ALL: Final = (ip_network("0.0.0.0/0"), ip_network("::/0"))


def check_order(rules: Sequence[tuple[str, Conditions, Spot]], strategy: Spot) -> None:
    """Warn of rules, each with its member's name, that the earlier ones leave no clients to.

    A member without conditions after another one is no mistake: so are members written that only
    stand in for others.
    """
    conditional = [name for name, conditions, _ in rules if conditions.rule != EVERYBODY]
    if not conditional:
        strategy.warning(
            "no member has conditions, so all clients get the first that is up, as with failover"
        )
        return
    earlier: list[tuple[str, Covering]] = []
    for name, conditions, spot in rules:
        if name in conditional:
            _warn_late(conditions, spot, earlier)
        earlier.append((name, Covering(conditions.rule)))
    _, _, spot = rules[-1]
    if not _complete([covering for _, covering in earlier]):
        spot.warning(
            "clients that no rule is for get this member, the last one; to say so, remove its "
            "conditions, or add a member without"
        )


def _warn_late(conditions: Conditions, spot: Spot, earlier: Iterable[tuple[str, Covering]]) -> None:
    told = "is written before and takes all of these clients, so this comes only when that is down"
    single = []
    for name, covering in earlier:
        if covering.covers(conditions.rule):
            spot.warning(f'"{name}" {told}')
            return
        single += [
            (entry.spot, name) for entry in conditions.entries if covering.covers(entry.rule)
        ]
    for here, name in {here.place: (here, name) for here, name in reversed(single)}.values():
        here.warning(f'"{name}" {told}')


def _complete(rules: list[Covering]) -> bool:
    """Whether the rules are for everybody whose location is known."""
    whole: set[str] = set()
    for covering in rules:
        if covering.covers(EVERYBODY):
            return True
        if covering.rule == Rule(continents=covering.rule.continents):
            whole |= covering.rule.continents
    return whole == set(CONTINENTS)


class Covering:
    """A rule that others are compared with."""

    def __init__(self, rule: Rule) -> None:
        self.rule = rule
        self._ranges = _merged(rule.networks)

    def covers(self, other: Rule) -> bool:
        """Whether surely every client that `other` is for is one that this rule is for."""
        rule = self.rule
        return (
            (not rule.networks or all(map(self._has, other.networks or _ALL)))
            and any(_within(on, rule.continents) for on in _continents(other))
            and any(_within(some, rule.countries) for some in _countries(other))
            and _within(other.subdivisions, rule.subdivisions)
            and _within(other.cities, rule.cities)
            and _within(other.asns, rule.asns)
            and (other.unknown or not rule.unknown)
        )

    def _has(self, network: Network) -> bool:
        """Whether the networks of this rule hold the whole of another."""
        starts, ends = self._ranges[network.version]
        index = bisect_right(starts, int(network.network_address)) - 1
        return index >= 0 and last(network) <= ends[index]


def _merged(networks: Iterable[Network]) -> dict[int, tuple[list[int], list[int]]]:
    """First and last addresses of what networks hold together, in order, by IP version."""
    ranges: dict[int, tuple[list[int], list[int]]] = {4: ([], []), 6: ([], [])}
    for network in sorted(networks, key=extent):
        starts, ends = ranges[network.version]
        first = int(network.network_address)
        if ends and first <= ends[-1] + 1:
            ends[-1] = max(ends[-1], last(network))
        else:
            starts.append(first)
            ends.append(last(network))
    return ranges


def _within(some: frozenset[T], allowed: frozenset[T]) -> bool:
    """Whether one of `some` always is one of `allowed`; nothing stands for no condition."""
    return not allowed or (bool(some) and some <= allowed)


def _countries(rule: Rule) -> tuple[frozenset[str], ...]:
    """The countries that the clients of a rule are in, as each of its conditions tells."""
    return rule.countries, countries_of(rule.subdivisions)


def _continents(rule: Rule) -> tuple[frozenset[str], ...]:
    """The continents likewise."""
    by_country = (frozenset(map(COUNTRIES.__getitem__, some)) for some in _countries(rule))
    return rule.continents, *by_country
