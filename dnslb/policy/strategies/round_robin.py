"""Members take turns, in the order written.

five members up ─▶ Cycle of 5 steps
weight 0        ─▶ left out, unless all that is up has weight 0; other weights play no part
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from dnslb.policy.shares import hundredths, share, weighed
from dnslb.policy.strategies.base import Strategy

if TYPE_CHECKING:
    from collections.abc import Sequence

    from dnslb.policy.plan import Node
    from dnslb.policy.strategies.base import Candidate, Choice

__all__ = ["RoundRobin"]


class RoundRobin(Strategy):
    """Equal turns."""

    name = "round-robin"
    measured = False

    def plan(self, candidates: Sequence[Candidate], choice: Choice) -> Node:
        """A cycle of all candidates."""
        candidates = weighed(candidates)
        weights = [hundredths(1, candidate.scale) for candidate in candidates]
        return share(candidates, weights, choice)
