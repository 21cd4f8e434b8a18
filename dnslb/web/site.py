"""The site on `api.listen`: `GET /metrics` and `GET /healthz`."""

from __future__ import annotations

import hmac
from typing import TYPE_CHECKING

from aiohttp import web
from prometheus_client import CONTENT_TYPE_LATEST

from dnslb.config.model import Listen
from dnslb.errors import ListenError

if TYPE_CHECKING:
    from collections.abc import Callable

    from dnslb.config.model import Api

__all__ = ["Site"]


class Site:
    """What is served, to whom: with a token file, metrics are for those who send its token."""

    def __init__(self, api: Api, metrics: Callable[[], bytes]) -> None:
        self._api = api
        self._metrics = metrics
        self._token: bytes | None = None
        self._runner: web.AppRunner | None = None

    async def start(self) -> Listen:
        """Serve; returns the address that was taken.

        Raises:
            ListenError: the address cannot be had, or the token cannot be read.
        """
        if self._api.token_file is not None:
            self._token = _token(self._api)
        app = web.Application()
        app.router.add_get("/metrics", self._get_metrics)
        app.router.add_get("/healthz", _get_health)
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
        if self._token is not None:
            given = request.headers.get("Authorization", "").encode("utf-8", "surrogateescape")
            if not hmac.compare_digest(given, b"Bearer " + self._token):
                return web.Response(status=401, headers={"WWW-Authenticate": "Bearer"})
        return web.Response(body=self._metrics(), headers={"Content-Type": CONTENT_TYPE_LATEST})


async def _get_health(_: web.Request) -> web.Response:
    return web.Response(text="ok\n")


def _token(api: Api) -> bytes:
    try:
        token = api.token_file.read_bytes().strip() if api.token_file else b""
    except OSError as error:
        raise ListenError(f"{api.token_file}: {error.strerror or error}") from error
    if not token:
        raise ListenError(f"{api.token_file}: is empty; put the token of the API into it")
    return token
