"""How many results there were, by outcome, and how long probes took, by the type of their check."""

from __future__ import annotations

from collections import Counter
from functools import lru_cache
from typing import TYPE_CHECKING

from dnslb.health.checks.base import Outcome
from dnslb.health.checks.push import PushCheck
from dnslb.histogram import Histogram

if TYPE_CHECKING:
    from collections.abc import Mapping

    from dnslb.health.checks.base import Check, Result

__all__ = ["Counts"]


class Counts:
    """Counts of results since it was made."""

    def __init__(self) -> None:
        self.durations: dict[str, Histogram] = {}  # by the word for the type of check
        self._results: Counter[str] = Counter({outcome.value: 0 for outcome in Outcome})

    def add(self, check: Check, result: Result) -> None:
        """Count one result. A heartbeat takes no time that would say anything."""
        self._results[result.outcome.value] += 1
        if not isinstance(check, PushCheck):
            name = _kind(type(check))
            if name not in self.durations:
                self.durations[name] = Histogram()
            self.durations[name].add(result.milliseconds / 1000)

    def results(self) -> Mapping[str, int]:
        """How many there were, by outcome."""
        return dict(self._results)


@lru_cache(maxsize=128)
def _kind(check: type[Check]) -> str:
    """The word for a type of check in metrics."""
    return check.__name__.removesuffix("Check").lower()
