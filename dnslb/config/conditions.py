"""The conditions of members: whose first choice a member of a `geo` pool is."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Final, NamedTuple, TypeVar

from dnslb.config.model import EVERYBODY, Rule
from dnslb.config.networks import read_networks
from dnslb.config.suggest import listed, unknown
from dnslb.config.values import items
from dnslb.geo.countries import CONTINENTS, EUROPEAN_UNION, UNION, continent_of
from dnslb.geo.iso import subdivisions_called, subdivisions_of

if TYPE_CHECKING:
    from dnslb.config.shapes import MemberShape
    from dnslb.config.spot import Spot

__all__ = ["CONDITIONS", "Conditions", "Entry", "countries_of", "read_conditions"]

T = TypeVar("T")

_FIELDS: Final = {
    "continent": "continents",
    "country": "countries",
    "subdivision": "subdivisions",
    "city": "cities",
    "asn": "asns",
}
"""The fields of a rule by the keys whose lists they hold."""

_PLACES: Final = tuple(_FIELDS)
"""What databases tell."""

CONDITIONS: Final = ("network", *_PLACES, "unknown")

_CODE: Final = re.compile(r"[A-Z]{2}-[A-Z0-9]{1,3}", re.ASCII)
_BARE: Final = re.compile(r"[A-Z0-9]{1,3}|[a-z0-9]{1,3}", re.ASCII)
"""What is left of a code without its country; names are in mixed case."""

MAX_TOLD: Final = 6
"""Countries that a message names."""


class Entry(NamedTuple):
    """One entry of the lists of a rule."""

    rule: Rule  # as if it stood alone in its list
    spot: Spot


@dataclass(frozen=True, slots=True)
class Conditions:
    """A member's rule, and the entries that it is made of."""

    rule: Rule
    entries: tuple[Entry, ...]


NONE: Final = Conditions(EVERYBODY, ())
"""Of most members."""


def read_conditions(member: MemberShape, spot: Spot) -> Conditions | None:
    """What the member says of its clients; None when a problem of it is told."""
    if member.model_fields_set.isdisjoint(CONDITIONS):
        return NONE
    before = len(spot.report.problems)
    networks = read_networks(member.network, spot.at("network"))
    for key in _PLACES:
        _check_twice(items(getattr(member, key)), spot.at(key))
    _check_union(member, spot.at("country"))
    _check_subdivisions(member, spot.at("subdivision"))
    _check_contradictions(member, spot)
    if len(spot.report.problems) > before:
        return None
    rule = Rule(
        networks=networks,
        continents=_set(member.continent),
        countries=_countries(member),
        subdivisions=_set(member.subdivision),
        cities=_set(member.city),
        asns=_set(member.asn),
        unknown=bool(member.unknown),
    )
    return Conditions(rule, tuple(_entries(member, rule, spot)))


def countries_of(codes: frozenset[str]) -> frozenset[str]:
    """The countries that subdivisions lie in; none when a name does not tell."""
    known = all(_CODE.fullmatch(code) for code in codes)
    return frozenset(code[:2] for code in codes) if known else frozenset()


def _set(values: list[T] | None) -> frozenset[T]:
    """The entries of a list that are whole."""
    return frozenset(value for _, value in items(values))


def _countries(member: MemberShape) -> frozenset[str]:
    return frozenset().union(*(_country(text) for _, text in items(member.country)))


def _country(text: str) -> frozenset[str]:
    return EUROPEAN_UNION if text == UNION else frozenset({text})


def _entries(member: MemberShape, rule: Rule, spot: Spot) -> list[Entry]:
    found = [
        Entry(replace(rule, networks=(network,)), spot.at("network", index))
        for index, network in enumerate(rule.networks)
    ]
    for key in _PLACES:
        for index, value in items(getattr(member, key)):
            only = _country(value) if key == "country" else frozenset({value})
            changes: dict[str, Any] = {_FIELDS[key]: only}
            found.append(Entry(replace(rule, **changes), spot.at(key, index)))
    return found


def _check_twice(values: list[tuple[int, Any]], spot: Spot) -> None:
    seen = set()
    for index, value in values:
        if value in seen:
            spot.at(index).problem(f"{value} stands twice")
        seen.add(value)


def _check_union(member: MemberShape, spot: Spot) -> None:
    texts = items(member.country)
    if any(text == UNION for _, text in texts):
        for index, text in texts:
            if text in EUROPEAN_UNION:
                spot.at(index).warning(f"{text} is in the European Union, which stands here too")


def _check_subdivisions(member: MemberShape, spot: Spot) -> None:
    countries = _countries(member)
    codes = {text for _, text in items(member.subdivision) if _CODE.fullmatch(text)}
    for index, text in items(member.subdivision):
        here = spot.at(index)
        if text in codes:
            known = subdivisions_of(text[:2])
            if known and text not in known:  # a database may be older or newer than the list
                here.warning(unknown("subdivision", text, sorted(known)))
        elif _BARE.fullmatch(text):
            wanted = {f"{country}-{text.upper()}" for country in countries}
            meant = sorted(code for code in wanted if code in subdivisions_of(code[:2]))
            hint = f'did you mean "{meant[0]}"?' if len(meant) == 1 else "a country goes before it"
            more = "" if len(meant) == 1 else ", as in US-CA"
            here.problem(f'unknown subdivision "{text}"; {hint}{more}')
        else:
            _warn_name(text, here, codes, countries)


def _warn_name(name: str, spot: Spot, codes: set[str], countries: frozenset[str]) -> None:
    """Warn of a name that holds with few databases, unless a code for the others stands by."""
    called = [code for code in subdivisions_called(name) if not countries or code[:2] in countries]
    if codes.intersection(called) if called else codes:
        return
    meant = listed(called[:3], "or") if called else "its code, as in US-CA,"
    spot.warning(
        f'"{name}" is a name, which holds only where a database has no codes; write {meant} '
        "instead, or beside it"
    )


def _check_contradictions(member: MemberShape, spot: Spot) -> None:
    """What can hold for no client, since all conditions of a member must hold at once."""
    if member.unknown:
        for key in _PLACES:
            if getattr(member, key):
                spot.at(key).on_key().problem(
                    f'"{key}" cannot hold where nothing is known; remove it, or "unknown"'
                )
    countries = _countries(member)
    continents = _set(member.continent)
    for key, values in (("country", member.country), ("subdivision", member.subdivision)):
        for index, text in items(values):
            inside = _country(text) if key == "country" else countries_of(frozenset({text}))
            if inside:
                _check_place(text, inside, countries, continents, spot.at(key, index))


def _check_place(
    text: str,
    inside: frozenset[str],
    countries: frozenset[str],
    continents: frozenset[str],
    spot: Spot,
) -> None:
    """Check that a place in one of the countries `inside` can be where the others are."""
    on = {continent_of(country) or "" for country in inside}
    if continents and not on & continents:
        place = f"{text} ({listed(CONTINENTS[code] for code in sorted(on))})"
        others = listed((CONTINENTS[code] for code in sorted(continents)), "or")
    elif countries and not inside & countries:
        place, others = text, listed(sorted(countries)[:MAX_TOLD], "or")
        others = others if len(countries) <= MAX_TOLD else "any of the countries given"
    else:
        return
    spot.problem(
        f"no client is both in {place} and in {others}, and all conditions of a member must hold"
    )
