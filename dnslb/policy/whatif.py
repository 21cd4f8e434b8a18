"""What a change of operator states would do: to shares, and to what could no longer be met.

standings ─▶ with the states that are wanted ─▶ forecasts of both ─▶ what is different
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, NamedTuple

from dnslb.config.model import Backend
from dnslb.health.standing import ALWAYS_UP
from dnslb.policy.compile import Compiler
from dnslb.policy.forecast import grow, within

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Mapping

    from dnslb.config.model import Config, Pool, PoolId, Service, Subject
    from dnslb.health.standing import OperatorState, Standing

__all__ = ["Effect", "WhatIf", "what_if"]


class Effect(NamedTuple):
    """How the share of a backend changes. Both are parts of the same answers, from 0 to 1."""

    service: str
    within: str  # the pool whose clients are meant, where clients decide; else empty
    backend: str  # `pool/name`
    before: float
    after: float


class WhatIf(NamedTuple):
    """What a change would do."""

    effects: tuple[Effect, ...]
    short: tuple[str, ...]  # pools and services that would go down, each with why


def what_if(
    config: Config,
    standings: Mapping[Subject, Standing],
    subjects: Collection[Subject],
    state: OperatorState,
) -> WhatIf:
    """What happens when `subjects` get the operator's `state`.

    Raises:
        PlanError: as for `forecast`.
    """
    changed = {one: replace(standings.get(one, ALWAYS_UP), state=state) for one in subjects}
    before = Compiler(standings, config.atlas)
    after = Compiler({**standings, **changed}, config.atlas)
    services = [one for one in config.services() if _holds(one, subjects)]
    effects = [
        effect
        for service in services
        for effect in _effects(service, before, after)
        if abs(effect.before - effect.after) > 1e-9
    ]
    return WhatIf(tuple(effects), tuple(_short(services, subjects, before, after)))


def _effects(service: Service, before: Compiler, after: Compiler) -> Iterator[Effect]:
    old, new = within(grow(before, service)), within(grow(after, service))
    for key in {**old, **new}:
        yield Effect(
            str(service.id),
            key.pool or "",
            str(key.backend),
            old.get(key, 0.0),
            new.get(key, 0.0),
        )


def _short(
    services: list[Service], subjects: Collection[Subject], before: Compiler, after: Compiler
) -> Iterator[str]:
    told: set[PoolId] = set()
    for service in services:
        for pool in _below(service):
            if pool.id in told or pool.id in subjects:
                continue
            told.add(pool.id)
            if before.pool_up(pool) and not after.pool_up(pool):
                up, of = after.members_up(pool), len(pool.members)
                left = f"{up} of {of} members up, min_up is {pool.min_up}"
                yield f"pool {pool.name} would have {left}"
        if before.is_up(service) and not after.is_up(service):
            yield f"service {service.id} would have nothing that is up"


def _below(service: Service) -> Iterator[Pool]:
    """Every pool under `service`, each once."""
    found: dict[PoolId, Pool] = {}
    stack = list(service.pools())
    while stack:
        pool = stack.pop()
        if pool.id not in found:
            found[pool.id] = pool
            stack += [one.of for one in pool.members if not isinstance(one.of, Backend)]
    yield from found.values()


def _holds(service: Service, subjects: Collection[Subject]) -> bool:
    return any(backend.id in subjects for backend in service.backends()) or any(
        pool.id in subjects for pool in _below(service)
    )
