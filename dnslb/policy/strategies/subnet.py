"""A client's network keeps its backend.

    client's network ─hash─▶ slot ─weighted rendezvous─▶ member
    a member goes    ─▶ its own clients move, spread over the others by weight; nobody else moves
    it comes back    ─▶ the same clients return
    a weight changes ─▶ only the difference moves

The binding comes from names and weights alone: it is the same after a restart, and on every server
with the same configuration. A and AAAA hash alike, so a dual-stack client meets one backend.

With a bound a member that is full lets networks go on to the next one, so where one goes depends on
who else is there. For A and AAAA to agree all the same, all types begin with one decision among all
members, of whichever family. Whoever has the family keeps what that gives it; only the networks of
those without it go on.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from dnslb.policy.plan import Hash, HashChoice, LoadBound, Share
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
        if len(candidates) == 1 and choice.bound is None:
            return candidates[0].node  # every network has this one, so none is looked at
        shares = _shares(candidates)
        count = min(choice.answers, len(candidates))
        circle = [*candidates, *candidates]
        bound = None
        if choice.bound is not None:
            among = _shares(weighed(choice.peers))
            bound = LoadBound(choice.bound, () if among == shares else among)
        return Hash(
            tuple(
                HashChoice(
                    *share,
                    choice.join(circle[place : place + count]) if count > 1 else candidate.node,
                )
                for place, (candidate, share) in enumerate(zip(candidates, shares, strict=True))
            ),
            choice.prefix,
            bound=bound,
        )


def _shares(candidates: Sequence[Candidate]) -> tuple[Share, ...]:
    return tuple(Share(candidate.key, max(candidate.weight, 1)) for candidate in candidates)
