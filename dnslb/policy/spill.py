"""Spilling: what a member has no room for goes to the next in order, before the member is down.

    load below `at`      ─▶ everything stays
    between the two      ─▶ the part (load - at) / (full - at) goes to the next
    at `full` and beyond ─▶ everything goes to the next

What nobody has room for stays with the first: it is no better off elsewhere.
"""

from __future__ import annotations

from dataclasses import replace
from itertools import accumulate, pairwise
from typing import TYPE_CHECKING

from dnslb.policy.shares import share

if TYPE_CHECKING:
    from collections.abc import Sequence

    from dnslb.config.model import Spill
    from dnslb.policy.plan import Node
    from dnslb.policy.strategies.base import Candidate, Choice

__all__ = ["cascade", "in_order", "reach", "spilled"]


def spilled(load: float | None, spill: Spill | None) -> float:
    """The part that goes to the next, in hundredths, so that noise makes no new plans."""
    if load is None or spill is None:
        return 0.0
    return round(min(1.0, max(0.0, (load - spill.at) / (spill.full - spill.at))), 2)


def cascade(parts: Sequence[float]) -> list[float]:
    """The shares of members in order, of which each passes on the part that it spills."""
    shares = []
    rest = 1.0
    for part in parts:
        shares.append(rest * (1 - part))
        rest *= part
    shares[0] += rest
    return shares


def reach(candidates: Sequence[Candidate], answers: int) -> int:
    """How many of `candidates`, which are in order, have a part in the answers."""
    for place, candidate in enumerate(candidates):
        if not candidate.spill:
            return min(place + answers, len(candidates))
    return len(candidates)


def in_order(candidates: Sequence[Candidate], choice: Choice) -> Node:
    """The plan in which the first of `candidates` serves, and what it spills the next.

    With more answers than one, those that come after it stand in the answer too.
    """
    weights = _hundredths(cascade([candidate.spill for candidate in candidates]))
    leads = [place for place, weight in enumerate(weights) if weight]
    nodes = {place: _answer(candidates, place, choice) for place in leads}
    if len(leads) == 1:
        return nodes[leads[0]]
    return share(
        [replace(candidates[place], node=nodes[place]) for place in leads],
        [weights[place] for place in leads],
        replace(choice, answers=1),
    )


def _hundredths(shares: Sequence[float]) -> list[int]:
    """The shares in whole hundredths, a hundred in all."""
    edges = [0, *(round(100 * edge) for edge in accumulate(shares))]
    return [after - before for before, after in pairwise(edges)]


def _answer(candidates: Sequence[Candidate], lead: int, choice: Choice) -> Node:
    if choice.answers == 1 or len(candidates) == 1:
        return candidates[lead].node
    ordered = (*candidates[lead:], *candidates[:lead])
    return choice.join(ordered[: choice.answers])
