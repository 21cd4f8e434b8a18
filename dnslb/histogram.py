"""Counts of durations by their size: small enough to keep for ever and to send about."""

from __future__ import annotations

from bisect import bisect_left
from typing import TYPE_CHECKING, Final, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["Counted", "Histogram"]

_STEPS: Final = (1.0, 1.2, 1.5, 2.0, 2.5, 3.0, 4.0, 5.0, 6.0, 8.0)

BOUNDS: Final = tuple(float(f"{step}e{exponent}") for exponent in range(-4, 2) for step in _STEPS)
"""The upper ends of what is counted together, in seconds: from 0.1 ms to 80 s, never more than a
third apart."""

SHOWN: Final = tuple(
    bound for at, bound in enumerate(BOUNDS) if _STEPS[at % len(_STEPS)] in {1.0, 2.5, 5.0}
)
"""Those that metrics show."""


class Counted(NamedTuple):
    """What was counted meanwhile."""

    counts: Mapping[int, int]  # by the place in BOUNDS, and one behind them for what is beyond
    total: float  # seconds
    most: float


class Histogram:
    """Counts of seconds."""

    __slots__ = ("_counts", "most", "total")

    def __init__(self) -> None:
        self._counts = [0] * (len(BOUNDS) + 1)
        self.total = 0.0  # seconds
        self.most = 0.0

    def add(self, seconds: float) -> None:
        """Count one duration."""
        self._counts[bisect_left(BOUNDS, seconds)] += 1
        self.total += seconds
        self.most = max(self.most, seconds)

    @property
    def count(self) -> int:
        """How many were counted."""
        return sum(self._counts)

    def quantile(self, share: float) -> float:
        """The seconds that `share` (0 to 1) of what was counted stays within; 0 without any.

        Exact to the distance of two bounds.
        """
        wanted = share * self.count
        if wanted <= 0:
            return 0.0
        before = 0
        for at, count in enumerate(self._counts):
            if count and before + count >= wanted:
                low = BOUNDS[at - 1] if at else 0.0
                high = min(self.most, BOUNDS[at]) if at < len(BOUNDS) else self.most
                return low + (high - low) * (wanted - before) / count
            before += count
        return self.most

    def cumulative(self) -> list[tuple[float, int]]:
        """For each bound that metrics show, how many were no longer."""
        pairs, reached, seen = [], 0, 0
        for bound in SHOWN:
            upto = BOUNDS.index(bound, seen) + 1
            reached += sum(self._counts[seen:upto])
            seen = upto
            pairs.append((bound, reached))
        return pairs

    def take(self) -> Counted | None:
        """What was counted since the last time, which is forgotten here; None for nothing."""
        counts = {at: count for at, count in enumerate(self._counts) if count}
        if not counts:
            return None
        counted = Counted(counts, self.total, self.most)
        self.__init__()  # type: ignore[misc] # empty again
        return counted

    def merge(self, counted: Counted) -> None:
        """Count what another has taken."""
        for at, count in counted.counts.items():
            self._counts[at] += count
        self.total += counted.total
        self.most = max(self.most, counted.most)
