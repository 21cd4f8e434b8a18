"""The damped law: from the loads that are reported to the load that plans are made with.

Reports come an interval apart, and a plan shows in them only afterwards. Who follows each report at
once corrects the same error again until the first correction shows, and the backends take turns
in being full. How strongly shares answer a change of load grows with the load: with shares in
proportion to the room that is left, 1 - load, the gain of the loop is load / (1 - load).

Resolvers that keep answers for the TTL hear of a plan one by one, so traffic is the mean of the
plans of the last TTL. Such a mean and a dead time make a loop that is steady up to a gain of

    x / sin x,   x = π x TTL / (TTL + 2 x dead time),   dead time = 1.5 x interval

which is 1 without caches, and with reports every 10 s 2.4 for 60 s and 10 for 300 s. Less a margin
it is used: so much of a change counts at once that shares answer with no more than this gain. The
rest counts slowly, with a lag of gain x (TTL / 2 + 2 x dead time):

    nothing was known             ─▶ the report counts at once
    the caches bear every gain    ─▶ the report counts at once
    a report that differs         ─▶ a part counts at once, less of it the fuller the backend is
    reports that stay as they are ─▶ what counts comes to rest on them, and never oversteps
"""

from __future__ import annotations

import math
from typing import Final, NamedTuple

__all__ = ["Damped", "damped"]

MOST_GAIN: Final = 8.0
"""The gain at a load of 0.89 and beyond: with more, a backend that fills up would be noticed only
after it is full. Overload counts no faster than the rest: if it counted at once everybody would
leave, and the backends would take turns in being overloaded."""

DEAD: Final = 1.5
"""Intervals from a change of load to the middle of its effect: one until it is reported, and half
the time over which reports are means."""


MARGIN: Final = 1.5
"""The gain that is left unused, for noise. With 1 backends near full swing at TTLs of 15 and 30 s,
with 2 they are busy for longer after a change at 60 s (bench/herd.py)."""


class Damped(NamedTuple):
    """A load that follows reports."""

    load: float  # the one that plans are made with
    settled: float  # its slow part, on which it rests once reports stay as they are

    @classmethod
    def at_rest(cls, load: float) -> Damped:
        """One that has been reported for long."""
        return cls(load, load)


def damped(
    before: Damped | None, reported: float, *, seconds: float, ttl: float, interval: float
) -> Damped:
    """What counts from now on.

    `before` has counted until now, and `seconds` have passed since the report before this one;
    `ttl` is that of the answers, `interval` the time between reports, both in seconds.
    """
    dead = DEAD * interval
    borne = _borne(ttl, dead)
    if before is None or borne >= MOST_GAIN:
        return Damped.at_rest(reported)
    # by the greater of the two: what jumps to full is distrusted as what is full already
    lag = _gain(max(before.settled, reported)) * (ttl / 2 + 2 * dead)
    part = -math.expm1(-seconds / lag) if lag > 0 else 1.0
    settled = _between(
        before.settled, before.settled + (reported - before.settled) * part, reported
    )
    swift = _swift(reported, borne) - _swift(settled, borne)
    return Damped(_between(settled, settled + swift, reported), settled)


def _gain(load: float) -> float:
    return min(load / (1 - load), MOST_GAIN) if load < 1 else MOST_GAIN


def _borne(ttl: float, dead: float) -> float:
    """The gain that caches keep steady, beyond the margin."""
    if dead <= 0:
        return math.inf
    x = math.pi * ttl / (ttl + 2 * dead)
    return max(0.0, x / math.sin(x) - MARGIN) if x > 0 else 0.0


def _between(one: float, value: float, other: float) -> float:
    """`value`, which rounding may have put beyond the ends."""
    return min(max(one, other), max(min(one, other), value))


def _swift(load: float, borne: float) -> float:
    """A scale of loads on which equal steps may count at once: the integral of borne / gain.

    Its slope is 1 where the gain is borne, and falls with the gain above.
    """
    if borne <= 0:
        return 0.0
    free = borne / (1 + borne)  # the load whose gain is borne
    if load <= free:
        return load
    full = MOST_GAIN / (1 + MOST_GAIN)
    risen = min(load, full)
    swift = free + borne * (math.log(risen / free) - (risen - free))
    return swift + (load - risen) * borne / MOST_GAIN
