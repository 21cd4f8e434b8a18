"""Pools: from their shapes to the model, references resolved, loops and depth checked."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from dnslb.config.graph import loops, ordered
from dnslb.config.model import EVERYBODY, Backend, MaxDown, Member, Pool, Prefix, Spill
from dnslb.config.shapes import MaxDownShape
from dnslb.config.steering import DEFAULT_STRATEGY, check_locations, check_steering, needs
from dnslb.config.suggest import unknown
from dnslb.policy.strategies import NAMES, find

if TYPE_CHECKING:
    from collections.abc import Iterable

    from dnslb.config.checks import Checks
    from dnslb.config.members import MemberDraft, Members
    from dnslb.config.shapes import PoolShape
    from dnslb.config.spot import Spot
    from dnslb.config.steering import Need
    from dnslb.policy.strategies import Strategy

__all__ = ["MAX_NESTING", "PoolDraft", "Pools"]

MAX_NESTING: Final = 8
"""How deep pools may nest, the first included: plans take 16 levels, and strategies of one's own
may need more than one each."""

PREFIX: Final = Prefix()


@dataclass(slots=True)
class PoolDraft:
    """A pool that is being read."""

    name: str
    shape: PoolShape
    spot: Spot
    damaged: bool
    members: list[MemberDraft] = field(default_factory=list)
    strategy: Strategy | None = None  # None: its problem is told

    @property
    def refs(self) -> list[str]:
        """The pools that it refers to."""
        return [member.of for member in self.members if isinstance(member.of, str)]


class Pools:
    """The pools of a zone: those under `pools`, and those that services carry themselves."""

    def __init__(self, zone: str, members: Members, checks: Checks) -> None:
        self._zone = zone
        self._members = members
        self._checks = checks
        self._drafts: dict[str, PoolDraft] = {}

    def add(self, draft: PoolDraft) -> None:
        """Take a pool in; its members are looked at, its references not yet."""
        shape, spot = draft.shape, draft.spot
        check = self._checks.of_pool(shape.check, spot.at("check"))
        draft.strategy = _strategy(shape.strategy or DEFAULT_STRATEGY, spot.at("strategy"))
        draft.members = self._members.read(draft.name, shape, spot, check)
        if not draft.members and not draft.damaged:
            spot.problem('has no members; list them under "members"')
        if not draft.damaged:
            self._check_counts(draft)
            self._check_bound(draft)
        check_steering(draft)
        self._drafts[draft.name] = draft

    def has(self, name: str) -> bool:
        """Whether a pool is called so."""
        return name in self._drafts

    def needs(self) -> list[Need]:
        """What the pools need databases of locations for."""
        return [need for draft in self._drafts.values() for need in needs(draft)]

    def resolve(self, known: Iterable[str]) -> dict[str, Pool]:
        """All pools, those that others refer to first; `known` are the names that are no typos."""
        self._check_refs({*known, *self._drafts})
        check_locations(self._drafts)
        self._check_spill()
        edges = {
            name: [ref for ref in draft.refs if ref in self._drafts]
            for name, draft in self._drafts.items()
        }
        for loop in loops(edges):
            self._tell_loop(loop)
        pools: dict[str, Pool] = {}
        depths: dict[str, int] = {}
        for name in ordered(edges):
            depths[name] = 1 + max((depths[ref] for ref in edges[name]), default=0)
            if depths[name] == MAX_NESTING + 1:
                self._drafts[name].spot.on_key().problem(
                    f"nests pools {depths[name]} deep, {MAX_NESTING} is the most"
                )
            pools[name] = self._pool(self._drafts[name], pools)
        return {name: pools[name] for name in self._drafts if name in pools}

    def tell_unused(self, used: Iterable[str]) -> None:
        """Warn of pools that no service in `used` leads to."""
        left = [name for name in used if name in self._drafts]
        reached = set(left)
        while left:
            refs = set(self._drafts[left.pop()].refs) - reached
            new = [ref for ref in refs if ref in self._drafts]
            reached.update(new)
            left += new
        for name, draft in self._drafts.items():
            if name not in reached:
                draft.spot.on_key().warning("no service uses this pool")

    def _check_counts(self, draft: PoolDraft) -> None:
        members, shape = draft.members, draft.shape
        if shape.min_up and members and shape.min_up > len(members):
            draft.spot.at("min_up").problem(
                f"asks for {shape.min_up} members up, but the pool has {len(members)}"
            )
        if members and not any(member.weight for member in members):
            draft.spot.at("members").on_key().problem(
                "all weights are 0, so there is nobody to answer with"
            )

    def _check_bound(self, draft: PoolDraft) -> None:
        strategy = draft.shape.strategy or "round-robin"
        if draft.shape.bound and strategy in NAMES and strategy != "subnet":
            draft.spot.at("bound").on_key().problem(
                f"the strategy {strategy} knows no bound; it is for subnet"
            )

    def _check_spill(self) -> None:
        """Warn of pools that have nobody to spill to."""
        ordered = {
            name for name, one in self._drafts.items() if one.strategy and one.strategy.ordered
        }
        below = {ref for name in ordered for ref in self._drafts[name].refs}
        for name, draft in self._drafts.items():
            if draft.shape.spill is not None and name not in ordered | below:
                draft.spot.at("spill").on_key().warning(
                    "there is nobody to spill to: the pool is no member of one whose strategy is "
                    "failover, geo or nearest"
                )

    def _check_refs(self, known: set[str]) -> None:
        for draft in self._drafts.values():
            for member in draft.members:
                if isinstance(member.of, str) and member.of not in known:
                    message = unknown("pool", member.of, sorted(known - {draft.name}))
                    member.spot.at("pool").problem(message)

    def _tell_loop(self, loop: list[str]) -> None:
        draft = self._drafts[loop[0]]
        following = loop[1 % len(loop)]
        spots = [member.spot for member in draft.members if member.of == following]
        spots[0].at("pool").problem(f"a loop: {' -> '.join([*loop, loop[0]])}")

    def _pool(self, draft: PoolDraft, pools: dict[str, Pool]) -> Pool:
        members = []
        for member in draft.members:
            of = member.of if isinstance(member.of, Backend) else pools.get(member.of or "")
            if of is not None:
                members.append(_member(member, of))
        shape = draft.shape
        prefix = shape.prefix
        return Pool(
            zone=self._zone,
            name=draft.name,
            strategy=draft.strategy or find(DEFAULT_STRATEGY),
            members=tuple(members),
            min_up=shape.min_up or 1,
            prefix=Prefix(prefix.v4 or PREFIX.v4, prefix.v6 or PREFIX.v6) if prefix else PREFIX,
            location=shape.location,
            bound=shape.bound,
            bias=shape.bias or 0,
            slow_start=shape.slow_start or 0.0,
            max_down=_max_down(shape, draft.spot),
            spill=_spill(shape, draft.spot),
        )


def _spill(shape: PoolShape, spot: Spot) -> Spill | None:
    given = shape.spill
    if given is None:
        return None
    default = Spill()
    at = default.at if given.at is None else given.at
    full = default.full if given.full is None else given.full
    if at >= full and given.full is None:
        spot.at("spill").problem(
            f'"at" ({at:g}) must be below "full", which is {full:g} unless you say more'
        )
        return None
    if at >= full:
        spot.at("spill").problem(f'"at" ({at:g}) must be below "full" ({full:g})')
        return None
    return Spill(at, full)


def _max_down(shape: PoolShape, spot: Spot) -> MaxDown | None:
    given = shape.max_down
    if given is None:
        return None
    if not isinstance(given, MaxDownShape):
        return MaxDown(given)
    if given.most is None:
        spot.at("max_down").problem('needs "most": a number of backends, or a part such as 50%')
        return None
    default = MaxDown(given.most)
    return default if given.within is None else default._replace(within=given.within)


def _member(draft: MemberDraft, of: Backend | Pool) -> Member:
    location, bias = (of.location, of.bias) if isinstance(of, Pool) else (None, 0)
    shape, conditions = draft.shape, draft.conditions
    return Member(
        of,
        draft.weight,
        rule=conditions.rule if conditions else EVERYBODY,
        location=location if shape.location is None else shape.location,
        bias=bias if shape.bias is None else shape.bias,
    )


def _strategy(name: str, spot: Spot) -> Strategy | None:
    if ":" not in name and name not in NAMES:
        spot.problem(unknown("strategy", name, NAMES, more=", or your own as package.module:Class"))
    else:
        try:
            return find(name)
        except LookupError as error:
            spot.problem(str(error.args[0]))
    return None
