"""What steers by location: which keys go with which strategy, and what they need to be known."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple

from dnslb.config.conditions import CONDITIONS
from dnslb.config.model import Backend
from dnslb.config.order import check_order
from dnslb.config.suggest import listed

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from dnslb.config.members import MemberDraft
    from dnslb.config.pools import PoolDraft
    from dnslb.config.spot import Spot
    from dnslb.geo.atlas import Atlas

__all__ = [
    "DEFAULT_STRATEGY",
    "Need",
    "check_locations",
    "check_needs",
    "check_steering",
    "needs",
    "told_by",
]

DEFAULT_STRATEGY: Final = "round-robin"


class Need(NamedTuple):
    """Something that a database has to tell."""

    fields: frozenset[str]  # of `Location`; one of them is enough
    what: str  # the same in words
    key: str  # of `geo` in dnslb.yaml, where such a database stands
    spot: Spot


_NEEDS: Final[Mapping[str, tuple[frozenset[str], str, str]]] = {
    "continent": (frozenset({"continent", "country"}), "continents", "city"),
    "country": (frozenset({"country"}), "countries", "city"),
    "subdivision": (frozenset({"subdivisions"}), "subdivisions", "city"),
    "city": (frozenset({"city", "city_id"}), "cities", "city"),
    "asn": (frozenset({"asn"}), "AS numbers", "asn"),
    "nearest": (frozenset({"latitude"}), "coordinates", "city"),
}
"""What conditions, and the strategy `nearest`, have to be told by databases."""

STEERING: Final = (*CONDITIONS, "bias")
"""The keys of members that go with some strategies only."""

EVERYTHING: Final = frozenset().union(*(fields for fields, _, _ in _NEEDS.values()))


def told_by(atlas: Atlas | None) -> frozenset[str]:
    """The fields of locations that databases tell; None: what is wrong with them is told."""
    if atlas is None:
        return EVERYTHING
    return frozenset().union(*(database.fields for database in atlas.databases))


def check_needs(found: Iterable[Need], told: frozenset[str]) -> None:
    """Report what is needed beyond `told`, the fields that databases have."""
    for need in found:
        if not need.fields & told:
            has = f"no database there tells {need.what}" if told else f"to tell {need.what}"
            need.spot.problem(f"needs geo: {need.key} in dnslb.yaml{';' if told else ','} {has}")


def needs(draft: PoolDraft) -> Iterator[Need]:
    """What a pool needs databases for."""
    kind = _kind(draft)
    if kind == "nearest":
        yield Need(*_NEEDS["nearest"], draft.spot.at("strategy"))
    for member in draft.members if _takes_conditions(kind) else ():
        for key in _conditions(member):
            if key in _NEEDS:
                fields, what, where = _NEEDS[key]
                if key == "city" and member.conditions and member.conditions.rule.cities:
                    fields, what = _of_cities(member.conditions.rule.cities)
                yield Need(fields, what, where, member.spot.at(key).on_key())


def _of_cities(cities: frozenset[str | int]) -> tuple[frozenset[str], str]:
    """What has to be told of cities that are known by name or by number."""
    kinds = {type(city) for city in cities}
    fields = {"city" if kind is str else "city_id" for kind in kinds}
    return frozenset(fields), "cities" if str in kinds else "the numbers of cities"


def check_steering(draft: PoolDraft) -> None:
    """Check that the keys of a pool's members go with its strategy, and their order."""
    kind = _kind(draft)
    if draft.strategy is None:
        return
    for member in draft.members:
        _check_member(member, kind)
    if kind == "nearest":
        _check_unknown(draft.members)
    rules = [
        (member.name, member.conditions, member.spot)
        for member in draft.members
        if member.conditions is not None
    ]
    if kind == "geo" and rules and len(rules) == len(draft.members) and not draft.damaged:
        check_order(rules, draft.spot.at("strategy"))


def check_locations(drafts: Mapping[str, PoolDraft]) -> None:
    """Check what members of `nearest` have of the pools that they refer to."""
    used = set()
    for draft in drafts.values():
        kind = _kind(draft)
        if kind == "nearest" or _is_own(kind):
            used.update(draft.refs)
        for member in draft.members if kind == "nearest" and not draft.damaged else ():
            if member.shape.location is None:
                _check_location(member, drafts)
    for name, draft in drafts.items():
        if draft.shape.bias is not None and name not in used:
            draft.spot.at("bias").on_key().warning(
                "plays no part: no pool with the strategy nearest refers to this one"
            )


def _check_location(member: MemberDraft, drafts: Mapping[str, PoolDraft]) -> None:
    """Check that a member without a location of its own refers to a pool that has one."""
    where = "it"
    if not isinstance(member.of, Backend):
        below = drafts.get(member.of or "")
        if below is None or below.damaged or below.shape.location is not None:
            return
        where = f'it, or the pool "{below.name}",'
    member.spot.problem(
        f"needs a location for nearest; give {where} one, as in location: [50.1, 8.7]"
    )


def _check_member(member: MemberDraft, kind: str) -> None:
    if member.shape.model_fields_set.isdisjoint(STEERING):
        return
    given = [
        key
        for key in _conditions(member)
        if not (_takes_conditions(kind) or (kind == "nearest" and key == "unknown"))
    ]
    if given:
        member.spot.at(given[0]).on_key().problem(
            f"{listed(given)} {'goes' if len(given) == 1 else 'go'} with the strategy geo, and "
            f"this pool has {kind}; change it, or remove {'this' if len(given) == 1 else 'them'}"
        )
    if member.shape.bias is not None and kind != "nearest" and not _is_own(kind):
        member.spot.at("bias").on_key().warning(
            f"plays no part: it is for the strategy nearest, and this pool has {kind}"
        )


def _check_unknown(members: Iterable[MemberDraft]) -> None:
    serving = [member for member in members if member.shape.unknown]
    for member in serving[1:]:
        member.spot.at("unknown").on_key().problem(
            f'clients whose location is unknown get "{serving[0].name}" already; remove one of them'
        )


def _conditions(member: MemberDraft) -> list[str]:
    if member.shape.model_fields_set.isdisjoint(CONDITIONS):
        return []
    return [key for key in CONDITIONS if getattr(member.shape, key) not in (None, False)]


def _kind(draft: PoolDraft) -> str:
    return draft.shape.strategy or DEFAULT_STRATEGY


def _is_own(kind: str) -> bool:
    """Whether it is an operator's own class, which may look at everything."""
    return ":" in kind


def _takes_conditions(kind: str) -> bool:
    return kind == "geo" or _is_own(kind)
