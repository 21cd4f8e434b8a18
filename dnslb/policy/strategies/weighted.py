"""Each member gets the share of its weight.

weights 3:2:1          ─▶ Cycle of 6 steps: a b a b a c, exact over every full turn
a turn of > 1024 steps ─▶ Random with the same shares on average
weight 0               ─▶ left out, unless all that is up has weight 0
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from dnslb.policy.shares import share, weighed
from dnslb.policy.strategies.base import Strategy

if TYPE_CHECKING:
    from collections.abc import Sequence

    from dnslb.policy.plan import Node
    from dnslb.policy.strategies.base import Candidate, Choice

__all__ = ["Weighted"]


class Weighted(Strategy):
    """Shares by weight."""

    name = "weighted"
    measured = False

    def plan(self, candidates: Sequence[Candidate], choice: Choice) -> Node:
        """A cycle in which each candidate stands as often as its weight says."""
        candidates = weighed(candidates)
        return share(candidates, [candidate.weight for candidate in candidates], choice)
