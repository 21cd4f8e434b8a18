"""What the results of one probe add up to: verdict, latency, load, what its agent wants."""

from __future__ import annotations

from collections import deque
from dataclasses import replace
from typing import TYPE_CHECKING, Final

from dnslb.health.checks.base import AgentMode, Outcome
from dnslb.health.checks.push import PushCheck
from dnslb.health.damping import Damped, damped
from dnslb.health.standing import latency_moved
from dnslb.health.state import UNKNOWN, State, delay, step

if TYPE_CHECKING:
    from collections.abc import Iterable

    from dnslb.health.checks.base import Check, Result

__all__ = ["History"]

LATENCIES: Final = 8
"""Passing probes whose median is the latency: enough that one slow answer moves nothing."""

COARSE: Final = 10.0
"""How many times as far as noise a latency has to move that no plan looks at: people do."""

LOAD_LASTS: Final = 3
"""Intervals that a load counts, unless the check says how long."""


class History:
    """One probe's past. It reads no clock: every result comes with its time, in seconds."""

    __slots__ = (
        "_latencies", "_told", "_told_latency", "check", "count", "damped", "expires", "failure",
        "last", "last_at", "latency", "load_at", "measured", "mode", "noted", "seconds", "state",
        "ttl", "weight",
    )  # fmt: skip

    def __init__(self, check: Check) -> None:
        self.check = check
        self.state: State = UNKNOWN
        self.last: Result | None = None
        self.last_at = 0.0
        self.count = 0  # results so far
        self.seconds = 0.0  # that they took in all
        self.latency: float | None = None  # milliseconds: the median of the last passing probes
        self.expires: float | None = None  # when the certificate ends, seconds since 1970
        self.failure: Result | None = None  # the last that did not pass
        self.damped: Damped | None = None  # its load, however long ago it was reported
        self.load_at = 0.0
        self.weight: float | None = None  # as its agent last said
        self.mode = AgentMode.READY
        self.ttl = 0.0  # seconds that resolvers keep what is answered by it
        self.noted = False  # whether a result had a note
        self.measured = True  # whether plans look at its latency
        self._told: tuple[bool | None, float | None, AgentMode] | None = None
        self._told_latency: float | None = None
        self._latencies: deque[float] = deque(maxlen=LATENCIES)

    @property
    def verdict(self) -> bool | None:
        """True up, False down, None before a result has decided."""
        return self.state.up

    @property
    def load(self) -> float | None:
        """The load that counts while it is not too old."""
        return self.damped.load if self.damped else None

    @property
    def load_until(self) -> float:
        """When the load that was last reported no longer counts."""
        source = self.check.load
        age = source.max_age if source else None
        if isinstance(self.check, PushCheck):
            age = self.check.deadline  # the next one comes with the next heartbeat
        return self.load_at + (LOAD_LASTS * self.check.interval if age is None else age)

    @property
    def held_until(self) -> float:
        """When it may be up again at the earliest, if it is down."""
        return self.state.since + delay(self.state.falls, self.check.holding)

    def add(self, result: Result, at: float) -> None:
        """Take in one result. One of a probe that itself failed leaves the verdict alone."""
        self.see(result, at)
        if result.outcome is not Outcome.ERROR:
            check = self.check
            self.state = step(
                self.state, ok=result.ok, at=at,
                rise=check.rise, fall=check.fall, hold=check.holding,
            )  # fmt: skip
        if result.ok:
            self._latencies.append(result.milliseconds)
            self.latency = _median(self._latencies)
        if result.load is not None:
            self.damped = damped(
                self.damped if self.load_until > at else None, result.load,
                seconds=at - self.load_at, ttl=self.ttl, interval=self.check.interval,
            )  # fmt: skip
            self.load_at = at
        if result.weight is not None:
            self.weight = result.weight
        if result.mode is not None:
            self.mode = result.mode

    def has_news(self) -> bool:
        """Whether its backends have to be judged anew, for what it found since the last time.

        Most results say once more that all is well: a latency that moves within noise is no news.
        """
        told = (self.verdict, self.weight, self.mode)
        latency = self.latency
        if (
            self.verdict
            and self.load is None
            and told == self._told
            and not latency_moved(self._told_latency, latency, 1.0 if self.measured else COARSE)
        ):
            return False
        self._told, self._told_latency = told, latency
        return True

    def see(self, result: Result, at: float) -> None:
        """Note a result that counts for nothing, as while this server is cut off."""
        self.last, self.last_at = result, at
        self.count += 1
        self.seconds += result.milliseconds / 1000
        if result.expires is not None:
            self.expires = result.expires
        self.noted = self.noted or bool(result.note)
        if not result.ok:
            self.failure = result

    def forgive(self, *, up: bool) -> None:
        """Go back to a verdict, as if nothing had spoken against it."""
        if self.state.up is not None:
            self.state = replace(self.state, up=up, against=0)

    def recall(self, state: State, latency: float | None) -> None:
        """Go on from what was known before a restart."""
        self.state = state
        if latency is not None:
            # for as many passes as it stood for: one slow answer moves nothing now, either
            self._latencies.extend([latency] * LATENCIES)
            self.latency = latency


def _median(values: Iterable[float]) -> float:
    """The median: that of `statistics`, at a fraction of its cost."""
    ordered = sorted(values)
    middle, odd = divmod(len(ordered), 2)
    return ordered[middle] if odd else (ordered[middle - 1] + ordered[middle]) / 2
