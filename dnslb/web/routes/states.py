"""Operator states: what the operator wants of backends and pools, tried first and then done.

dry run ─▶ effect on shares, and whether too little would be left
change  ─▶ refused when too little would be left, unless forced ─▶ all of it, or nothing
"""

from __future__ import annotations

import asyncio
import fnmatch
import time
from datetime import datetime
from typing import TYPE_CHECKING, Annotated, Final, Literal

from pydantic import Field
from pydantic_core import PydanticCustomError
from typing_extensions import TypedDict

from dnslb.config.suggest import listed
from dnslb.config.values import duration
from dnslb.errors import PlanError
from dnslb.health.standing import OperatorState
from dnslb.policy.whatif import WhatIf, what_if
from dnslb.web.audit import audit
from dnslb.web.errors import ApiError
from dnslb.web.names import NO_BACKEND, NO_POOL, InZone, absolute
from dnslb.web.route import Error, Route, RouteBody
from dnslb.web.routes.backends import Words  # noqa: TC001 # pydantic looks at it
from dnslb.web.routes.pools import PoolView, show_pool
from dnslb.web.show import BackendView, show_backend

if TYPE_CHECKING:
    from dnslb.config.model import Subject
    from dnslb.web.route import Call

__all__ = ["ROUTES"]

MAX_UNTIL: Final = 3650 * 86_400.0
"""Seconds from now that an operator's state may end in; what is to stay longer has no end."""


class StateBody(RouteBody):
    """What the operator wants."""

    state: Literal["auto", "up", "down", "drain"]
    reason: Words = ""
    until: Annotated[
        str | None, Field(description="A duration, or a time of ISO 8601 with its offset.")
    ] = None
    dry_run: Annotated[bool, Field(description="Only say what it would do.")] = False
    force: Annotated[bool, Field(description="Also when too little would be left.")] = False


class StatesBody(StateBody):
    """What the operator wants of several."""

    backends: Annotated[
        str | None, Field(description="A glob of backends, `pool/name`: `europe/*`.")
    ] = None
    pools: Annotated[str | None, Field(description="A glob of pools.")] = None


class EffectView(TypedDict):
    """How the share of a backend changes."""

    service: str
    within: str  # the pool whose clients are meant, where clients decide; else empty
    backend: str
    before: float
    after: float


class StatesView(TypedDict):
    """What a change did, or would do."""

    changed: list[str]  # backends, `pool/name`, and pools
    effect: list[EffectView]
    refused: str | None  # why it is not done unless forced; of a dry run


class BackendStateView(BackendView, StatesView):
    """The same with the backend."""


class PoolStateView(PoolView, StatesView):
    """The same with the pool."""


async def put_backend_state(call: Call) -> BackendStateView:
    """What the operator wants of one backend; verdicts go on beside it."""
    backend = call.names.backend(call.path["pool"], call.path["name"], call.query.zone)
    done = await _change(call, [backend.id])
    return {**show_backend(call.server.monitor, call.server.traffic, backend), **done}


async def put_pool_state(call: Call) -> PoolStateView:
    """What the operator wants of one pool, as a member of others and under services."""
    pool = call.names.pool(call.path["pool"], call.query.zone)
    done = await _change(call, [pool.id])
    return {**show_pool(call.server, pool), **done}


async def put_states(call: Call) -> StatesView:
    """What the operator wants of all backends and pools that globs match."""
    body: StatesBody = call.body
    if body.backends is None and body.pools is None:
        raise ApiError(400, "body", "say which: backends or pools, or both")
    config = call.server.config
    zone = None if call.query.zone is None else absolute(call.query.zone)
    subjects: list[Subject] = []
    if body.pools is not None:
        subjects += [one.id for one in config.pools() if fnmatch.fnmatchcase(one.name, body.pools)]
    if body.backends is not None:
        subjects += [
            one.id for one in call.names.backends if fnmatch.fnmatchcase(str(one.id), body.backends)
        ]
    subjects = [one for one in subjects if zone is None or one.zone == zone]
    if not subjects:
        wanted = " and no ".join(
            f"{kind} matches {glob!r}"
            for kind, glob in (("backend", body.backends), ("pool", body.pools))
            if glob is not None
        )
        raise ApiError(404, "unknown", f"no {wanted}")
    return await _change(call, subjects)


async def _change(call: Call, subjects: list[Subject]) -> StatesView:
    """Give all of `subjects` the state that is wanted, or say what that would do."""
    body: StateBody = call.body
    server, state = call.server, OperatorState(body.state)
    until = None if body.until is None else _until(body.until)
    if state is OperatorState.AUTO and until is not None:
        raise ApiError(400, "body", "until: auto has no end")
    standings = dict(server.monitor.standings())
    try:
        # compiling large pools takes long
        found = await asyncio.to_thread(what_if, server.config, standings, subjects, state)
    except PlanError as error:
        found = WhatIf((), (f"what it does cannot be told: {error}",))
    lessens = state in {OperatorState.DOWN, OperatorState.DRAIN}
    refused = listed(found.short) if lessens and found.short else None
    if refused and not body.dry_run and not body.force:
        raise ApiError(
            409, "min-up", f"{refused}: nothing changes; force it if that is what you want"
        )
    if not body.dry_run:
        for subject in subjects:
            if subject not in server.monitor.standings():
                continue  # a reload has taken it away meanwhile
            before = server.monitor.wish(subject)
            server.monitor.set_state(subject, state, body.reason, until)
            audit(call, f"{subject}: state {before.state.value} -> {state.value}: {body.reason!r}")
        server.keep()
    return {
        "changed": [str(subject) for subject in subjects],
        "effect": [
            {
                "service": one.service,
                "within": one.within,
                "backend": one.backend,
                "before": round(one.before, 6),
                "after": round(one.after, 6),
            }
            for one in found.effects
        ],
        "refused": refused,
    }


def _until(text: str) -> float:
    """A time in seconds since 1970, from ISO 8601 with its offset or from a duration."""
    now = time.time()
    try:
        at = now + duration(text)
    except PydanticCustomError:
        at = _moment(text)
    if at <= now:
        raise ApiError(400, "body", "until: is over already")
    if at > now + MAX_UNTIL:
        raise ApiError(
            400, "body", "until: is more than ten years away; without it there is no end"
        )
    return at


def _moment(text: str) -> float:
    try:
        at = datetime.fromisoformat(text.replace("Z", "+00:00"))
    except ValueError:
        at = None
    if at is None or at.tzinfo is None:
        raise ApiError(
            400, "body", "until: must be a duration such as 10m, or as 2026-01-31T12:00:00+00:00"
        )
    return at.timestamp()


_MIN_UP: Final = Error(409, "min-up", "too little would be left; `force` does it all the same")

ROUTES = (
    Route(
        "PUT",
        "backends/{pool}/{name}/state",
        put_backend_state,
        "What the operator wants of it",
        answer=BackendStateView,
        query=InZone,
        body=StateBody,
        errors=(*NO_BACKEND, _MIN_UP),
    ),
    Route(
        "PUT",
        "pools/{pool}/state",
        put_pool_state,
        "What the operator wants of it, as a member of others and under services",
        answer=PoolStateView,
        query=InZone,
        body=StateBody,
        errors=(*NO_POOL, _MIN_UP),
    ),
    Route(
        "PUT",
        "states",
        put_states,
        "What the operator wants of all that globs match, all of it or nothing",
        answer=StatesView,
        query=InZone,
        body=StatesBody,
        errors=(Error(404, "unknown", "nothing matches"), _MIN_UP),
    ),
)
