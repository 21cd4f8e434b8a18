"""Backends: what is known of them, and telling what the server cannot know."""

from __future__ import annotations

import asyncio
import logging
from contextlib import suppress
from itertools import islice
from typing import TYPE_CHECKING, Annotated, Final, Literal

from aiohttp import web
from pydantic import AfterValidator, Field
from pydantic_core import PydanticCustomError
from typing_extensions import NotRequired, TypedDict

from dnslb.health.checks.base import Outcome, Result
from dnslb.health.load import MAX_LOAD
from dnslb.web.audit import audit
from dnslb.web.errors import ApiError
from dnslb.web.names import NO_BACKEND, InZone, absolute
from dnslb.web.route import Error, Route, RouteBody, as_json
from dnslb.web.show import BackendView, show_backend

if TYPE_CHECKING:
    from collections.abc import Iterator

    from dnslb.config.model import Backend
    from dnslb.web.route import Call

__all__ = ["ROUTES", "Words"]

MAX_PAGE: Final = 10_000
"""Backends of one page."""


def _printable(text: str) -> str:
    if not text.isprintable():
        raise PydanticCustomError("text", "must be one line of printable text")
    return text


Load = Annotated[float, Field(ge=0, le=MAX_LOAD, allow_inf_nan=False)]
Words = Annotated[str, Field(max_length=200), AfterValidator(_printable)]  # they come into logs


class Which(InZone):
    """Which backends, and how many of them at a time."""

    pool: Annotated[str | None, Field(description="Those of one pool.")] = None
    down: Annotated[bool | None, Field(description="Those that are down, or that are up.")] = None
    limit: Annotated[
        int | None, Field(ge=1, le=MAX_PAGE, description="At most so many; default all.")
    ] = None
    after: Annotated[
        str | None, Field(description="Those behind the one that `next` of the last page named.")
    ] = None


class LoadBody(RouteBody):
    """How loaded a backend is."""

    load: Annotated[Load, Field(description="0 idle, 1 full.")]
    max_age: Annotated[float, Field(gt=0, le=86_400, description="Seconds that it counts.")] = 60.0


class HeartbeatBody(RouteBody):
    """What a backend says of itself."""

    status: Literal["up", "down"] = "up"
    reason: Words = ""
    load: Load | None = None


class BackendsView(TypedDict):
    """Backends."""

    backends: list[BackendView]
    next: NotRequired[str]  # what `after` is for the next page, if there is one


async def get_backends(call: Call) -> web.Response:
    """All backends, or some."""
    # ten thousand take seconds, for which no probe should wait
    body = await asyncio.to_thread(lambda: _encoded(_page(call)))
    return web.Response(body=body, content_type="application/json", charset="utf-8")


def _encoded(page: BackendsView) -> bytes:
    """The JSON of `page`, backend by backend: to encode all at once keeps other threads waiting."""
    shown = ",".join(as_json(one) for one in page["backends"])
    more = f',"next":{as_json(page["next"])}' if "next" in page else ""
    return f'{{"backends":[{shown}]{more}}}'.encode()


def _page(call: Call) -> BackendsView:
    which: Which = call.query
    found = _matching(call, which)
    if which.after is not None:
        for backend in found:
            if _key(backend) == which.after:
                break
        else:
            raise ApiError(400, "after", f"no such backend among these: {which.after}")
    shown: list[BackendView] = []
    for backend in islice(found, which.limit):
        with suppress(KeyError):  # a reload has taken it away meanwhile
            shown.append(_shown(call, backend))
            last = backend
    if which.limit is None or next(found, None) is None or not shown:
        return {"backends": shown}
    return {"backends": shown, "next": _key(last)}


def _matching(call: Call, which: Which) -> Iterator[Backend]:
    zone = None if which.zone is None else absolute(which.zone)
    for backend in call.names.backends:
        if zone is not None and backend.id.zone != zone:
            continue
        if which.pool is not None and backend.id.pool != which.pool:
            continue
        if which.down is None or which.down == bool(call.server.monitor.standing(backend.id).down):
            yield backend


def _key(backend: Backend) -> str:
    return f"{backend.id.zone}/{backend.id}"


async def get_backend(call: Call) -> BackendView:
    """One backend."""
    return _shown(call, _meant(call))


async def put_load(call: Call) -> BackendView:
    """How loaded it is."""
    body: LoadBody = call.body
    backend = _meant(call)
    call.server.monitor.push_load(backend.id, body.load, body.max_age)
    audit(call, f"load {body.load:g} for {body.max_age:g}s", logging.DEBUG)
    return _shown(call, backend)


async def put_heartbeat(call: Call) -> BackendView:
    """It is alive, or not, by its own word."""
    body: HeartbeatBody = call.body
    backend = _meant(call)
    outcome = Outcome.OK if body.status == "up" else Outcome.STATUS
    detail = "" if body.status == "up" else f"it says down: {body.reason}".rstrip(": ")
    try:
        call.server.monitor.heartbeat(backend.id, Result(outcome, detail, load=body.load))
    except ValueError as error:
        raise ApiError(409, "no-push-check", f"{error}; give it one, or send load") from error
    audit(call, f"heartbeat {body.status}: {body.reason!r}", logging.DEBUG)
    return _shown(call, backend)


def _meant(call: Call) -> Backend:
    return call.names.backend(call.path["pool"], call.path["name"], call.query.zone)


def _shown(call: Call, backend: Backend) -> BackendView:
    return show_backend(call.server.monitor, call.server.traffic, backend)


ONE: Final = "backends/{pool}/{name}"

ROUTES = (
    Route(
        "GET",
        "backends",
        get_backends,
        "All backends, or those of a zone or pool, page by page if wanted",
        answer=BackendsView,
        query=Which,
        errors=(Error(400, "after", "there is no such backend among those wanted"),),
    ),
    Route(
        "GET", ONE, get_backend, "One backend", answer=BackendView, query=InZone, errors=NO_BACKEND
    ),
    Route(
        "PUT",
        f"{ONE}/load",
        put_load,
        "How loaded it is",
        answer=BackendView,
        query=InZone,
        body=LoadBody,
        errors=NO_BACKEND,
    ),
    Route(
        "PUT",
        f"{ONE}/heartbeat",
        put_heartbeat,
        "It is alive, or not, by its own word",
        answer=BackendView,
        query=InZone,
        body=HeartbeatBody,
        errors=(*NO_BACKEND, Error(409, "no-push-check", "it has no check of type push")),
    ),
)
