"""Every member that is up, in one response; each leads it in turn.

A member that answers with a CNAME cannot stand beside others (RFC 2181 section 10.1): beside
addresses it is left out, and among its like one is answered in turn.
"""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING

from dnslb.policy.shares import share
from dnslb.policy.strategies.base import Strategy

if TYPE_CHECKING:
    from collections.abc import Sequence

    from dnslb.policy.plan import Node
    from dnslb.policy.strategies.base import Candidate, Choice

__all__ = ["All"]


class All(Strategy):
    """Everybody."""

    name = "all"
    measured = False

    def plan(self, candidates: Sequence[Candidate], choice: Choice) -> Node:
        """All candidates joined, whatever number of answers the service asks for."""
        everyone = dataclasses.replace(choice, answers=len(candidates))
        return share(candidates, [1] * len(candidates), everyone)
