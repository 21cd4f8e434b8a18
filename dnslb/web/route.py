"""A route of the API: what is asked, by whom, what is answered; declared once, in one place.

    route = Route("PUT", "backends/{pool}/{name}/load", put_load, "Tell how loaded it is",
                  answer=BackendView, body=LoadBody, query=InZone, errors=(NO_BACKEND,))

A module of `dnslb/web/routes/` has its handlers, the shapes of what they take (pydantic models) and
give (typed dictionaries), and a tuple `ROUTES`, which `dnslb/web/site.py` serves. The document that
clients read (`openapi.py`) is made from the same declarations. A handler is given a `Call`, whose
query and body are checked already, and returns what is to be sent as JSON.
"""

from __future__ import annotations

import asyncio
import json
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final, Literal, NamedTuple, TypeVar

from aiohttp import web
from pydantic import BaseModel, ConfigDict, ValidationError

from dnslb.config.model import Role
from dnslb.web.errors import ApiError

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping

    from dnslb.server import Server
    from dnslb.web.auth import Caller
    from dnslb.web.names import Names

__all__ = ["MAX_BODY", "PREFIX", "Call", "Error", "Parameters", "Route", "RouteBody", "as_json"]

PREFIX: Final = "/api/v1"

MAX_BODY: Final = 16 * 1024
"""Octets of a request's body: states and loads are short."""

BODY_TIME: Final = 10.0
"""Seconds in which a body has to arrive."""

M = TypeVar("M", bound=BaseModel)


class RouteBody(BaseModel):
    """What a request's body holds: exactly this, of exactly these types."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)


class Parameters(BaseModel):
    """What a request's query holds. Its values are text, so numbers are read from it."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class Error(NamedTuple):
    """One way in which a request is refused."""

    status: int
    code: str
    when: str  # for the document


class Call(NamedTuple):
    """One request to a route."""

    server: Server
    names: Names
    caller: Caller
    path: Mapping[str, str]
    query: Any  # of the route's `query`
    body: Any  # of the route's `body`
    request: web.Request


@dataclass(frozen=True, slots=True)
class Route:
    """What one method of one path does."""

    method: Literal["GET", "PUT", "POST"]
    path: str  # below the prefix; `{name}` stands for what a call's path has
    handler: Callable[[Call], Awaitable[Any]]
    summary: str
    answer: Any  # a TypedDict; or the media type of what is no JSON
    query: type[Parameters] = Parameters
    body: type[RouteBody] | None = None
    errors: tuple[Error, ...] = field(default=())

    @property
    def role(self) -> Role:
        """Who may: reading is for everybody who is let in."""
        return Role.READ if self.method == "GET" else Role.OPERATE

    async def serve(
        self, server: Server, names: Names, caller: Caller, request: web.Request
    ) -> web.StreamResponse:
        """Answer `request`.

        Raises:
            ApiError: it is refused.
        """
        caller.demand(self.role)
        if not server.started:
            raise ApiError(503, "starting", "the first round of checks has not ended")
        query = _checked(self.query, _parameters(request), "query")
        content = await _content(request)
        if self.body is None and content.strip():
            raise ApiError(400, "body", "this request has no body")
        body = None if self.body is None else _checked(self.body, _parsed(content), "body")
        answer = await self.handler(
            Call(server, names, caller, request.match_info, query, body, request)
        )
        if isinstance(answer, web.StreamResponse):
            return answer
        return web.json_response(answer, dumps=as_json)


def as_json(value: object) -> str:
    """The text that is sent for `value`."""
    return json.dumps(value, separators=(",", ":"), allow_nan=False)


def _parameters(request: web.Request) -> dict[str, str]:
    for name in request.query:
        if len(request.query.getall(name)) > 1:
            raise ApiError(400, "query", f"{name}: stands twice")
    return dict(request.query)


async def _content(request: web.Request) -> bytes:
    if not request.can_read_body:
        return b""
    kind = request.headers.get("Content-Type", "").partition(";")[0].strip().lower()
    if kind != "application/json":
        raise ApiError(415, "content-type", "send application/json")
    try:
        return await asyncio.wait_for(request.read(), BODY_TIME)
    except (asyncio.TimeoutError, TimeoutError) as error:
        raise ApiError(408, "slow", f"the body took more than {BODY_TIME:g}s") from error


def _parsed(content: bytes) -> object:
    try:
        return json.loads(content or b"{}")
    except (ValueError, RecursionError) as error:
        raise ApiError(400, "body", "the body is no JSON") from error


def _checked(kind: type[M], value: object, code: str) -> M:
    try:
        return kind.model_validate(value)
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        where = ".".join(map(str, first["loc"])) or code
        raise ApiError(400, code, f"{where}: {first['msg']}") from error
