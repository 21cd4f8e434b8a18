"""Shares: from weights to a plan that keeps them, one backend a response or several.

One backend a response: each stands in a cycle as often as its weight says, smoothly interleaved, so
that every full turn is exact. Several: each is in a response as often as its weight allows (never
more than always), and which stand together follows from systematic sampling (Madow 1949), whose
few possible sets take turns in the same way. Where the cycle would be too long, one draw from an
alias table replaces it, with the same shares on average.
"""

from __future__ import annotations

import heapq
import itertools
import math
from dataclasses import replace
from functools import lru_cache
from typing import TYPE_CHECKING, Final

from dnslb.policy.plan import Cycle, Random, WeightedChoice

if TYPE_CHECKING:
    from collections.abc import Sequence

    from dnslb.policy.plan import Node
    from dnslb.policy.strategies.base import Candidate, Choice

__all__ = ["MAX_TURN", "hundredths", "scaled", "share", "weighed"]

MAX_TURN: Final = 1024
"""The most steps that a cycle of shares has; a longer one would only cost memory for exactness that
nobody can see within a TTL."""

MAX_LEADS: Final = 64
"""How many members of a set lead it in turn: as many answers are kept in memory."""

Sets = tuple[tuple[int, ...], ...]


def weighed(candidates: Sequence[Candidate]) -> Sequence[Candidate]:
    """Those that carry weight; when all weights are 0, all of them.

    A member of weight 0 thus serves only when every other one is down.
    """
    return [candidate for candidate in candidates if candidate.weight] or candidates


def scaled(candidates: list[Candidate]) -> list[Candidate]:
    """The candidates with their scales in their weights, which count in hundredths then."""
    if all(candidate.scale == 1 for candidate in candidates):
        return candidates
    return [
        replace(
            candidate, weight=candidate.weight and hundredths(candidate.weight, candidate.scale)
        )
        for candidate in candidates
    ]


def hundredths(weight: int, scale: float) -> int:
    """`weight` scaled, in hundredths; what has weight keeps some, unless its scale is 0."""
    return max(1, round(weight * 100 * scale)) if scale else 0


def share(candidates: Sequence[Candidate], weights: Sequence[int], choice: Choice) -> Node:
    """A plan that gives each candidate the share of its weight.

    `weights` are whole numbers >= 0, one a candidate; all 0 counts as all equal.
    """
    sets, lengths = _sets(tuple(weights), choice.answers)
    answers = {
        places: choice.join([candidates[place] for place in places])
        if len(places) > 1
        else candidates[places[0]].node
        for places in set(sets)
    }
    if len(answers) == 1:
        return answers[sets[0]]
    if lengths is None:
        return Cycle(tuple(answers[places] for places in sets))
    return Random(
        tuple(
            WeightedChoice(length, answers[places])
            for places, length in zip(sets, lengths, strict=True)
        )
    )


@lru_cache(maxsize=256)
def _sets(weights: tuple[int, ...], answers: int) -> tuple[Sets, tuple[float, ...] | None]:
    """The sets of places to answer with: in turn, or, with lengths, drawn in proportion to them."""
    if not any(weights):
        weights = (1,) * len(weights)
    counts: dict[tuple[int, ...], int]
    if answers == 1:
        counts = {(place,): weight for place, weight in enumerate(weights) if weight}
    else:
        counts = _sample(*_widths(weights, answers))
    divisor = math.gcd(*counts.values())
    counts = {places: count // divisor for places, count in counts.items()}
    # members of a set lead it in turn, for the many clients that use the first address only
    size = len(next(iter(counts)))
    leads = [size * by // min(size, MAX_LEADS) for by in range(min(size, MAX_LEADS))]
    if sum(counts.values()) * len(leads) > MAX_TURN:
        turned = {_rotate(places, by): n for places, n in counts.items() for by in leads}
        return tuple(turned), tuple(map(float, turned.values()))
    turn = _interleave(counts)
    return tuple(_rotate(places, by) for by in leads for places in turn), None


def _widths(weights: tuple[int, ...], answers: int) -> tuple[list[int], int]:
    """How often each is in a response, and the number that stands for always.

    In proportion to its weight, but never more than always: what is cut off goes to the others.
    """
    left = min(answers, sum(1 for weight in weights if weight))
    open_ = {place: weight for place, weight in enumerate(weights) if weight}
    always = set()
    while open_ and left:
        total = sum(open_.values())
        full = [place for place, weight in open_.items() if weight * left >= total]
        if not full:
            break
        always.update(full)
        left -= len(full)
        for place in full:
            del open_[place]
    unit = sum(open_.values()) or 1
    return [
        unit if place in always else open_.get(place, 0) * left for place in range(len(weights))
    ], unit


def _sample(widths: list[int], unit: int) -> dict[tuple[int, ...], int]:
    """Systematic sampling: the sets that a comb meets, and how often it does.

    The widths lie side by side on a line. A comb whose teeth are `unit` apart moves over it from 0
    to `unit`; the places under its teeth are one set. A tooth goes on to the next place where it
    crosses an edge, so the sets follow from the edges in the order of their offsets.
    """
    places = [place for place, width in enumerate(widths) if width]
    teeth: list[int] = []
    crossings = []
    edge = 0
    for place, after in itertools.zip_longest(places, places[1:]):
        if edge <= len(teeth) * unit < edge + widths[place]:
            teeth.append(place)
        edge += widths[place]
        if after is not None and edge % unit:
            crossings.append((edge % unit, edge // unit, after))
    sets: dict[tuple[int, ...], int] = {}
    offset = 0
    for until, tooth, after in sorted([*crossings, (unit, -1, -1)]):
        if until > offset:
            met = tuple(teeth)
            sets[met] = sets.get(met, 0) + until - offset
            offset = until
        if tooth >= 0:
            teeth[tooth] = after
    return sets


def _interleave(counts: dict[tuple[int, ...], int]) -> list[tuple[int, ...]]:
    """Every set as often as counted, spread evenly.

    The k-th of n appearances has the k-th n-th part of the turn to itself, and of those that may
    come, the one that must come soonest does: earliest deadline first, which keeps every set within
    one of its due at every step (Liu and Layland 1973; Baruah et al. 1996).
    """
    total = sum(counts.values())
    ordered = list(counts)
    released: list[list[tuple[int, int]]] = [[] for _ in range(total)]
    for index, count in enumerate(counts.values()):
        for k in range(count):
            deadline = -(-(k + 1) * total // count)
            released[k * total // count].append((deadline, index))
    due: list[tuple[int, int]] = []
    order = []
    for step in released:
        for job in step:
            heapq.heappush(due, job)
        order.append(ordered[heapq.heappop(due)[1]])
    return order


def _rotate(places: tuple[int, ...], by: int) -> tuple[int, ...]:
    return places[by:] + places[:by]
