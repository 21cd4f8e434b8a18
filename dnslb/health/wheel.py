"""Sleeping until much the same time as others: the loop wakes once for all of them.

    sleep(9.512) ─┐
    sleep(9.556) ─┼─▶ one timer at 9.520 ─▶ all three go on
    sleep(9.519) ─┘

A thousand probes a second that each have a timer of their own wake the process a thousand times,
and each wake finds the caches of its CPU cold: what a probe costs doubles. So sleepers go on up to
a tick late, and who sleeps long up to a fiftieth of its time early, if it finds others there. Only
a few go together, since those that begin at once wait for each other, and the latency of a backend
is a figure that plans are made with.
"""

from __future__ import annotations

import asyncio
from typing import Final

__all__ = ["Wheel"]

TICK: Final = 0.01
"""Seconds between two times at which sleepers go on: how much too long one may sleep."""

EARLY: Final = 0.02
"""The part of its time that a sleeper may go on too early."""

TOGETHER: Final = 8
"""Sleepers that meet by going on early: as many more would not make each of them cheaper."""


class Wheel:
    """Sleepers by the tick at which they go on."""

    def __init__(self, tick: float = TICK) -> None:
        self._tick = tick
        self._sleepers: dict[int, list[asyncio.Future[None]]] = {}

    async def sleep(self, seconds: float) -> None:
        """Sleep for `seconds`, up to a tick longer, or up to a fiftieth less."""
        loop = asyncio.get_running_loop()
        at = self._tick_for(loop.time(), seconds)
        sleeper: asyncio.Future[None] = loop.create_future()
        if at not in self._sleepers:
            self._sleepers[at] = []
            loop.call_at(at * self._tick, self._wake, at)
        self._sleepers[at].append(sleeper)
        await sleeper

    def _tick_for(self, now: float, seconds: float) -> int:
        """The tick at which who sleeps for `seconds` goes on."""
        latest = int((now + seconds) / self._tick) + 1
        early = int(seconds * EARLY / self._tick)
        if early < 2:
            return latest
        # where all meet whose time comes within the same so many ticks, which is a power of two
        span = 1 << (early.bit_length() - 1)
        for at in range(latest - latest % span, latest):
            if len(self._sleepers.get(at, ())) < TOGETHER:
                return at
        return latest

    def _wake(self, at: int) -> None:
        for sleeper in self._sleepers.pop(at):
            if not sleeper.done():  # else it was cancelled
                sleeper.set_result(None)
