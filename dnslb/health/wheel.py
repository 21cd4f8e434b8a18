"""Sleeping until much the same time as others: the loop wakes once for all of them.

    sleep(0.512) ─┐
    sleep(0.516) ─┼─▶ one timer at 0.520 ─▶ all three go on
    sleep(0.519) ─┘

A thousand probes a second that each have a timer of their own wake the process a thousand times,
and each wake finds the caches of its CPU cold.
"""

from __future__ import annotations

import asyncio
from typing import Final

__all__ = ["Wheel"]

TICK: Final = 0.01
"""Seconds between two times at which sleepers go on: how much too long one may sleep."""


class Wheel:
    """Sleepers by the tick at which they go on."""

    def __init__(self, tick: float = TICK) -> None:
        self._tick = tick
        self._sleepers: dict[int, list[asyncio.Future[None]]] = {}

    async def sleep(self, seconds: float) -> None:
        """Sleep for `seconds`, or up to a tick longer."""
        loop = asyncio.get_running_loop()
        at = int((loop.time() + seconds) / self._tick) + 1
        sleeper: asyncio.Future[None] = loop.create_future()
        if at not in self._sleepers:
            self._sleepers[at] = []
            loop.call_at(at * self._tick, self._wake, at)
        self._sleepers[at].append(sleeper)
        await sleeper

    def _wake(self, at: int) -> None:
        for sleeper in self._sleepers.pop(at):
            if not sleeper.done():  # else it was cancelled
                sleeper.set_result(None)
