"""Time limits by the thousand: one timer for all that are equally long.

    Limit(3.0) ─▶ Limit(3.0) ─▶ Limit(3.0)      in the order in which they run out
        ▲
        └─ the only timer; those that ended in time are dropped as others come

Nearly every limit of a probe ends in time, and a timer of the loop for each costs more than what it
guards.
"""

from __future__ import annotations

import asyncio
from collections import deque
from typing import TYPE_CHECKING, Final
from weakref import WeakKeyDictionary

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["Limit"]

EXACT: Final = 0.001
"""Seconds that a loop's timers may be early: some count milliseconds."""


class Limit:
    """Calls `act` once `seconds` have passed in the running loop, unless it `end`s before."""

    __slots__ = ("_act", "at", "over")

    def __init__(self, seconds: float, act: Callable[[], object]) -> None:
        loop = asyncio.get_running_loop()
        self._act: Callable[[], object] | None = act
        self.at = loop.time() + seconds
        self.over = False  # whether the time was up before it ended
        lines = _lines.get(loop)
        if lines is None:
            lines = _lines[loop] = {}
        line = lines.get(seconds)
        if line is None:
            line = lines[seconds] = _Line()
        line.add(loop, self)

    @property
    def ended(self) -> bool:
        """Whether nothing more comes of it."""
        return self._act is None

    def end(self) -> None:
        """Have nothing more come of it. Does nothing twice."""
        self._act = None

    def run_out(self) -> None:
        """Its time is up."""
        act, self._act = self._act, None
        if act is not None:
            self.over = True
            act()


class _Line:
    """Limits of one length, which thus run out in the order in which they came."""

    __slots__ = ("_limits", "_waits")

    def __init__(self) -> None:
        # no loop: it would be kept alive
        self._limits: deque[Limit] = deque()
        self._waits = False  # for the timer

    def add(self, loop: asyncio.AbstractEventLoop, limit: Limit) -> None:
        self._forget()
        self._limits.append(limit)
        if not self._waits:
            self._wait(loop, self._limits[0].at)

    def _wait(self, loop: asyncio.AbstractEventLoop, at: float) -> None:
        self._waits = True
        loop.call_at(at, self._look)

    def _look(self) -> None:
        loop = asyncio.get_running_loop()
        now = loop.time() + EXACT
        self._forget()
        try:
            while self._limits and self._limits[0].at <= now:
                self._limits.popleft().run_out()
                self._forget()
        finally:
            self._waits = False  # not before: what runs out may add others, which come last
            if self._limits:
                self._wait(loop, self._limits[0].at)

    def _forget(self) -> None:
        """Drop what has ended and is first in line."""
        limits = self._limits
        while limits and limits[0].ended:
            limits.popleft()


_lines: Final[WeakKeyDictionary[asyncio.AbstractEventLoop, dict[float, _Line]]] = (
    WeakKeyDictionary()
)
"""Each loop's lines, by the seconds of their limits: as many as there are timeouts configured."""
