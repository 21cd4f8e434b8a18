"""The damped law: from the loads that are reported to the load that plans are made with.

Reports come an interval apart, and a plan shows in them only afterwards. Who follows each report at
once corrects the same error again until the first correction shows, and the backends take turns
in being full. How strongly shares answer a change of load grows with the load: with shares in
proportion to the room that is left, 1 - load, the gain of the loop is load / (1 - load). A loop
with a dead time is steady when it has one lag that is long enough for its gain:

    wanted = STEADY x gain x dead time,   dead time = 1.5 x interval

Resolvers are such a lag themselves, as long as the TTL: a new plan reaches them one by one. Where
that does for most of it nothing is added, since two lags of about one length swing more than one of
them. Otherwise the load that counts follows the reports by a first-order filter:

    counts ← counts + (reported - counts) x (1 - e^(-seconds / (wanted - TTL)))

    nothing was known             ─▶ the report counts at once
    reports that stay as they are ─▶ what counts comes to rest on them, and never oversteps
"""

from __future__ import annotations

import math
from typing import Final

__all__ = ["damped"]

STEADY: Final = 2.0
"""The lag per gain and dead time. With less the busiest backend swings, with more it stays busy for
longer after a change (bench/herd.py shows both)."""

MOST_GAIN: Final = 8.0
"""The gain at a load of 0.89 and beyond: with more, a backend that fills up would be noticed only
after it is full."""

DEAD: Final = 1.5
"""Intervals from a change of load to the middle of its effect: one until it is reported, and half
the time over which reports are means."""

ALONE: Final = 2.0
"""TTLs that the wanted lag must exceed before a filter is added."""


def damped(
    counts: float | None, reported: float, *, seconds: float, ttl: float, interval: float
) -> float:
    """The load that counts from now on.

    `counts` has counted until now, and `seconds` have passed since the report before this one;
    `ttl` is that of the answers, `interval` the time between reports, both in seconds.
    """
    if counts is None:
        return reported
    load = max(counts, reported)
    gain = min(load / (1 - load), MOST_GAIN) if load < 1 else MOST_GAIN
    wanted = STEADY * gain * DEAD * interval
    if wanted <= ALONE * ttl or wanted <= 0:
        return reported
    return counts + (reported - counts) * -math.expm1(-seconds / (wanted - ttl))
