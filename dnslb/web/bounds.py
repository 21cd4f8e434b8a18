"""What clients may take of a server that answers DNS beside: so much a second, not slowly."""

from __future__ import annotations

import asyncio
import math
import time
from collections import OrderedDict
from typing import TYPE_CHECKING, Final

from dnslb.web.errors import ApiError

if TYPE_CHECKING:
    from collections.abc import Callable

    from aiohttp import web

__all__ = ["CONNECTIONS", "Patience", "Rate"]

CLIENTS: Final = 10_000
"""Clients whose rates are remembered, those that asked last."""

CONNECTIONS: Final = 512
"""Connections at a time."""

HEAD_TIME: Final = 10.0
"""Seconds in which a new connection's first request has to arrive, but for its body."""

LOOK_EVERY: Final = 1.0


class Rate:
    """So many times a second for each client, and `burst` at once."""

    def __init__(
        self, rate: float, burst: float, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._rate = rate
        self._burst = burst
        self._clock = clock
        self._left: OrderedDict[str, tuple[float, float]] = OrderedDict()  # what, and when

    def spend(self, client: str) -> None:
        """Count one.

        Raises:
            ApiError: there were too many.
        """
        now = self._clock()
        left, at = self._left.pop(client, (self._burst, now))
        left = min(self._burst, left + (now - at) * self._rate)
        self._left[client] = (max(0.0, left - 1), now)
        if len(self._left) > CLIENTS:
            self._left.popitem(last=False)
        if left < 1:
            wait = math.ceil((1 - left) / self._rate)
            after = {"Retry-After": str(wait)}
            raise ApiError(429, "rate", f"too many requests; wait {wait}s", after)


class Patience:
    """Ends connections on which no request comes, and those beyond `CONNECTIONS`.

    `served` is to be told of each connection that has brought a request. Between two requests of
    one connection the web server's own limit holds.
    """

    def __init__(self, server: web.Server) -> None:
        self._server = server
        self._since: dict[object, float] = {}  # when each connection was first seen
        self._served: set[object] = set()

    def served(self, request: web.Request) -> None:
        """Note that a request has come."""
        self._served.add(request.protocol)

    async def run(self) -> None:
        """Look after connections, until cancelled."""
        while True:
            await asyncio.sleep(min(LOOK_EVERY, HEAD_TIME / 4))
            now = time.monotonic()
            there = self._server.connections
            self._since = {one: self._since.get(one, now) for one in there}
            self._served.intersection_update(there)
            for at, connection in enumerate(there):
                late = connection not in self._served
                late = late and now - self._since[connection] > HEAD_TIME
                if (late or at >= CONNECTIONS) and connection.transport is not None:
                    connection.transport.abort()
