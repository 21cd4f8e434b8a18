"""The site on `api.listen`: the REST API, `GET /metrics` and `GET /healthz`."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Final

from aiohttp import web
from prometheus_client import CONTENT_TYPE_LATEST

from dnslb.config.model import Listen
from dnslb.errors import ListenError
from dnslb.web.api import PREFIX, Rest
from dnslb.web.auth import Door, read_token
from dnslb.web.errors import ApiError, errors_as_json
from dnslb.web.metrics import exposition

if TYPE_CHECKING:
    from aiohttp.typedefs import Handler, Middleware

    from dnslb.config.model import Api
    from dnslb.server import Server

__all__ = ["Site"]

MAX_BODY: Final = 16 * 1024
"""Octets of a request's body: states and loads are short."""


class Site:
    """What is served, to whom: with a token file, all but `/healthz` is for who sends its token."""

    def __init__(self, api: Api, server: Server) -> None:
        self._api = api
        self._server = server
        self._door = Door(None)
        self._runner: web.AppRunner | None = None

    async def start(self) -> Listen:
        """Serve; returns the address that was taken.

        Raises:
            ListenError: the address cannot be had, or the token cannot be read.
        """
        self._door = Door(read_token(self._api))
        app = web.Application(
            middlewares=[errors_as_json, _guard(self._door, self._server)], client_max_size=MAX_BODY
        )
        app.router.add_get("/metrics", self._get_metrics)
        app.router.add_get("/healthz", _get_health)
        Rest(self._server).add_to(app.router)
        self._runner = web.AppRunner(app, access_log=None)
        await self._runner.setup()
        listen = self._api.listen
        try:
            await web.TCPSite(self._runner, str(listen.address), listen.port).start()
        except OSError as error:
            await self.stop()
            reason = error.strerror or error
            raise ListenError(f"cannot listen on {listen} for api: {reason}") from error
        return Listen(listen.address, self._runner.addresses[0][1])

    async def stop(self) -> None:
        """End all connections. Does nothing twice."""
        if self._runner is not None:
            await self._runner.cleanup()
            self._runner = None

    async def _get_metrics(self, request: web.Request) -> web.Response:
        self._door.check_token(request)
        # ten thousand backends take a second, for which no probe should wait
        body = await asyncio.to_thread(exposition, self._server)
        return web.Response(body=body, headers={"Content-Type": CONTENT_TYPE_LATEST})


def _guard(door: Door, server: Server) -> Middleware:
    @web.middleware
    async def guarded(request: web.Request, handler: Handler) -> web.StreamResponse:
        if request.path.startswith(PREFIX):
            door.check(request)
            if not server.started:
                raise ApiError(503, "starting", "the first round of checks has not ended")
        return await handler(request)

    return guarded


async def _get_health(_: web.Request) -> web.Response:
    return web.Response(text="ok\n")
