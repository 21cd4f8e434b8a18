"""Explaining: why a name gets the answers it gets, as data that the command line and the API show.

An explanation is a walk over the plan that the engine would get, with the chances written beside
the branches, and over the pools that the plan was made of, with the reason beside whatever is out.
"""

from __future__ import annotations

import fnmatch
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final

from dnslb.config.model import Backend, Family
from dnslb.health.standing import OperatorState
from dnslb.policy.compile import Asked, Compiler
from dnslb.policy.outs import backend_out, pool_out
from dnslb.policy.plan import Network, Rcode
from dnslb.policy.reasons import HOLDS, notes, place, settled
from dnslb.policy.walk import chances, refusals, scope
from dnslb.zone.lookup import Found, Kind, ZoneIndex
from dnslb.zone.names import from_labels, labels, lower, to_text
from dnslb.zone.rdata import rdata_text
from dnslb.zone.types import DS, type_name

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from dnslb.config.model import (
        Address,
        BackendId,
        Config,
        Member,
        Pool,
        Service,
        Subject,
        WhenDown,
        Zone,
    )
    from dnslb.health.standing import Standing
    from dnslb.policy.plan import Answer
    from dnslb.zone.lookup import Labels

__all__ = [
    "AnswerView",
    "Explanation",
    "MemberView",
    "PoolView",
    "Question",
    "explain",
    "matching",
    "service_at",
]

ELSEWHERE: Final = "serves other networks"


@dataclass(frozen=True, slots=True)
class AnswerView:
    """One answer that can come."""

    chance: float  # 0 to 1
    backends: tuple[str, ...]  # `pool/name`
    records: tuple[str, ...]  # `A 192.0.2.1`, `CNAME cdn.example.net.`
    ttl: int
    rcode: str


@dataclass(frozen=True, slots=True)
class MemberView:
    """A member's part in the decision."""

    name: str
    weight: int
    chance: float  # of an answer that carries it, or a backend under it
    why: str  # what keeps it out, or what holds it back; empty when it serves
    out: bool
    pool: PoolView | None = None  # when it is one
    note: str = ""  # what where the client is has to do with it


@dataclass(frozen=True, slots=True)
class PoolView:
    """A pool's part in the decision."""

    name: str
    strategy: str
    up: bool
    members_up: int
    min_up: int
    members: tuple[MemberView, ...]
    state: str = "auto"  # the operator's


@dataclass(frozen=True, slots=True)
class Question:
    """What was asked, and for whom."""

    name: str  # absolute
    type: str
    client: str | None


@dataclass(frozen=True, slots=True)
class Explanation:
    """Everything that leads to the answers of one question."""

    question: Question
    zone: str | None = None  # None: no zone of ours, so REFUSED
    kind: Kind | None = None
    owner: str | None = None  # what matched: the name, a wildcard, or a delegation point
    records: tuple[str, ...] = ()  # of static records: TTL, type, rdata
    service: Service | None = None
    pool: PoolView | None = None
    when_down: str | None = None  # set when everything is down: what is answered instead
    answers: tuple[AnswerView, ...] = ()
    scope: int | None = None  # the ECS scope, for a client's question to a service
    place: str = ""  # where the client is, where that plays a part
    by_network: bool = False  # whether networks are told apart by a map


def explain(
    config: Config,
    name: bytes,
    rtype: int,
    standings: Mapping[Subject, Standing],
    client: Address | None = None,
) -> Explanation:
    """Explain the answers to a question for `name`, in wire format, and `rtype`.

    Without a `client` the chances are those over all clients.

    Raises:
        PlanError: a strategy failed or returned what is no plan.
    """
    asked = Question(to_text(name), type_name(rtype), str(client) if client else None)
    wanted = labels(lower(name))
    zone = enclosing(config, wanted)
    if zone is None:
        return Explanation(asked)
    if rtype == DS and to_text(lower(name)) == zone.origin and wanted:
        # DS records stand on the parent's side (RFC 4035 section 3.1.4.1)
        zone = _parent_side(config, wanted) or zone
    found = ZoneIndex(zone).find(wanted, rtype)
    owner = to_text(from_labels(found.owner))
    if found.service is None:
        return Explanation(asked, zone.origin, found.kind, owner, records=_records(found))
    return _balanced(
        asked, zone, owner, found.service, rtype, Compiler(standings, config.atlas), client
    )


def service_at(config: Config, name: bytes, rtype: int) -> Service | None:
    """The service that answers questions for `name`, in wire format, and `rtype`; None: none."""
    wanted = labels(lower(name))
    zone = enclosing(config, wanted)
    return None if zone is None else ZoneIndex(zone).find(wanted, rtype).service


def enclosing(config: Config, name: Labels) -> Zone | None:
    """The zone with the longest origin that `name` is in or below."""
    for start in range(len(name) + 1):
        zone = config.zones.get(to_text(from_labels(name[start:])))
        if zone is not None:
            return zone
    return None


def _parent_side(config: Config, apex: Labels) -> Zone | None:
    """The zone above the one at `apex`; None where that one delegates or renames a name between."""
    parent = enclosing(config, apex[1:])
    if parent is None:
        return None
    found = ZoneIndex(parent).find(apex, DS)
    ends = found.kind in {Kind.DELEGATION, Kind.DNAME}
    return None if ends and to_text(from_labels(found.owner)) != parent.origin else parent


def matching(config: Config, pattern: str) -> list[Backend]:
    """The backends whose `pool/name` matches the glob `pattern`."""
    return [
        backend for backend in config.backends() if fnmatch.fnmatchcase(str(backend.id), pattern)
    ]


def _balanced(
    asked: Question,
    zone: Zone,
    owner: str,
    service: Service,
    rtype: int,
    compiler: Compiler,
    client: Address | None,
) -> Explanation:
    root = compiler.service(service).of(rtype)
    pool = service.answering(rtype)
    up = compiler.pool_up(pool)
    spread = chances(root, client) if root else []
    carried: dict[BackendId, float] = {}
    for leaf, chance in spread:
        for backend in leaf.backends:
            carried[backend.id] = carried.get(backend.id, 0.0) + chance
    serving = (
        {backend.id for leaf, _ in chances(root) for backend in leaf.backends} if root else set()
    )
    full = refusals(root, client) if root and client else set()
    view = _View(compiler, service, rtype, carried, serving, full, client)
    located = client is not None and any(
        below.strategy.places for below in _pools(service.answering(rtype))
    )
    return Explanation(
        asked,
        zone.origin,
        Kind.SERVICE,
        owner,
        service=service,
        pool=view.pool(pool),
        when_down=None if up else _when_down(service.when_down),
        answers=tuple(_answer(leaf, chance, rtype) for leaf, chance in spread),
        scope=scope(root, client) if root and client else None,
        place=place(compiler.atlas.locate(client)) if located and client else "",
        by_network=isinstance(root, Network),
    )


def _pools(pool: Pool) -> list[Pool]:
    """`pool` and those below it, each once."""
    found = [pool]
    for one in found:
        below = (member.of for member in one.members)
        found += [of for of in below if not isinstance(of, Backend) and of not in found]
    return found


def _first_of_each(pool: Pool, notes: Sequence[str]) -> list[bool]:
    """Whether a member is the one by which a client comes to its pool, which may stand twice."""
    first: dict[str, int] = {}
    order = sorted(range(len(pool.members)), key=lambda at: (notes[at] != HOLDS, at))
    for at in order:
        first.setdefault(pool.members[at].name, at)
    return [first[member.name] == at for at, member in enumerate(pool.members)]


class _View:
    """Looks at pools with the eyes of one question."""

    def __init__(
        self,
        compiler: Compiler,
        service: Service,
        rtype: int,
        carried: Mapping[BackendId, float],
        serving: set[BackendId],
        full: set[str],
        client: Address | None,
    ) -> None:
        self._compiler = compiler
        self._client = client
        self._answers = service.answers
        self._location = compiler.atlas.locate(client) if client else None
        self._tree = compiler.tree(service, service.answering(rtype))
        self._asked = Asked.by(rtype, service)
        self._type = rtype
        self._carried = carried
        self._serving = serving  # somebody, if not the client in question
        self._full = full  # members by key, which the client's network would be bound to

    def pool(self, pool: Pool) -> PoolView:
        compiler = self._compiler
        said: Sequence[str] = [""] * len(pool.members)
        if self._client is not None:
            said = notes(pool, self._location, self._client)
        members = list(map(self._member, pool.members, said, _first_of_each(pool, said)))
        if self._client is not None:
            ready = any(one.weight and not one.out for one in members)
            # those of weight 0 serve when nobody else can
            able = [not one.out and (one.weight > 0 or not ready) for one in members]
            said = settled(pool, said, able, self._answers)
            members = [
                replace(member, note=note) for member, note in zip(members, said, strict=True)
            ]
        return PoolView(
            pool.name,
            pool.strategy.name,
            compiler.pool_up(pool),
            compiler.members_up(pool),
            pool.min_up,
            tuple(members),
            compiler.pool_state(pool).value,
        )

    def _member(self, member: Member, note: str, counts: bool) -> MemberView:  # noqa: FBT001
        if isinstance(member.of, Backend):
            out = backend_out(self._compiler, self._tree, member.of, self._asked, self._type)
            chance = self._carried.get(member.of.id, 0.0)
            below = None
        else:
            out = pool_out(self._compiler, self._tree, member.of, self._asked)
            chance = sum(self._carried.get(backend.id, 0.0) for backend in member.of.backends())
            below = self.pool(member.of)
        why = out or ("" if chance else self._idle(member))
        if isinstance(member.of, Backend) and not out:
            note = "; ".join(
                part for part in (note, _standing_note(self._compiler.standing(member.of))) if part
            )
        if note and why == ELSEWHERE:
            why = ""  # the note says why
        chance = min(chance, 1.0) if counts else 0.0
        return MemberView(member.name, member.weight, chance, why, bool(out), below, note)

    def _idle(self, member: Member) -> str:
        """Why a member that could serve does not."""
        if not member.weight:
            return "weight 0: stands by"
        key = str(member.of.id) if isinstance(member.of, Backend) else member.of.name
        if key in self._full:
            return "full to its bound: this network goes on to the next"
        below = [member.of] if isinstance(member.of, Backend) else member.of.backends()
        if any(backend.id in self._serving for backend in below):
            return ELSEWHERE
        return "stands by"


def _standing_note(standing: Standing) -> str:
    """What else there is to know of a backend that serves."""
    if standing.state is OperatorState.UP and (standing.down or standing.drained):
        return f"forced up by the operator: {standing.reason or standing.drained}"
    if standing.held:
        return f"its checks fail, but its pool is frozen: {standing.reason}"
    if standing.weight != 1:
        return f"{standing.weight:.0%} of its weight"
    return ""


def _answer(leaf: Answer, chance: float, rtype: int) -> AnswerView:
    records = []
    word = type_name(rtype)
    if leaf.records is not None:
        records += [f"{word} {rdata_text(rtype, rdata)}" for rdata in leaf.records.rdatas]
    for backend in leaf.backends if leaf.records is None else ():
        if backend.target is not None:
            records.append(f"CNAME {backend.target}")
        else:
            family = Family(rtype)
            records += [f"{word} {address}" for address in backend.of(family)]
    names = tuple(str(backend.id) for backend in leaf.backends)
    return AnswerView(
        chance, names, tuple(dict.fromkeys(records)), leaf.ttl, Rcode(leaf.rcode).name
    )


def _when_down(when_down: WhenDown) -> str:
    """As the configuration writes it."""
    sorry = when_down.backend
    if sorry is None:
        return when_down.action
    if sorry.target is not None:
        return f"{{target: {sorry.target}}}"
    return f"{{address: {', '.join(map(str, sorry.addresses))}}}"


def _records(found: Found) -> tuple[str, ...]:
    if found.rrset is None:
        return ()
    word = type_name(found.rrset.type)
    return tuple(
        f"{found.rrset.ttl} {word} {rdata_text(found.rrset.type, rdata)}"
        for rdata in found.rrset.rdatas
    )
