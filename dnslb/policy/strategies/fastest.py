"""The member with the fewest milliseconds in recent checks.

best = lowest latency; as good as best = within 10 % or 1 ms of it, whichever is more
those as good as best ─▶ take turns by weight, so noise does not swing all traffic
no latency known yet  ─▶ only where none is known; then all take turns by weight
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from dnslb.policy.shares import share, weighed
from dnslb.policy.strategies.base import Strategy

if TYPE_CHECKING:
    from collections.abc import Sequence

    from dnslb.policy.plan import Node
    from dnslb.policy.strategies.base import Candidate, Choice

__all__ = ["Fastest"]

NEAR_SHARE: Final = 1.1
NEAR_MILLISECONDS: Final = 1.0


class Fastest(Strategy):
    """Latency decides."""

    name = "fastest"

    def plan(self, candidates: Sequence[Candidate], choice: Choice) -> Node:
        """Turns among the candidates as good as the best, or, of n answers, as the n-th best."""
        candidates = weighed(candidates)
        known = sorted(
            candidate.latency for candidate in candidates if candidate.latency is not None
        )
        if not known:
            return share(candidates, [candidate.weight for candidate in candidates], choice)
        last = known[min(choice.answers, len(known)) - 1]
        near = [
            (candidate, candidate.latency)
            for candidate in candidates
            if candidate.latency is not None and candidate.latency <= _limit(last)
        ]
        # a weight as large as all others together is in every answer
        always = sum(max(candidate.weight, 1) for candidate, _ in near)
        weights = [
            always if _limit(latency) < last else max(candidate.weight, 1)
            for candidate, latency in near
        ]
        return share([candidate for candidate, _ in near], weights, choice)


def _limit(latency: float) -> float:
    """The most milliseconds that are as good as `latency`."""
    return max(latency * NEAR_SHARE, latency + NEAR_MILLISECONDS)
