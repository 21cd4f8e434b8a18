"""What is served over HTTP: the API, metrics, health; one place that lets requests in.

connection ─▶ patience ─▶ rate ─▶ who is it? ─▶ route: role, query, body ─▶ handler ─▶ JSON
"""

from __future__ import annotations

import asyncio
import logging
import ssl
from typing import TYPE_CHECKING, Any, Final

from aiohttp import web
from prometheus_client import CONTENT_TYPE_LATEST

from dnslb.config.model import Listen
from dnslb.errors import ListenError
from dnslb.web.auth import Door
from dnslb.web.bounds import Patience, Rate
from dnslb.web.errors import errors_as_json
from dnslb.web.metrics import exposition
from dnslb.web.names import Names
from dnslb.web.openapi import document
from dnslb.web.pages import add_pages
from dnslb.web.route import MAX_BODY, PREFIX, Parameters, Route
from dnslb.web.routes import (
    backends,
    events,
    explain,
    pools,
    reload,
    services,
    states,
    status,
    top,
    zones,
)

if TYPE_CHECKING:
    import socket
    from collections.abc import Awaitable, Callable

    from aiohttp.typedefs import Handler, Middleware

    from dnslb.config.model import Api, ApiTls
    from dnslb.server import Server
    from dnslb.web.route import Call

__all__ = ["ROUTES", "Site"]

log = logging.getLogger("dnslb.api")

RATE: Final = 500.0
"""Requests a second of one client, twice as many at once: a report of each of 5,000 backends every
ten seconds. Beyond, probes would have to wait for those who ask."""

KEEP_ALIVE: Final = 15.0
"""Seconds in which a request's head has to arrive, the first as well as further ones."""

PARTING: Final = 1.0
"""Seconds that requests get to end when the server stops; streams never end by themselves."""

HEADERS: Final = {
    "Server": "dnslb",
    "Cache-Control": "no-store",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'",
}
"""Of every answer: what is told here is for nobody else's page, and for no cache."""


async def _get_document(call: Call) -> dict[str, Any]:
    tokens = call.server.config.api is not None and bool(call.server.config.api.tokens)
    return document(ROUTES, tokens=tokens)


async def _get_metrics(call: Call) -> web.Response:
    # ten thousand backends take a second, for which no probe should wait
    body = await asyncio.to_thread(exposition, call.server)
    return web.Response(body=body, headers={"Content-Type": CONTENT_TYPE_LATEST})


ROUTES: Final = (
    *status.ROUTES,
    *zones.ROUTES,
    *services.ROUTES,
    *pools.ROUTES,
    *backends.ROUTES,
    *explain.ROUTES,
    *reload.ROUTES,
    *states.ROUTES,
    *events.ROUTES,
    *top.ROUTES,
    Route("GET", "openapi.json", _get_document, "This document", answer=dict[str, Any]),
)
"""The API."""

_METRICS: Final = Route(
    "GET", "metrics", _get_metrics, "For Prometheus", answer=CONTENT_TYPE_LATEST, query=Parameters
)


class Site:
    """What is served, to whom: with tokens, all but `/healthz` is for who sends one."""

    def __init__(self, api: Api, server: Server) -> None:
        self._api = api
        self._server = server
        self._names = Names(server.config)
        self._door = Door(api)
        self._rate = Rate(RATE, burst=2 * RATE)
        self._tls: ssl.SSLContext | None = None
        self._runner: web.AppRunner | None = None
        self._looking: asyncio.Task[None] | None = None

    async def prepare(self) -> None:
        """Make ready what `start` serves.

        Raises:
            ListenError: the certificate cannot be used.
        """
        if self._api.tls is not None:
            self._tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            self._tls.minimum_version = ssl.TLSVersion.TLSv1_2
            try:
                _load(self._tls, self._api.tls)
            except OSError as error:
                raise ListenError(_tls_problem(self._api.tls, error)) from error
        app = web.Application(middlewares=[errors_as_json, self._bounded], client_max_size=MAX_BODY)
        app[events.STREAMING] = set()
        for route in ROUTES:
            app.router.add_route(route.method, f"{PREFIX}/{route.path}", self._served(route))
        app.router.add_get("/metrics", self._served(_METRICS))
        app.router.add_get("/healthz", _get_health)
        add_pages(app.router)
        app.on_response_prepare.append(_harden)
        self._runner = web.AppRunner(
            app,
            access_log=None,
            logger=_unheard(),
            keepalive_timeout=KEEP_ALIVE,
            shutdown_timeout=PARTING,
        )
        await self._runner.setup()

    async def start(self, sock: socket.socket) -> Listen:
        """Serve on `sock`, which listens; returns its address."""
        if self._runner is None:
            raise RuntimeError("it is not prepared")
        # a copy, since the site closes its own: who takes over goes on with it
        await web.SockSite(self._runner, sock.dup(), ssl_context=self._tls).start()
        if self._runner.server is not None:
            patience = Patience(self._runner.server)
            self._looking = asyncio.create_task(patience.run(), name="api")
        return Listen(self._api.listen.address, sock.getsockname()[1])

    def renew(self, api: Api | None) -> None:
        """Go on with the tokens, hosts and certificate of a new configuration."""
        if api is None:
            return
        self._door.api = api
        if self._tls is not None and api.tls is not None:
            try:
                _load(self._tls, api.tls)
            except OSError as error:
                log.error("%s; the old one stays", _tls_problem(api.tls, error))

    async def stop(self) -> None:
        """End all connections. Does nothing twice."""
        if self._looking is not None:
            self._looking.cancel()
            self._looking = None
        if self._runner is not None:
            await self._runner.cleanup()
            self._runner = None

    @property
    def _bounded(self) -> Middleware:
        @web.middleware
        async def bounded(request: web.Request, handler: Handler) -> web.StreamResponse:
            self._rate.spend(request.remote or "")
            return await handler(request)

        return bounded

    def _served(self, route: Route) -> Callable[[web.Request], Awaitable[web.StreamResponse]]:
        async def serve(request: web.Request) -> web.StreamResponse:
            caller = self._door.admit(request)
            if self._names.config is not self._server.config:
                self._names = Names(self._server.config)
            return await route.serve(self._server, self._names, caller, request)

        return serve


def _unheard() -> logging.Logger:
    """Where the library tells of requests that are none: strangers could fill the log with them.

    Our own faults are told by `errors_as_json`.
    """
    logger = log.getChild("http")
    logger.setLevel(logging.CRITICAL)
    return logger


async def _get_health(_: web.Request) -> web.Response:
    return web.Response(text="ok\n")


async def _harden(_: web.Request, response: web.StreamResponse) -> None:
    for name, value in HEADERS.items():
        if name == "Server":  # the library has put its own there
            response.headers[name] = value
        else:
            response.headers.setdefault(name, value)


def _load(context: ssl.SSLContext, tls: ApiTls) -> None:
    context.load_cert_chain(tls.certificate, tls.key)


def _tls_problem(tls: ApiTls, error: OSError) -> str:
    files = f"{tls.certificate}" + (f" with the key {tls.key}" if tls.key else "")
    return f"api.tls: {files} cannot be used: {error.strerror or error}"
