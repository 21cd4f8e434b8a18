"""Forecasts: which share of the answers each branch of a service is meant to get.

    service ─▶ its pool ─▶ for each member the part of the pool's answers that it gets ─▶ below it

A share is that among the answers that reach the parent, so members' shares add up to 1; where an
answer carries several members, each counts. It is for A and AAAA questions together: a member that
has an address of either family that is up is there. Which member a client's network leads to is up
to the clients, so the members of `geo` and `nearest` pools have no share.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, NamedTuple

from dnslb.config.model import Backend
from dnslb.policy.compile import Asked, Compiler
from dnslb.policy.outs import backend_out, pool_out
from dnslb.policy.reasons import condition
from dnslb.zone.types import A

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from dnslb.config.model import BackendId, Config, Member, Pool, Service, Subject
    from dnslb.health.standing import Standing
    from dnslb.policy.compile import Tree

__all__ = ["Branch", "Of", "forecast", "forecast_backends", "grow", "within"]


@dataclass(frozen=True, slots=True)
class Branch:
    """A pool or a backend in its place under a service."""

    kind: Literal["pool", "backend"]
    zone: str
    name: str  # of a pool; of a backend `pool/name`
    strategy: str | None  # of a pool
    share: float | None  # of the answers that reach its parent; None: clients decide
    up: bool
    out: str  # what keeps it out; empty when it may serve
    condition: str  # which clients it is for, where its parent tells them apart
    members: tuple[Branch, ...] = ()
    backend: BackendId | None = None  # when it is one


class Of(NamedTuple):
    """A backend's share, and of whose answers it is one."""

    backend: BackendId
    pool: str | None  # the pool to which a client's network has led; None: the whole service


def forecast(config: Config, standings: Mapping[Subject, Standing], service: Service) -> Branch:
    """The tree of `service` with the shares that are meant while `standings` last.

    Raises:
        PlanError: a strategy failed or returned what is no plan.
    """
    return grow(Compiler(standings, config.atlas), service)


def grow(compiler: Compiler, service: Service) -> Branch:
    """The same with a compiler, which makes once what services share."""
    asked = Asked.by(A, service).of_both
    serves = compiler.is_up(service) or service.when_down.action == "serve-all"
    tree = compiler.tree(service, service.pool)
    out = pool_out(compiler, tree, service.pool, asked)
    return _Growing(compiler, tree, asked, serves=serves).pool(service.pool, 1.0, "", out=out)


def forecast_backends(
    config: Config, standings: Mapping[Subject, Standing], service: Service
) -> dict[BackendId, float]:
    """The share of each backend of `service`; empty where clients decide on any of them.

    Raises:
        PlanError: as for `forecast`.
    """
    shares = within(forecast(config, standings, service))
    if any(key.pool is not None for key in shares):
        return {}
    return {key.backend: share for key, share in shares.items()}


def within(root: Branch) -> dict[Of, float]:
    """The share of each backend below `root`.

    It is one of all answers as far as no client decides; below such a choice it is one of the
    answers to those who were led there.
    """
    shares: dict[Of, float] = {}
    for key, share in _leaves(root, None, 1.0):
        shares[key] = shares.get(key, 0.0) + share
    return shares


def _leaves(branch: Branch, pool: str | None, share: float) -> Iterator[tuple[Of, float]]:
    if branch.backend is not None:
        yield Of(branch.backend, pool), share
    for member in branch.members:
        if member.share is not None:
            yield from _leaves(member, pool, share * member.share)
        else:
            # what is out gets nobody; what may serve gets those who are led to it
            led = member.name if member.backend is None else branch.name
            yield from _leaves(member, led, 0.0 if member.out else 1.0)


class _Growing:
    """Makes branches for what is asked."""

    def __init__(self, compiler: Compiler, tree: Tree, asked: Asked, *, serves: bool) -> None:
        self._compiler = compiler
        self._tree = tree
        self._asked = asked
        self._serves = serves  # whether answers come from the pool at all

    def pool(self, pool: Pool, share: float | None, condition: str, *, out: str) -> Branch:
        parts: list[float] | None = [0.0] * len(pool.members)
        if self._serves:
            parts = self._tree.parts(pool, self._asked)
        return Branch(
            kind="pool",
            zone=pool.zone,
            name=pool.name,
            strategy=pool.strategy.name,
            share=share,
            up=self._compiler.pool_up(pool),
            out=out,
            condition=condition,
            members=tuple(
                self._member(pool, member, None if parts is None else parts[place])
                for place, member in enumerate(pool.members)
            ),
        )

    def _member(self, pool: Pool, member: Member, share: float | None) -> Branch:
        clients = condition(pool, member)
        if not isinstance(member.of, Backend):
            out = pool_out(self._compiler, self._tree, member.of, self._asked)
            return self.pool(member.of, share, clients, out=out)
        backend = member.of
        return Branch(
            kind="backend",
            zone=backend.id.zone,
            name=str(backend.id),
            strategy=None,
            share=share,
            up=self._compiler.backend_up(backend),
            out=backend_out(self._compiler, self._tree, backend, self._asked),
            condition=clients,
            backend=backend.id,
        )
