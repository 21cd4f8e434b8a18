"""The first member that is up, in the order written.

a up            ─▶ a
a down, b up    ─▶ b
a spills a part ─▶ that part of the clients b, the others a
answers: 2      ─▶ the first two that are up; the second ranks behind in SRV and MX records
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from dnslb.policy.spill import in_order, reach
from dnslb.policy.strategies.base import Strategy

if TYPE_CHECKING:
    from collections.abc import Sequence

    from dnslb.policy.plan import Node
    from dnslb.policy.strategies.base import Candidate, Choice

__all__ = ["Failover"]


class Failover(Strategy):
    """Order decides."""

    name = "failover"
    measured = False
    ordered = True
    ranked = True

    def plan(self, candidates: Sequence[Candidate], choice: Choice) -> Node:
        """The first candidate; only those that are up are candidates at all."""
        return in_order(candidates[: reach(candidates, choice.answers)], choice)
