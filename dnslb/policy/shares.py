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
from fractions import Fraction
from functools import lru_cache
from typing import TYPE_CHECKING, Final

from dnslb.policy.plan import Cycle, Random, WeightedChoice

if TYPE_CHECKING:
    from collections.abc import Sequence

    from dnslb.policy.plan import Node
    from dnslb.policy.strategies.base import Candidate, Choice

__all__ = ["MAX_TURN", "share", "weighed"]

MAX_TURN: Final = 1024
"""The most steps that a cycle of shares has; a longer one would only cost memory for exactness that
nobody can see within a TTL."""

Sets = tuple[tuple[int, ...], ...]


def weighed(candidates: Sequence[Candidate]) -> Sequence[Candidate]:
    """Those that carry weight; when all weights are 0, all of them.

    A member of weight 0 thus serves only when every other one is down.
    """
    return [candidate for candidate in candidates if candidate.weight] or candidates


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


@lru_cache(maxsize=4096)
def _sets(weights: tuple[int, ...], answers: int) -> tuple[Sets, tuple[float, ...] | None]:
    """The sets of places to answer with: in turn, or, with lengths, drawn in proportion to them."""
    if not any(weights):
        weights = (1,) * len(weights)
    drawn = _sample(_inclusions(weights, answers))
    denominator = math.lcm(*(length.denominator for length in drawn.values()))
    counts = {places: int(length * denominator) for places, length in drawn.items()}
    divisor = math.gcd(*counts.values())
    counts = {places: count // divisor for places, count in counts.items()}
    # each member of a set leads it in turn, for the many clients that use the first address only
    rotations = len(next(iter(counts)))
    if sum(counts.values()) * rotations > MAX_TURN:
        turned = {_rotate(places, by): n for places, n in counts.items() for by in range(rotations)}
        return tuple(turned), tuple(map(float, turned.values()))
    turn = _interleave(counts)
    return tuple(_rotate(places, by) for by in range(rotations) for places in turn), None


def _inclusions(weights: tuple[int, ...], answers: int) -> list[Fraction]:
    """How often each is in a response: in proportion to its weight, but never more than always."""
    left = min(answers, sum(1 for weight in weights if weight))
    shares = [Fraction(0)] * len(weights)
    open_ = {place: weight for place, weight in enumerate(weights) if weight}
    while True:
        total = sum(open_.values())
        always = [place for place, weight in open_.items() if weight * left >= total]
        for place in always:
            shares[place] = Fraction(1)
            del open_[place]
        left -= len(always)
        if not always or not open_ or not left:
            break
    for place, weight in open_.items():
        shares[place] = Fraction(weight * left, total) if left else Fraction(0)
    return shares


def _sample(shares: list[Fraction]) -> dict[tuple[int, ...], Fraction]:
    """Systematic sampling: the sets that a comb of unit spacing meets, and how often it does.

    The shares lie side by side on a line. A comb whose teeth are 1 apart is laid on it at every
    offset from 0 to 1; the places under its teeth are one set.
    """
    edges = [Fraction(0)]
    for amount in shares:
        edges.append(edges[-1] + amount)
    offsets = sorted({edge % 1 for edge in edges} | {Fraction(0), Fraction(1)})
    drawn: dict[tuple[int, ...], Fraction] = {}
    for low, high in itertools.pairwise(offsets):
        tooth = (low + high) / 2
        places = []
        for place, amount in enumerate(shares):
            if amount and edges[place] <= tooth < edges[place + 1]:
                places.append(place)
                tooth += 1
        drawn[tuple(places)] = drawn.get(tuple(places), Fraction(0)) + high - low
    return drawn


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
