"""Compiling: pools and standings in, plans out. Pure, and run only when something changed.

    service ─▶ up?  ── yes ─▶ for A, AAAA, what is declared and, where there are CNAMEs, all else:
                │              pool ─▶ its members that are up and have what is asked ─▶ strategy
                └── no ──▶ when_down

A pool is up or down as a whole, for all types alike: it is up while at least `min_up` members are.
A type that nothing under an up service can serve gets NODATA: the other family still works.
HTTPS, SVCB, SRV and MX go by one plan over the backends of both families, and `records` writes what
its leaves say.
"""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Final, NamedTuple

from dnslb.config.model import Backend, BackendId, Family
from dnslb.errors import PlanError
from dnslb.geo.atlas import EMPTY
from dnslb.health.standing import ALWAYS_UP, OperatorState
from dnslb.policy.join import join
from dnslb.policy.lift import lifted
from dnslb.policy.plan import Answer, Network, Node, Rcode, ServicePlan
from dnslb.policy.records import write
from dnslb.policy.shares import scaled
from dnslb.policy.sound import checked
from dnslb.policy.spill import spilled
from dnslb.policy.strategies import BUILT_IN
from dnslb.policy.strategies.base import Candidate, Choice
from dnslb.policy.walk import chances, nodes
from dnslb.zone.types import AAAA, CNAME, MX, SRV, A

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

    from dnslb.config.model import Member, Pool, Service, ServiceId, Subject
    from dnslb.geo.atlas import Atlas
    from dnslb.health.standing import Standing

__all__ = ["Asked", "Compiler", "Tree"]

_TRUSTED: Final = {id(strategy) for strategy in BUILT_IN.values()}


_FAMILIES: Final = tuple(Family)
_BOTH: Final = frozenset(Family)


class Asked(NamedTuple):
    """What a question needs of a backend: an address of one of `families`, or a target."""

    families: frozenset[Family]
    targets: bool  # whether a target is an answer
    named: bool = False  # whether it is named by a record, as in SRV, rather than a CNAME

    @classmethod
    def by(cls, rtype: int, service: Service) -> Asked:
        """What a question for `rtype` needs of the backends of `service`."""
        aliases = not service.names_targets
        if rtype == A:
            return _A[aliases]
        if rtype == AAAA:
            return _AAAA[aliases]
        if any(declared.type == rtype for declared in service.declared):
            named = rtype in {SRV, MX}
            return cls(_BOTH, aliases or named, named)
        return _NEITHER[aliases]

    @property
    def of_both(self) -> Asked:
        """The same of both families: what one decision for all types is made among."""
        return self._replace(families=_BOTH)

    def has(self, backend: Backend) -> bool:
        """Whether `backend` has it, up or not."""
        if backend.target is not None:
            return self.targets
        return any(backend.has(family) for family in self.families)


# by whether targets are answers; one object each, since they are hashed for every pool
_A: Final = {targets: Asked(frozenset({Family.IPV4}), targets) for targets in (False, True)}
_AAAA: Final = {targets: Asked(frozenset({Family.IPV6}), targets) for targets in (False, True)}
_NEITHER: Final = {targets: Asked(frozenset(), targets) for targets in (False, True)}
_ADDRESSES: Final = {family: Asked(frozenset({family}), targets=False) for family in Family}


class Compiler:
    """Compiles services against one state of the backends; what services share is made once.

    A backend without a standing is up, and of a pool only the operator's state counts.
    """

    def __init__(self, standings: Mapping[Subject, Standing], atlas: Atlas = EMPTY) -> None:
        self._standings = standings
        self.atlas = atlas
        self._services: dict[tuple[object, ...], ServicePlan] = {}
        self._trees: dict[tuple[int, int, int], Tree] = {}
        self._up: dict[int, bool] = {}

    def service(self, service: Service) -> ServicePlan:
        """The plan of one service; services alike in all but their name share it."""
        when_down = service.when_down
        key = (
            id(service.pool),
            service.ttl,
            service.answers,
            when_down.action,
            id(when_down.backend),
            service.declared,
            id(service.hosts),
        )
        plan = self._services.get(key)
        if plan is None:
            plan = self._services[key] = self._service(service)
        return plan

    def services(self, services: Iterable[Service]) -> dict[ServiceId, ServicePlan]:
        """The plans of several services.

        Raises:
            PlanError: a strategy failed or returned what is no plan.
        """
        plans = {service.id: self.service(service) for service in services}
        self._trees.clear()  # they and this refer to each other, and are many
        return plans

    def is_up(self, service: Service) -> bool:
        """Whether the service answers from its pool, rather than as `when_down` says."""
        return self.pool_up(service.pool)

    def pool_up(self, pool: Pool) -> bool:
        """Whether at least `min_up` members of `pool` are up, unless the operator decides."""
        up = self._up.get(id(pool))
        if up is None:
            state = self.pool_state(pool)
            up = state is OperatorState.UP
            if state is OperatorState.AUTO:
                up = self.members_up(pool) >= pool.min_up
            self._up[id(pool)] = up
        return up

    def pool_state(self, pool: Pool) -> OperatorState:
        """What the operator wants of `pool` as a member of others, and under services."""
        return self._standings.get(pool.id, ALWAYS_UP).state

    def pool_withheld(self, pool: Pool) -> bool:
        """Whether the operator keeps `pool` out of its parents and services."""
        return self.pool_state(pool) in {OperatorState.DOWN, OperatorState.DRAIN}

    def members_up(self, pool: Pool) -> int:
        """How many members of `pool` are up, in any family."""
        return sum(map(self._member_up, pool.members))

    def _member_up(self, member: Member) -> bool:
        if isinstance(member.of, Backend):
            return self.backend_up(member.of)
        return self.pool_up(member.of)

    def backend_up(self, backend: Backend) -> bool:
        """Whether answers of any type may carry the backend."""
        standing = self.standing(backend)
        return any(standing.serves(family) for family in _FAMILIES if backend.has(family))

    def standing(self, backend: Backend) -> Standing:
        """What is known of `backend`."""
        return self._standings.get(backend.id, ALWAYS_UP)

    def tree(self, service: Service, pool: Pool) -> Tree:
        """The compiler of `pool` and those below it; while it is down, of all backends as if up."""
        key = (id(pool), service.ttl, service.answers)
        tree = self._trees.get(key)
        if tree is None:
            tree = self._trees[key] = Tree(self, service, pool)
        return tree

    def _service(self, service: Service) -> ServicePlan:
        sorry = service.when_down.backend

        def plan(rtype: int, pool: Pool) -> Node | None:
            asked = Asked.by(rtype, service)
            if not any(map(asked.has, pool.backends())) and not (sorry and asked.has(sorry)):
                return None
            if self.pool_up(pool) or service.when_down.action == "serve-all":
                return self.tree(service, pool).node(pool, asked) or Answer((), service.ttl)
            return _down(service, asked)

        further = {}
        for declared in service.declared:
            pool = service.pool_of(declared)
            if node := plan(declared.type, pool):
                serves = self.tree(service, pool).serves
                further[declared.type] = lifted(write(node, service, declared, serves))
        own = [plan(rtype, service.pool) for rtype in (A, AAAA, CNAME)]
        a, aaaa, other = (node and lifted(node) for node in own)
        return ServicePlan(a, aaaa, other, further)


def _down(service: Service, asked: Asked) -> Answer:
    """The answer of a service that is down and does not serve all."""
    sorry = service.when_down.backend
    if service.when_down.action == "servfail":
        return Answer((), service.ttl, Rcode.SERVFAIL)
    if sorry is None or not asked.has(sorry):
        return Answer((), service.ttl)
    if sorry.target is None and asked.families == _BOTH:
        # parameters, ports and hosts are declared of the pool, and a page elsewhere has others
        return Answer((), service.ttl)
    return Answer((sorry,), service.ttl)


class Tree:
    """The pools under one service, for its ttl and number of answers.

    `forced`, or while `pool` is down, all backends count as up, but for those that are withheld, if
    there are others.
    """

    def __init__(
        self, compiler: Compiler, service: Service, pool: Pool, *, forced: bool = False
    ) -> None:
        self._compiler = compiler
        self._service = service
        self._root = pool
        self._ttl = service.ttl
        self._answers = service.answers
        self._raised: dict[int, Tree] = {}
        self._nodes: dict[tuple[int, Asked], Node | None] = {}
        self._leaves: dict[BackendId, Answer] = {}
        self._forced = forced or not compiler.pool_up(pool)
        self._withheld_too = self._forced and not self._reaches(pool, {})

    def node(self, pool: Pool, asked: Asked) -> Node | None:
        """The plan of `pool` for what is asked; None when it has no part in the answer."""
        key = (id(pool), asked)
        if key not in self._nodes:
            self._nodes[key] = self._node(pool, asked)
        return self._nodes[key]

    def _node(self, pool: Pool, asked: Asked) -> Node | None:
        if not self._takes_part(pool):
            return None
        if self._is_raised(pool):
            return self._as_if_up(pool).node(pool, asked)
        candidates = scaled(list(self._candidates(pool, asked)))
        return self._strategy(pool, asked, candidates) if candidates else None

    def _strategy(self, pool: Pool, asked: Asked, candidates: Sequence[Candidate]) -> Node:
        """The plan of the pool's strategy over `candidates`, of which there is at least one."""
        joinable = all(
            isinstance(member.of, Backend) and (asked.named or member.of.target is None)
            for member in pool.members
        )
        choice = Choice(
            self._answers if joinable else 1,
            partial(self._join, asked.named),
            pool.prefix,
            pool.members,
            self._compiler.atlas,
            pool.bound,
            () if pool.bound is None else scaled(list(self._candidates(pool, asked.of_both))),
        )
        strategy = pool.strategy
        if id(strategy) in _TRUSTED:
            return strategy.plan(candidates, choice)
        try:
            return checked(strategy.plan(candidates, choice), named=asked.named)
        except (Exception, SystemExit) as error:  # the operator's own code may fail in any way
            reason = str(error) if isinstance(error, PlanError) else f"{error!r}"
            raise PlanError(
                f"pool {pool.name} of zone {pool.zone}: "
                f"strategy {type(strategy).__qualname__}: {reason}"
            ) from error

    def parts(self, pool: Pool, asked: Asked) -> list[float] | None:
        """For each member of `pool` the part of its answers that it gets; they add up to 1.

        An answer that carries several members counts for each of them. All are 0 while the pool has
        no part in answers. None: which member it is depends on where the client is.
        """
        if pool.strategy.places:
            return None
        parts = [0.0] * len(pool.members)
        if not self._takes_part(pool):
            return parts
        if self._is_raised(pool):
            return self._as_if_up(pool).parts(pool, asked)
        candidates = scaled(list(self._candidates(pool, asked)))
        if not candidates:
            return parts
        # what is below a pool plays no part: one leaf stands for it
        marks = {
            one.place: member
            if isinstance(member := pool.members[one.place].of, Backend)
            else Backend(BackendId("", "", str(one.place)))
            for one in candidates
        }
        marked = [replace(one, node=Answer((marks[one.place],), self._ttl)) for one in candidates]
        root = self._strategy(pool, asked, marked)
        if any(isinstance(node, Network) for node in nodes(root)):
            return None
        places = {mark.id: place for place, mark in marks.items()}
        for leaf, chance in chances(root):
            for backend in leaf.backends:
                parts[places[backend.id]] += chance
        total = sum(parts)
        return [part / total for part in parts] if total else parts

    def _candidates(self, pool: Pool, asked: Asked) -> Iterator[Candidate]:
        for place, member in enumerate(pool.members):
            if isinstance(member.of, Backend):
                backend = member.of
                if self.includes(backend, asked):
                    standing = self._compiler.standing(backend)
                    leaf = self._leaves.get(backend.id)
                    if leaf is None:
                        leaf = self._leaves[backend.id] = Answer((backend,), self._ttl)
                    yield Candidate(
                        str(backend.id),
                        member.weight,
                        leaf,
                        standing.load,
                        standing.latency,
                        place,
                        spilled(standing.load, pool.spill if pool.strategy.ordered else None),
                        standing.weight,
                    )
            elif child := self.node(member.of, asked):
                load = latency = None
                spill = member.of.spill if pool.strategy.ordered else None
                if pool.strategy.measured or spill:
                    load = self._mean(child, lambda standing: standing.load)
                if pool.strategy.measured:
                    latency = self._mean(child, lambda standing: standing.latency)
                yield Candidate(
                    member.of.name, member.weight, child, load, latency, place,
                    spilled(load, spill),
                )  # fmt: skip

    def _takes_part(self, pool: Pool) -> bool:
        """Whether answers may come from `pool`, if it has what is asked."""
        if not self._forced:
            return self._compiler.pool_up(pool)
        withheld = self._compiler.pool_withheld(pool) and pool is not self._root
        return self._withheld_too or not withheld

    def _is_raised(self, pool: Pool) -> bool:
        """Whether `pool` is up by the operator's word alone: then all below it counts as up."""
        return (
            not self._forced
            and self._compiler.pool_state(pool) is OperatorState.UP
            and not self._compiler.members_up(pool)
        )

    def _as_if_up(self, pool: Pool) -> Tree:
        tree = self._raised.get(id(pool))
        if tree is None:
            tree = Tree(self._compiler, self._service, pool, forced=True)
            self._raised[id(pool)] = tree
        return tree

    def _reaches(self, pool: Pool, known: dict[int, bool]) -> bool:
        """Whether a backend below `pool` is withheld neither itself nor by a pool between."""
        if id(pool) not in known:
            known[id(pool)] = any(
                not self._compiler.standing(member.of).withheld
                if isinstance(member.of, Backend)
                else not self._compiler.pool_withheld(member.of) and self._reaches(member.of, known)
                for member in pool.members
            )
        return known[id(pool)]

    def includes(self, backend: Backend, asked: Asked) -> bool:
        """Whether `backend` can be chosen for what is asked."""
        if not asked.has(backend):
            return False
        standing = self._compiler.standing(backend)
        if self._forced:
            return self._withheld_too or not standing.withheld
        families = asked.families or Family
        return any(standing.serves(family) for family in families if backend.has(family))

    def serves(self, backend: Backend, family: Family) -> bool:
        """Whether `backend` has addresses of `family` that can be answered with."""
        return self.includes(backend, _ADDRESSES[family])

    def _mean(self, node: Node, of: Callable[[Standing], float | None]) -> float | None:
        """What a query to a pool meets on average, over the backends of which it is known."""
        total = known = 0.0
        for leaf, chance in chances(node):
            for backend in leaf.backends:
                value = of(self._compiler.standing(backend))
                if value is not None:
                    total += chance * value
                    known += chance
        return total / known if known else None

    def _join(self, named: bool, candidates: Sequence[Candidate]) -> Node:  # noqa: FBT001
        return join([candidate.node for candidate in candidates], self._ttl, named=named)
