"""What clients may take of a server that answers DNS beside: so much a second, not slowly."""

from __future__ import annotations

import asyncio
import math
import time
from collections import Counter, OrderedDict
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

PER_CLIENT: Final = 128
"""Connections of one address at a time, so that one client alone cannot take them all."""

STALL_TIME: Final = 30.0
"""Seconds in which a client has to take something of an answer that waits for it."""

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
    """Ends connections whose client does not take its answer, and those beyond the bounds.

    The bounds are `CONNECTIONS`, and `PER_CLIENT` of one client. One on which no request comes is
    ended by the web server itself, when its `keepalive_timeout` is over.
    """

    def __init__(self, server: web.Server) -> None:
        self._server = server
        self._waiting: dict[object, tuple[int, float]] = {}  # octets to be taken, and since when

    async def run(self) -> None:
        """Look after connections, until cancelled."""
        while True:
            await asyncio.sleep(min(LOOK_EVERY, STALL_TIME / 4))
            self._look(time.monotonic())

    def _look(self, now: float) -> None:
        there = self._server.connections
        before, self._waiting = self._waiting, {}
        clients: Counter[object] = Counter()
        for at, connection in enumerate(there):
            transport = connection.transport
            if transport is None:
                continue
            client = (transport.get_extra_info("peername") or ("",))[0]
            clients[client] += 1
            stalls = False
            if size := transport.get_write_buffer_size():
                old, since = before.get(connection, (0, now))
                self._waiting[connection] = size, since if size == old else now
                stalls = now - self._waiting[connection][1] > STALL_TIME
            if stalls or at >= CONNECTIONS or clients[client] > PER_CLIENT:
                transport.abort()
