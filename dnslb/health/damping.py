"""The damped law: from the loads that are reported to the load that plans are made with.

Reports come an interval apart, and a plan shows in them only afterwards. Who follows each report at
once corrects the same error again until the first correction shows, and the backends take turns
in being full. How strongly shares answer a change of load grows with the load: with shares in
proportion to the room that is left, 1 - load, the gain of the loop is load / (1 - load). A loop
with a dead time is steady when it has one lag that is long enough for its gain.

Resolvers are such a lag, as long as the TTL: a new plan reaches them one by one. A mean over a TTL
keeps the loop steady by itself up to a gain of TTL / (2 x report), where `report` is the time from
a change of load to its report. Up to about there nothing is added. Beyond, the load that counts
follows the reports by a first-order filter, for which half the TTL is dead time too:

    lag = STEADY x gain x (report + TTL / 2),   report = REPORT x interval
    counts ← counts + (reported - counts) x (1 - e^(-seconds / lag))

    nothing was known             ─▶ the report counts at once
    reports that stay as they are ─▶ what counts comes to rest on them, and never oversteps
"""

from __future__ import annotations

import math
from typing import Final

__all__ = ["damped"]

STEADY: Final = 2.0
"""The lag per gain and dead time. A loop of this kind begins to swing below 0.6; the rest is room
for noise. With more, a backend stays busy for longer after a change (bench/herd.py shows both)."""

MOST_GAIN: Final = 8.0
"""The gain at a load of 0.89 and beyond: with more, a backend that fills up would be noticed only
after it is full."""

REPORT: Final = 1.5
"""Intervals from a change of load to the middle of its effect: one until it is reported, and half
the time over which reports are means."""

ALONE: Final = 2.0
"""How far beyond the gain that a TTL keeps steady nothing is added: near its limit a TTL
swings less than two lags would."""


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
    report = REPORT * interval
    if 2 * gain * report <= ALONE * ttl:
        return reported
    lag = STEADY * gain * (report + ttl / 2)
    new = counts + (reported - counts) * -math.expm1(-seconds / lag)
    # which rounding may have moved beyond the report
    return min(max(new, min(counts, reported)), max(counts, reported))
