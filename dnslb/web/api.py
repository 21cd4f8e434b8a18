"""The REST API under `/api/v1`: reading what is known, and telling what the server cannot know.

    GET  status                              isolated, frozen pools, generation
    GET  backends[/{pool}/{name}]            verdicts, reasons, loads, probes
    PUT  backends/{pool}/{name}/state        what the operator wants of it
    PUT  backends/{pool}/{name}/load         how loaded it is
    PUT  backends/{pool}/{name}/heartbeat    it is alive, or not, by its own word
    POST pools/{pool}/thaw                   let a frozen pool's failures count
    GET  explain?name=&type=&client=         why a name gets its answers now

Names of one pool in several zones are told apart by `?zone=`.
"""

from __future__ import annotations

import asyncio
import json
import logging
import time
from datetime import datetime
from ipaddress import ip_interface
from typing import TYPE_CHECKING, Annotated, Final, Literal, TypeVar

from aiohttp import web
from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError
from pydantic_core import PydanticCustomError

from dnslb.config.model import BackendId
from dnslb.config.suggest import unknown
from dnslb.config.values import duration
from dnslb.health.checks.base import Outcome, Result
from dnslb.health.load import MAX_LOAD
from dnslb.health.standing import OperatorState
from dnslb.policy.explain import explain
from dnslb.web.errors import ApiError
from dnslb.web.show import backends_as_json, show_backend, show_explanation
from dnslb.zone.names import from_text
from dnslb.zone.types import type_number

if TYPE_CHECKING:
    from dnslb.config.model import Address, Backend, Config
    from dnslb.server import Server

__all__ = ["PREFIX", "Rest"]

PREFIX: Final = "/api/v1"

log = logging.getLogger("dnslb.api")

MAX_UNTIL: Final = 3650 * 86_400.0
"""Seconds from now that an operator's state may end in; what is to stay longer has no end."""

B = TypeVar("B", bound="_Body")


def _printable(text: str) -> str:
    if not text.isprintable():
        raise PydanticCustomError("text", "must be one line of printable text")
    return text


Load = Annotated[float, Field(ge=0, le=MAX_LOAD, allow_inf_nan=False)]
Words = Annotated[str, Field(max_length=200), AfterValidator(_printable)]  # they come into logs


class _Body(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)


class StateBody(_Body):
    """What the operator wants of a backend."""

    state: Literal["auto", "up", "down", "drain"]
    reason: Words = ""
    until: str | None = None


class LoadBody(_Body):
    """How loaded a backend is."""

    load: Load
    max_age: Annotated[float, Field(gt=0, le=86_400)] = 60.0


class HeartbeatBody(_Body):
    """What a backend says of itself."""

    status: Literal["up", "down"] = "up"
    reason: Words = ""
    load: Load | None = None


class Rest:
    """The handlers of the API."""

    def __init__(self, server: Server) -> None:
        self._server = server
        self._names = _Names(server.config)

    def add_to(self, router: web.UrlDispatcher) -> None:
        """Add the routes."""
        one = f"{PREFIX}/backends/{{pool}}/{{name}}"
        router.add_get(f"{PREFIX}/status", self._get_status)
        router.add_get(f"{PREFIX}/backends", self._get_backends)
        router.add_get(one, self._get_backend)
        router.add_put(f"{one}/state", self._put_state)
        router.add_put(f"{one}/load", self._put_load)
        router.add_put(f"{one}/heartbeat", self._put_heartbeat)
        router.add_post(f"{PREFIX}/pools/{{pool}}/thaw", self._post_thaw)
        router.add_get(f"{PREFIX}/explain", self._get_explain)

    async def _get_status(self, _: web.Request) -> web.Response:
        server = self._server
        standings = server.monitor.standings().values()
        return web.json_response(
            {
                "generation": server.stats()["generation"],
                "zones": len(server.config.zones),
                "backends": len(standings),
                "down": sum(1 for one in standings if one.down),
                "isolated": server.monitor.isolated,
                "frozen": [
                    {"zone": zone, "pool": pool, "held": sorted(str(name) for name in held)}
                    for (zone, pool), held in server.monitor.frozen().items()
                ],
                "results": dict(server.monitor.results()),
            }
        )

    async def _get_backends(self, request: web.Request) -> web.Response:
        zone = request.query.get("zone")
        shown = [
            backend
            for backend in self._server.config.backends()
            if zone is None or backend.id.zone == _absolute(zone)
        ]
        # ten thousand take seconds, for which no probe should wait
        text = await asyncio.to_thread(backends_as_json, self._server.monitor, shown)
        return web.json_response(text=text)

    async def _get_backend(self, request: web.Request) -> web.Response:
        backend = self._backend(request)
        return web.json_response(show_backend(self._server.monitor, backend))

    async def _put_state(self, request: web.Request) -> web.Response:
        backend = self._backend(request)
        body = await _body(request, StateBody)
        until = None if body.until is None else _until(body.until)
        state = OperatorState(body.state)
        if state is OperatorState.AUTO and until is not None:
            raise ApiError(400, "body", "until: auto has no end")
        before = self._server.monitor.wish(backend.id)
        self._server.monitor.set_state(backend.id, state, body.reason, until)
        self._server.keep()
        _audit(request, f"state {before.state.value} -> {state.value}: {body.reason!r}")
        return web.json_response(show_backend(self._server.monitor, backend))

    async def _put_load(self, request: web.Request) -> web.Response:
        backend = self._backend(request)
        body = await _body(request, LoadBody)
        self._server.monitor.push_load(backend.id, body.load, body.max_age)
        _audit(request, f"load {body.load:g} for {body.max_age:g}s", logging.DEBUG)
        return web.json_response(show_backend(self._server.monitor, backend))

    async def _put_heartbeat(self, request: web.Request) -> web.Response:
        backend = self._backend(request)
        body = await _body(request, HeartbeatBody)
        outcome = Outcome.OK if body.status == "up" else Outcome.STATUS
        detail = "" if body.status == "up" else f"it says down: {body.reason}".rstrip(": ")
        try:
            self._server.monitor.heartbeat(backend.id, Result(outcome, detail, load=body.load))
        except ValueError as error:
            raise ApiError(409, "no-push-check", f"{error}; give it one, or send load") from error
        _audit(request, f"heartbeat {body.status}: {body.reason!r}", logging.DEBUG)
        return web.json_response(show_backend(self._server.monitor, backend))

    async def _post_thaw(self, request: web.Request) -> web.Response:
        name = request.match_info["pool"]
        wanted = request.query.get("zone")
        found = [
            pool
            for pool in self._server.config.pools()
            if pool.name == name and (wanted is None or pool.zone == _absolute(wanted))
        ]
        if not found:
            known = sorted({pool.name for pool in self._server.config.pools()})
            raise ApiError(404, "unknown-pool", unknown("pool", name, known))
        if len(found) > 1:
            raise _ambiguous(f"pool {name}", [pool.zone for pool in found])
        try:
            held = self._server.monitor.thaw(found[0].zone, name)
        except KeyError as error:
            raise ApiError(409, "no-max-down", f"pool {name} has no max_down") from error
        _audit(request, f"thaw: {len(held)} backends go down")
        return web.json_response({"down": sorted(str(backend) for backend in held)})

    async def _get_explain(self, request: web.Request) -> web.Response:
        query = request.query
        if "name" not in query:
            raise ApiError(400, "name", "say which name: ?name=www.example.com")
        try:
            name = from_text(query["name"].rstrip(".") + ".")
        except ValueError as error:
            raise ApiError(400, "name", f"{query['name']!r} is no domain name: {error}") from error
        rtype = type_number(query.get("type", "A"))
        if rtype is None:
            raise ApiError(400, "type", f"{query['type']!r} is no record type")
        server = self._server
        client = _client(query.get("client"))
        standings = dict(server.monitor.standings())
        # compiling a large pool takes long
        explanation = await asyncio.to_thread(
            explain, server.config, name, rtype, standings, client
        )
        return web.json_response(show_explanation(explanation))

    def _backend(self, request: web.Request) -> Backend:
        """The backend that a request is about."""
        pool, name = request.match_info["pool"], request.match_info["name"]
        wanted = request.query.get("zone")
        if self._names.config is not self._server.config:
            self._names = _Names(self._server.config)
        found = [
            backend
            for backend in self._names.backends.get((pool, name), ())
            if wanted is None or backend.id.zone == _absolute(wanted)
        ]
        if not found:
            known = sorted({"/".join(key) for key in self._names.backends})
            raise ApiError(404, "unknown-backend", unknown("backend", f"{pool}/{name}", known))
        if len(found) > 1:
            raise _ambiguous(str(BackendId("", pool, name)), [one.id.zone for one in found])
        return found[0]


class _Names:
    """The backends of a configuration by pool and name: reports come by the thousand."""

    def __init__(self, config: Config) -> None:
        self.config = config
        self.backends: dict[tuple[str, str], list[Backend]] = {}
        for backend in config.backends():
            self.backends.setdefault((backend.id.pool, backend.id.name), []).append(backend)


def _ambiguous(what: str, zones: list[str]) -> ApiError:
    return ApiError(
        409, "ambiguous", f"{what} stands in the zones {', '.join(zones)}; say which with ?zone="
    )


def _absolute(zone: str) -> str:
    return zone.lower().rstrip(".") + "."


async def _body(request: web.Request, kind: type[B]) -> B:
    try:
        return kind.model_validate(json.loads(await request.read() or b"{}"))
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        where = ".".join(map(str, first["loc"])) or "body"
        raise ApiError(400, "body", f"{where}: {first['msg']}") from error
    except (ValueError, RecursionError) as error:
        raise ApiError(400, "body", "the body is no JSON") from error


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


def _client(text: str | None) -> Address | None:
    if text is None:
        return None
    try:
        return ip_interface(text).network.network_address
    except ValueError as error:
        raise ApiError(400, "client", f"{text!r} is no address and no network") from error


def _audit(request: web.Request, what: str, level: int = logging.INFO) -> None:
    """Log a write. What backends report comes by the thousand, and is for level debug."""
    log.log(level, "%s %s by %s: %s", request.method, request.path_qs, request.remote, what)
