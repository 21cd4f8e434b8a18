"""A strategy of one's own: the two members with the least load share the traffic equally.

Any number of members up ─▶ Cycle of 2 steps; one that has reported no load is taken last.

`least-load` gives everybody the room that is left. This one leaves busy members alone altogether,
which suits backends that get slow well before they are full.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from dnslb.policy.shares import share, weighed
from dnslb.policy.strategies import Strategy

if TYPE_CHECKING:
    from collections.abc import Sequence

    from dnslb.policy.plan import Node
    from dnslb.policy.strategies import Candidate, Choice

__all__ = ["TwoChoices"]


class TwoChoices(Strategy):
    """The two least loaded take turns."""

    name = "two-choices"

    def plan(self, candidates: Sequence[Candidate], choice: Choice) -> Node:
        """A cycle over the two with the least load; of equals, the one written first."""
        by_load = sorted(weighed(candidates), key=_load)
        # two, unless one response is to carry more
        chosen = by_load[: max(2, choice.answers)]
        return share(chosen, [1] * len(chosen), choice)


def _load(candidate: Candidate) -> float:
    return float("inf") if candidate.load is None else candidate.load
