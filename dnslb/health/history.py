"""What the results of one probe add up to: verdict, latency, load."""

from __future__ import annotations

from collections import deque
from statistics import median
from typing import TYPE_CHECKING, Final

from dnslb.health.checks.base import Outcome
from dnslb.health.state import UNKNOWN, State, step

if TYPE_CHECKING:
    from dnslb.health.checks.base import Check, Result

__all__ = ["History"]

LATENCIES: Final = 8
"""Passing probes whose median is the latency: enough that one slow answer moves nothing."""

LOAD_LASTS: Final = 3
"""Results in a row without a report, after which the last reported load no longer counts."""


class History:
    """One probe's past. It reads no clock: time is counted in results."""

    def __init__(self, check: Check) -> None:
        self.last: Result | None = None
        self.failure: Result | None = None  # the last that did not pass
        self.load: float | None = None
        self.noted = False  # whether a result had a note
        self._state: State = UNKNOWN
        self._check = check
        self._latencies: deque[float] = deque(maxlen=LATENCIES)
        self._unreported = 0

    @property
    def verdict(self) -> bool | None:
        """True up, False down, None before a result has decided."""
        return self._state.up

    @property
    def latency(self) -> float | None:
        """Milliseconds: the median of the last passing probes."""
        return median(self._latencies) if self._latencies else None

    def add(self, result: Result) -> None:
        """Take in one result. One of a probe that itself failed leaves the verdict alone."""
        self.last = result
        self.noted = self.noted or bool(result.note)
        if result.outcome is not Outcome.ERROR:
            rise, fall = self._check.rise, self._check.fall
            self._state = step(self._state, ok=result.ok, rise=rise, fall=fall)
        if result.ok:
            self._latencies.append(result.milliseconds)
        else:
            self.failure = result
        if result.load is not None:
            self.load = result.load
            self._unreported = 0
        else:
            self._unreported += 1
            if self._unreported >= LOAD_LASTS:
                self.load = None
