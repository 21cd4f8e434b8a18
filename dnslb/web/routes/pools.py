"""Pools: how they are, and letting a frozen one's failures count."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from typing_extensions import TypedDict

from dnslb.config.model import Backend
from dnslb.policy.compile import Compiler
from dnslb.times import stamp
from dnslb.web.audit import audit
from dnslb.web.errors import ApiError
from dnslb.web.names import NO_POOL, InZone, absolute
from dnslb.web.route import Error, Route
from dnslb.web.show import FinishView, show_finish

if TYPE_CHECKING:
    from dnslb.config.model import Pool
    from dnslb.server import Server
    from dnslb.web.route import Call

__all__ = ["ROUTES", "PoolView", "show_pool"]


class PoolMemberView(TypedDict):
    """A member of a pool."""

    name: str  # of a pool; of a backend `pool/name`
    kind: str  # backend or pool
    weight: int
    up: bool


class PoolView(TypedDict):
    """One pool."""

    zone: str
    name: str
    strategy: str
    up: bool
    members_up: int
    min_up: int
    frozen: bool  # whether no more of its backends go down
    held: list[str]  # backends that are up only since it is frozen
    state: str  # what the operator wants: auto, up, down or drain
    state_reason: str
    until: str | None
    finish: FinishView | None  # while it is drained or down by the operator
    services: list[str]  # that it can answer for
    members: list[PoolMemberView]


class PoolsView(TypedDict):
    """Pools."""

    pools: list[PoolView]


class ThawedView(TypedDict):
    """What goes down by a thaw."""

    down: list[str]


async def get_pools(call: Call) -> PoolsView:
    """All pools, or those of a zone."""
    zone = None if call.query.zone is None else absolute(call.query.zone)
    pools = [one for one in call.server.config.pools() if zone is None or one.zone == zone]
    show = _Shown(call.server)
    return {"pools": await asyncio.to_thread(lambda: [show(pool) for pool in pools])}


async def get_pool(call: Call) -> PoolView:
    """One pool."""
    pool = call.names.pool(call.path["pool"], call.query.zone)
    return await asyncio.to_thread(show_pool, call.server, pool)


async def post_thaw(call: Call) -> ThawedView:
    """Let the failures that a frozen pool holds up count."""
    pool = call.names.pool(call.path["pool"], call.query.zone)
    try:
        held = call.server.monitor.thaw(pool.zone, pool.name)
    except KeyError as error:
        raise ApiError(409, "no-max-down", f"pool {pool.name} has no max_down") from error
    audit(call, f"thaw: {len(held)} backends go down")
    return {"down": sorted(str(backend) for backend in held)}


def show_pool(server: Server, pool: Pool) -> PoolView:
    """`pool` as it is now."""
    return _Shown(server)(pool)


class _Shown:
    """Shows pools as they are now."""

    def __init__(self, server: Server) -> None:
        self._server = server
        self._compiler = Compiler(dict(server.monitor.standings()), server.config.atlas)
        self._frozen = server.monitor.frozen()
        self._services: dict[tuple[str, str], list[str]] = {}
        for service in server.config.services():
            names: dict[str, Pool] = {}
            for pool in service.pools():
                _gather(pool, names)
            for name in names:
                key = service.id.zone, name
                self._services.setdefault(key, []).append(str(service.id))

    def __call__(self, pool: Pool) -> PoolView:
        monitor, traffic = self._server.monitor, self._server.traffic
        wish = monitor.wish(pool.id)
        withheld = monitor.standing(pool.id).withheld
        backends = [backend.id for backend in pool.backends()] if withheld else []
        held = self._frozen.get((pool.zone, pool.name))
        members: list[PoolMemberView] = []
        for member in pool.members:
            if isinstance(member.of, Backend):
                name, kind = str(member.of.id), "backend"
                up = self._compiler.backend_up(member.of)
            else:
                name, kind, up = member.of.name, "pool", self._compiler.pool_up(member.of)
            members.append({"name": name, "kind": kind, "weight": member.weight, "up": up})
        return {
            "zone": pool.zone,
            "name": pool.name,
            "strategy": pool.strategy.name,
            "up": self._compiler.pool_up(pool),
            "members_up": sum(member["up"] for member in members),
            "min_up": pool.min_up,
            "frozen": held is not None,
            "held": sorted(map(str, held or ())),
            "state": wish.state.value,
            "state_reason": wish.reason,
            "until": stamp(wish.until),
            "finish": show_finish(monitor, traffic, backends),
            "services": self._services.get((pool.zone, pool.name), []),
            "members": members,
        }


def _gather(pool: Pool, found: dict[str, Pool]) -> None:
    """Add `pool` and those below it."""
    if pool.name not in found:
        found[pool.name] = pool
        for member in pool.members:
            if not isinstance(member.of, Backend):
                _gather(member.of, found)


_NO_MAX_DOWN = Error(409, "no-max-down", "the pool has no `max_down`")

ROUTES = (
    Route("GET", "pools", get_pools, "All pools", answer=PoolsView, query=InZone),
    Route(
        "GET", "pools/{pool}", get_pool, "One pool", answer=PoolView, query=InZone, errors=NO_POOL
    ),
    Route(
        "POST",
        "pools/{pool}/thaw",
        post_thaw,
        "Let the failures that a frozen pool holds up count",
        answer=ThawedView,
        query=InZone,
        errors=(*NO_POOL, _NO_MAX_DOWN),
    ),
)
