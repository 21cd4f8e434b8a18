"""Three small web servers that can be stopped and started."""

from __future__ import annotations

import socket
from typing import TYPE_CHECKING, Final

from aiohttp import web

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["DemoBackend", "make_backends"]

WEIGHTS: Final = {"alpha": 3, "beta": 2, "gamma": 1}


class DemoBackend:
    """A web server that says its name; stopped, it refuses connections as a dead one does."""

    def __init__(self, name: str, weight: int, host: str) -> None:
        self.name = name
        self.weight = weight
        self.host = host
        self.port = 0  # chosen at the first start, and kept
        self._runner: web.AppRunner | None = None

    @property
    def running(self) -> bool:
        """Whether it accepts connections."""
        return self._runner is not None

    async def start(self) -> None:
        """Listen, on the same port as before."""
        if self._runner:
            return
        app = web.Application()
        app.router.add_get("/{path:.*}", self._greet)
        runner = web.AppRunner(app, access_log=None)
        await runner.setup()
        listener = socket.create_server((self.host, self.port))
        self.port = listener.getsockname()[1]
        await web.SockSite(runner, listener).start()
        self._runner = runner

    async def stop(self) -> None:
        """Close every connection and the listener."""
        if self._runner:
            runner, self._runner = self._runner, None
            await runner.cleanup()

    async def _greet(self, request: web.Request) -> web.Response:  # noqa: ARG002 - aiohttp's signature
        return web.Response(text=f"this is {self.name}\n")


def make_backends() -> Sequence[DemoBackend]:
    """Three backends of different weights, each with an address of its own where there are any."""
    hosts = ("127.0.0.11", "127.0.0.12", "127.0.0.13")
    if not all(map(_usable, hosts)):
        hosts = ("127.0.0.1",) * 3  # macOS has one loopback address unless told otherwise
    return [
        DemoBackend(name, weight, host)
        for (name, weight), host in zip(WEIGHTS.items(), hosts, strict=True)
    ]


def _usable(host: str) -> bool:
    try:
        socket.create_server((host, 0)).close()
    except OSError:
        return False
    return True
