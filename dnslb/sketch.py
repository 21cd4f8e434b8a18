"""Who comes most often, counted in fixed memory: Space-Saving (Metwally et al. 2005), decaying.

A newcomer that finds no place takes that of whoever has least, and its count with it, which is what
the newcomer's own may be too high by. So of all weight W that k places have seen, nobody's count is
off by more than W / k, and whoever has more than that is there.
"""

from __future__ import annotations

import heapq
import math
from typing import TYPE_CHECKING, Final, Generic, NamedTuple, TypeVar

if TYPE_CHECKING:
    from collections.abc import Hashable

__all__ = ["Counted", "Sketch"]

K = TypeVar("K", bound="Hashable")

RESCALE: Final = 1e100
"""What counts may grow to before all are divided: far below what a float holds."""

FORGOTTEN: Final = 600.0
"""How many `decay`s leave nothing, however many more there were; a float holds e to this power."""


class Counted(NamedTuple, Generic[K]):
    """What is known of one key: its weight is at least `least` and at most `most`."""

    key: K
    least: float
    most: float


class Sketch(Generic[K]):
    """The weight of keys over about the last `decay` seconds.

    What came `decay` seconds ago counts 1/e of what comes now: instead of all that is there
    becoming less, what comes counts ever more.
    """

    def __init__(self, places: int, decay: float = math.inf) -> None:
        self._places = places
        self._decay = decay
        self._start: float | None = None  # when a weight of 1 was counted as 1
        self._total = 0.0
        self._counts: dict[K, list[float]] = {}  # count, and what of it may be others'
        self._least: list[tuple[float, int, K]] = []  # a heap; a count may have grown since
        self._order = 0  # keys need not compare

    def __len__(self) -> int:
        """How many keys are counted, never more than the places."""
        return len(self._counts)

    def __contains__(self, key: object) -> bool:
        """Whether `key` is counted at this time."""
        return key in self._counts

    def add(self, key: K, weight: float, now: float) -> None:
        """Count `key` with `weight` at `now`, in seconds, which does not go back."""
        weight *= self._growth(now)
        self._total += weight
        known = self._counts.get(key)
        if known is not None:
            known[0] += weight
            return
        error = 0.0
        if len(self._counts) >= self._places:
            error = self._evict()
        self._counts[key] = [error + weight, error]
        self._push(key)

    def total(self, now: float) -> float:
        """The weight of all."""
        return self._total / self._growth(now)

    def top(self, count: int, now: float) -> list[Counted[K]]:
        """The `count` keys that certainly have most, the most first."""
        growth = self._growth(now)
        best = heapq.nlargest(
            count, self._counts.items(), key=lambda item: (item[1][0] - item[1][1], item[1][0])
        )
        return [
            Counted(key, (most - error) / growth, most / growth)
            for key, (most, error) in best
            if most > error
        ]

    def _growth(self, now: float) -> float:
        if self._start is None:
            self._start = now
        growth = math.exp(min((now - self._start) / self._decay, FORGOTTEN))
        if growth > RESCALE:
            self._total /= growth
            for count in self._counts.values():
                count[0] /= growth
                count[1] /= growth
            self._least = []
            for key in self._counts:
                self._push(key)
            self._start = now
            return 1.0
        return growth

    def _push(self, key: K) -> None:
        self._order += 1
        heapq.heappush(self._least, (self._counts[key][0], self._order, key))

    def _evict(self) -> float:
        """Take a place from whoever has least; returns its count."""
        while True:
            told, _, key = self._least[0]
            count = self._counts[key][0]
            if told == count:
                heapq.heappop(self._least)
                del self._counts[key]
                return count
            self._order += 1
            heapq.heapreplace(self._least, (count, self._order, key))
