"""A client's network keeps its backend.

    client's network ─hash─▶ slot ─weighted rendezvous─▶ member
    a member goes    ─▶ its own clients move, spread over the others by weight; nobody else moves
    it comes back    ─▶ the same clients return
    a weight changes ─▶ only the difference moves

The binding comes from names and weights alone: it is the same after a restart, and on every server
with the same configuration. A and AAAA hash alike, so a dual-stack client meets one backend.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from dnslb.policy.plan import Hash, HashChoice
from dnslb.policy.shares import weighed
from dnslb.policy.strategies.base import Strategy

if TYPE_CHECKING:
    from collections.abc import Sequence

    from dnslb.policy.plan import Node
    from dnslb.policy.strategies.base import Candidate, Choice

__all__ = ["Subnet"]


class Subnet(Strategy):
    """Persistence by the client's network."""

    name = "subnet"
    measured = False

    def plan(self, candidates: Sequence[Candidate], choice: Choice) -> Node:
        """A hash over the candidates; more answers are those written after the client's own."""
        candidates = weighed(candidates)
        count = min(choice.answers, len(candidates))
        circle = [*candidates, *candidates]
        return Hash(
            tuple(
                HashChoice(
                    candidate.key,
                    max(candidate.weight, 1),
                    choice.join(circle[place : place + count]) if count > 1 else candidate.node,
                )
                for place, candidate in enumerate(candidates)
            ),
            choice.prefix,
        )
