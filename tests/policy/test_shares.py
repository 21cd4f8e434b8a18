"""Shares are exact, smooth, and fair to every member of a set."""

from __future__ import annotations

from collections import Counter, defaultdict
from fractions import Fraction

import pytest
from hypothesis import assume, example, given
from hypothesis import strategies as st

from dnslb.policy.plan import Answer, Cycle, Random
from dnslb.policy.shares import MAX_TURN, share, weighed
from policy.making import candidates, choice, inclusion, paths, spread, turn

many_weights = st.lists(st.integers(0, 1000), min_size=1, max_size=12)
few_weights = st.lists(st.integers(1, 40), min_size=2, max_size=8)
counts = st.integers(1, 14)


def shared(weights, answers=1):
    return share(candidates(*weights), weights, choice(answers))


def ideal(weights, answers):
    """In proportion to weight, but never more than always: try how many are always in."""
    weights = weights if any(weights) else [1] * len(weights)
    heaviest = sorted((weight for weight in weights if weight), reverse=True)
    answers = min(answers, len(heaviest))
    for always in range(answers):
        rest = heaviest[always:]
        factor = Fraction(answers - always, sum(rest))
        if factor * rest[0] <= 1:
            break
    return {
        f"b{place}": min(Fraction(1), factor * weight)
        for place, weight in enumerate(weights)
        if weight
    }


@given(many_weights, counts)
@example([0, 0, 0], 2)
@example([1000, 1, 1], 2)
@example([997, 991, 983, 977], 3)
@example([5], 4)
def test_each_is_in_as_many_answers_as_its_weight_allows(weights, answers):
    assert inclusion(shared(weights, answers)) == ideal(weights, answers)


@given(many_weights, counts)
def test_answers_are_full_and_repeat_nobody(weights, answers):
    weighty = sum(1 for weight in weights if weight) or len(weights)
    for leaf, _ in paths(shared(weights, answers)):
        assert len(leaf.backends) == len(set(leaf.backends)) == min(answers, weighty)


@given(many_weights, counts)
def test_each_leads_as_often_as_the_others_in_its_answers(weights, answers):
    node = shared(weights, answers)
    leads = defaultdict(Fraction)
    size = 1
    for leaf, chance in paths(node):
        size = len(leaf.backends)
        leads[leaf.backends[0].id.name] += chance
    assert dict(leads) == {name: part / size for name, part in inclusion(node).items()}


@given(few_weights)
@example([3, 2, 1])
@example([10] + [1] * 10)
def test_nobody_waits_twice_its_share_of_a_turn(weights):
    assume(sum(weights) <= MAX_TURN)
    node = shared(weights)
    steps = turn(node)
    for name, count in Counter(steps).items():
        places = [place for place, step in enumerate(steps) if step == name]
        waits = [
            after - before
            for before, after in zip(places, [*places[1:], places[0] + len(steps)], strict=True)
        ]
        assert max(waits) <= 2 * len(steps) / count, steps


@pytest.mark.parametrize(
    ("weights", "answers", "kind", "size"),
    [
        ([3, 2, 1], 1, Cycle, 6),
        ([300, 200, 100], 1, Cycle, 6),
        ([512, 511], 1, Cycle, 1023),
        ([512, 512, 1], 1, Random, 3),
        ([1, 1, 1], 2, Cycle, 6),
        ([1000, 999], 2, Cycle, 2),
        ([5, 0], 1, Answer, 1),
        ([0, 0], 1, Cycle, 2),
    ],
    ids=str,
)
def test_the_node_that_shares_make(weights, answers, kind, size):
    node = shared(weights, answers)
    assert type(node) is kind
    branches = {Answer: "backends", Cycle: "steps", Random: "choices"}[kind]
    assert len(getattr(node, branches)) == size


def test_a_turn_too_long_is_drawn_with_the_same_shares():
    assert spread(shared([1000, 999, 1])) == {
        "b0": Fraction(1000, 2000),
        "b1": Fraction(999, 2000),
        "b2": Fraction(1, 2000),
    }


def test_weight_nought_stands_by():
    of = candidates(0, 2, 0, 1)
    assert weighed(of) == [of[1], of[3]]
    assert weighed(candidates(0, 0)) == candidates(0, 0)
