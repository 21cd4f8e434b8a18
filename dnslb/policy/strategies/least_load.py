"""Members get the share of the room that is left on them.

    share  ∝ weight × room,  room = 1 − load
    load ≥ 1  ─▶ room 0.01: next to nothing, but when all are full, all serve by weight
    load not known ─▶ the mean of those known, so a new member is neither flooded nor starved

Room counts in hundredths: finer steps would publish plans that differ in nothing but noise.
"""

from __future__ import annotations

from statistics import fmean
from typing import TYPE_CHECKING, Final

from dnslb.policy.shares import share, weighed
from dnslb.policy.strategies.base import Strategy

if TYPE_CHECKING:
    from collections.abc import Sequence

    from dnslb.policy.plan import Node
    from dnslb.policy.strategies.base import Candidate, Choice

__all__ = ["LeastLoad"]

STEPS: Final = 100
"""Into how many steps a member's room is divided."""


class LeastLoad(Strategy):
    """Shares by weight and room."""

    name = "least-load"

    def plan(self, candidates: Sequence[Candidate], choice: Choice) -> Node:
        """A cycle or draw in which the candidates' shares follow their room."""
        candidates = weighed(candidates)
        known = [candidate.load for candidate in candidates if candidate.load is not None]
        usual = fmean(known) if known else 0.0
        weights = [
            max(candidate.weight, 1) * room(usual if candidate.load is None else candidate.load)
            for candidate in candidates
        ]
        return share(candidates, weights, choice)


def room(load: float) -> int:
    """The room that `load` leaves, in steps: all of them at 0, one at 1 and beyond."""
    return min(STEPS, max(1, round(STEPS * (1 - load))))
