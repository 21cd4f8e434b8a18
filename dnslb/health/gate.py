"""How many probes begin: as many at once as there is room for, and a few in each turn of the loop.

    probe ─▶ room, and this turn has starts left? ── yes ─▶ begins
                              │ no
                              ▼
                  waits in line ─▶ the next turn, or a probe that ends

Without the bound on a turn, ten thousand probes that begin together would all connect before the
first answer is read: it would have waited for seconds, and its time would be up.
"""

from __future__ import annotations

import asyncio
from collections import deque
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from types import TracebackType

__all__ = ["Gate"]

STARTS: Final = 20
"""Probes that may begin in one turn of the event loop: a few milliseconds of work, after which
answers that have come are read."""


class Gate:
    """An asynchronous context that a probe runs in; who came first begins first."""

    def __init__(self, room: int, starts: int = STARTS) -> None:
        self._room = room
        self._starts = starts
        self._left = starts  # of this turn
        self._turning = False
        self._line: deque[asyncio.Future[None]] = deque()

    async def __aenter__(self) -> None:
        if not self._line and self._room > 0 and self._left > 0:
            self._enter()
            return
        waiter: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._line.append(waiter)
        try:
            await waiter
        except asyncio.CancelledError:
            if waiter.done() and not waiter.cancelled():  # it was let in at the same moment
                self._leave()
            raise

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        at: TracebackType | None,
    ) -> None:
        self._leave()

    def _enter(self) -> None:
        self._room -= 1
        self._left -= 1
        if not self._turning:
            self._turning = True
            asyncio.get_running_loop().call_soon(self._turn)

    def _leave(self) -> None:
        self._room += 1
        self._admit()

    def _turn(self) -> None:
        self._turning = False
        self._left = self._starts
        self._admit()

    def _admit(self) -> None:
        while self._line and self._room > 0 and self._left > 0:
            waiter = self._line.popleft()
            if not waiter.done():  # else it was cancelled
                self._enter()
                waiter.set_result(None)
