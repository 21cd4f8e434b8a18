"""Compiling: pools and standings in, plans out. Pure, and run only when something changed.

    service ─▶ up?  ── yes ─▶ for A, AAAA and, where there are CNAMEs, all other types:
                │              pool ─▶ its members that are up and have what is asked ─▶ strategy
                └── no ──▶ when_down

A pool is up or down as a whole, for all types alike: it is up while at least `min_up` members are.
A type that nothing under an up service can serve gets NODATA: the other family still works.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Final

from dnslb.config.model import Backend, Family
from dnslb.errors import PlanError
from dnslb.health.standing import ALWAYS_UP
from dnslb.policy.plan import (
    MAX_DEPTH,
    Answer,
    Cycle,
    Hash,
    HashChoice,
    Node,
    Random,
    Rcode,
    ServicePlan,
    WeightedChoice,
)
from dnslb.policy.strategies import BUILT_IN
from dnslb.policy.strategies.base import Candidate, Choice
from dnslb.policy.walk import chances

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

    from dnslb.config.model import BackendId, Member, Pool, Service, ServiceId
    from dnslb.health.standing import Standing

__all__ = ["Compiler", "compile_services"]

MAX_JOINED: Final = 1024
"""The most leaves that joining the plans of nested pools may make."""

Asked = Family | None
"""What is asked: a family's address records, or (None) any other type, which a CNAME answers."""


def compile_services(
    services: Iterable[Service], standings: Mapping[BackendId, Standing]
) -> dict[ServiceId, ServicePlan]:
    """The plans of `services`; a backend without a standing is up.

    Raises:
        PlanError: a strategy failed or returned what is no plan.
    """
    compiler = Compiler(standings)
    return {service.id: compiler.service(service) for service in services}


class Compiler:
    """Compiles services against one state of the backends; what services share is made once."""

    def __init__(self, standings: Mapping[BackendId, Standing]) -> None:
        self._standings = standings
        self._services: dict[tuple[object, ...], ServicePlan] = {}
        self._trees: dict[tuple[int, int, int, bool], _Tree] = {}
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
        )
        plan = self._services.get(key)
        if plan is None:
            plan = self._services[key] = self._service(service)
        return plan

    def is_up(self, service: Service) -> bool:
        """Whether the service answers from its pool, rather than as `when_down` says."""
        return self.pool_up(service.pool)

    def pool_up(self, pool: Pool) -> bool:
        """Whether at least `min_up` members of `pool` are up."""
        up = self._up.get(id(pool))
        if up is None:
            up = self._up[id(pool)] = self.members_up(pool) >= pool.min_up
        return up

    def members_up(self, pool: Pool) -> int:
        """How many members of `pool` are up, in any family."""
        return sum(
            self.backend_up(member.of)
            if isinstance(member.of, Backend)
            else self.pool_up(member.of)
            for member in pool.members
        )

    def _member_up(self, member: Member) -> bool:
        if isinstance(member.of, Backend):
            return self.backend_up(member.of)
        return self.pool_up(member.of)

    def backend_up(self, backend: Backend) -> bool:
        """Whether answers of any type may carry the backend."""
        standing = self.standing(backend)
        return any(standing.serves(family) for family in Family if backend.has(family))

    def standing(self, backend: Backend) -> Standing:
        """What is known of `backend`."""
        return self._standings.get(backend.id, ALWAYS_UP)

    def tree(self, service: Service, *, forced: bool = False) -> _Tree:
        """The compiler of a service's pools; with `forced`, of all backends as if up."""
        key = (id(service.pool), service.ttl, service.answers, forced)
        tree = self._trees.get(key)
        if tree is None:
            tree = self._trees[key] = _Tree(self, service, forced=forced)
        return tree

    def _service(self, service: Service) -> ServicePlan:
        action, sorry = service.when_down.action, service.when_down.backend
        backends = list(service.pool.backends())
        if sorry is not None:
            backends.append(sorry)
        up = self.is_up(service)

        def plan(asked: Asked) -> Node | None:
            if not any(_has(backend, asked) for backend in backends):
                return None
            nothing = Answer((), service.ttl)
            if up or action == "serve-all":
                return self.tree(service, forced=not up).node(service.pool, asked) or nothing
            if action == "servfail":
                return Answer((), service.ttl, Rcode.SERVFAIL)
            if sorry is not None and _has(sorry, asked):
                return Answer((sorry,), service.ttl)
            return nothing

        return ServicePlan(plan(Family.IPV4), plan(Family.IPV6), plan(None))


class _Tree:
    """The pools under one service, for its ttl and number of answers."""

    def __init__(self, compiler: Compiler, service: Service, *, forced: bool) -> None:
        self._compiler = compiler
        self._ttl = service.ttl
        self._answers = service.answers
        self._nodes: dict[tuple[int, Asked], Node | None] = {}
        self._leaves: dict[BackendId, Answer] = {}
        self._forced = forced
        self._withheld_too = forced and all(
            compiler.standing(backend).withheld for backend in service.pool.backends()
        )

    def node(self, pool: Pool, asked: Asked) -> Node | None:
        """The plan of `pool` for what is asked; None when it has no part in the answer."""
        key = (id(pool), asked)
        if key not in self._nodes:
            self._nodes[key] = self._node(pool, asked)
        return self._nodes[key]

    def _node(self, pool: Pool, asked: Asked) -> Node | None:
        if not self._forced and not self._compiler.pool_up(pool):
            return None
        candidates = list(self._candidates(pool, asked))
        if not candidates:
            return None
        joinable = all(
            isinstance(candidate.node, Answer) and candidate.node.backends[0].target is None
            for candidate in candidates
        ) and all(isinstance(member.of, Backend) for member in pool.members)
        choice = Choice(self._answers if joinable else 1, self._join, pool.prefix)
        strategy = pool.strategy
        if BUILT_IN.get(strategy.name) is strategy:
            return strategy.plan(candidates, choice)
        try:
            return _checked(strategy.plan(candidates, choice), MAX_DEPTH)
        except Exception as error:  # the operator's own code may fail in any way
            reason = str(error) if isinstance(error, PlanError) else f"{error!r}"
            raise PlanError(
                f"pool {pool.name} of zone {pool.zone}: "
                f"strategy {type(strategy).__qualname__}: {reason}"
            ) from error

    def _candidates(self, pool: Pool, asked: Asked) -> Iterator[Candidate]:
        for member in pool.members:
            if isinstance(member.of, Backend):
                backend = member.of
                if self.includes(backend, asked):
                    standing = self._compiler.standing(backend)
                    leaf = self._leaves.get(backend.id)
                    if leaf is None:
                        leaf = self._leaves[backend.id] = Answer((backend,), self._ttl)
                    yield Candidate(
                        str(backend.id), member.weight, leaf, standing.load, standing.latency
                    )
            elif child := self.node(member.of, asked):
                yield Candidate(
                    member.of.name,
                    member.weight,
                    child,
                    self._mean(child, lambda standing: standing.load),
                    self._mean(child, lambda standing: standing.latency),
                )

    def includes(self, backend: Backend, asked: Asked) -> bool:
        """Whether `backend` can be chosen for what is asked."""
        if not _has(backend, asked):
            return False
        standing = self._compiler.standing(backend)
        if self._forced:
            return self._withheld_too or not standing.withheld
        if asked is None:
            return any(standing.serves(family) for family in Family)
        return standing.serves(asked)

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

    def _join(self, candidates: Sequence[Candidate]) -> Node:
        """One answer that carries what each of `candidates` would answer."""
        nodes = [candidate.node for candidate in candidates]
        leaves = math.prod(len(chances(node)) for node in nodes)
        if leaves > MAX_JOINED or sum(map(_depth, nodes)) > MAX_DEPTH // 2:
            # too many combinations to tell apart: all of them at once
            flat = (leaf for node in nodes for leaf, _ in chances(node))
            return _joined(flat, self._ttl)
        joined = nodes[0]
        for node in nodes[1:]:
            joined = self._product(joined, node)
        return joined

    def _product(self, first: Node, second: Node) -> Node:
        if isinstance(first, Answer):
            if isinstance(second, Answer):
                return _joined((first, second), self._ttl)
            return _mapped(second, lambda leaf: _joined((first, leaf), self._ttl))
        return _mapped(first, lambda leaf: self._product(leaf, second))


def _has(backend: Backend, asked: Asked) -> bool:
    return backend.target is not None if asked is None else backend.has(asked)


def _joined(leaves: Iterable[Answer], ttl: int) -> Answer:
    """The backends of `leaves` in one answer; a CNAME only where there is nothing else."""
    backends = list(dict.fromkeys(backend for leaf in leaves for backend in leaf.backends))
    addresses = tuple(backend for backend in backends if backend.target is None)
    return Answer(addresses or tuple(backends[:1]), ttl)


def _mapped(node: Node, change: Callable[[Answer], Node]) -> Node:
    """`node` with every leaf changed; what was one object stays one."""
    done: dict[int, Node] = {}

    def visit(node: Node) -> Node:
        if id(node) not in done:
            done[id(node)] = rebuild(node)
        return done[id(node)]

    def rebuild(node: Node) -> Node:
        if isinstance(node, Answer):
            return change(node)
        if isinstance(node, Cycle):
            return Cycle(tuple(visit(step) for step in node.steps))
        if isinstance(node, Random):
            return Random(
                tuple(WeightedChoice(weight, visit(child)) for weight, child in node.choices)
            )
        return Hash(
            tuple(HashChoice(key, weight, visit(child)) for key, weight, child in node.choices),
            node.prefix,
            node.slots,
        )

    return visit(node)


def _children(node: Node) -> tuple[Node, ...]:
    if isinstance(node, Answer):
        return ()
    if isinstance(node, Cycle):
        return node.steps
    return tuple(choice.node for choice in node.choices)


def _depth(node: Node) -> int:
    distinct = {id(child): child for child in _children(node)}
    return 1 + max(map(_depth, distinct.values()), default=0)


def _checked(node: Node, depth: int) -> Node:
    """`node`, which is surely a plan that the engine takes.

    Raises:
        PlanError: it is none.
    """
    if not isinstance(node, Node):
        raise PlanError(f"returned {node!r}, which is no plan node")
    if not depth:
        raise PlanError(f"returned a plan of more than {MAX_DEPTH} levels")
    if isinstance(node, Answer):
        if not all(isinstance(backend, Backend) for backend in node.backends):
            raise PlanError("returned an answer with something in it that is no backend")
        return node
    if not _children(node):
        raise PlanError(f"returned a {type(node).__name__} without branches")
    if isinstance(node, Random | Hash):
        for choice in node.choices:
            if not (math.isfinite(choice.weight) and choice.weight > 0):
                raise PlanError(f"returned a weight of {choice.weight}; weights are above 0")
    for child in {id(child): child for child in _children(node)}.values():
        _checked(child, depth - 1)
    return node
