"""Weighted and round robin: who gets how many turns."""

from __future__ import annotations

from collections import Counter
from fractions import Fraction

import pytest

from dnslb.policy.plan import Cycle, Random
from dnslb.policy.strategies import find
from policy.making import candidates, choice, inclusion, spread, turn


@pytest.mark.parametrize(
    ("weights", "turns"),
    [
        ((3, 2, 1), {"b0": 3, "b1": 2, "b2": 1}),
        ((30, 20, 10), {"b0": 3, "b1": 2, "b2": 1}),
        ((1, 1), {"b0": 1, "b1": 1}),
        ((9, 0, 1), {"b0": 9, "b2": 1}),
        ((0, 0, 0), {"b0": 1, "b1": 1, "b2": 1}),
        ((70, 29, 1), {"b0": 70, "b1": 29, "b2": 1}),
    ],
    ids=str,
)
def test_weights_are_turns(weights, turns):
    assert Counter(turn(find("weighted").plan(candidates(*weights), choice()))) == turns


@pytest.mark.parametrize("weights", [(1,), (7,), (0,), (5, 0)], ids=str)
def test_one_alone_is_the_answer_itself(weights):
    of = candidates(*weights)
    assert find("weighted").plan(of, choice()) is of[0].node


def test_huge_weights_are_drawn():
    node = find("weighted").plan(candidates(100_000, 1), choice())
    assert isinstance(node, Random)
    assert spread(node) == {"b0": Fraction(100_000, 100_001), "b1": Fraction(1, 100_001)}


def test_two_answers_keep_the_shares_that_weights_allow():
    node = find("weighted").plan(candidates(2, 1, 1), choice(answers=2))
    assert inclusion(node) == {"b0": 1, "b1": Fraction(1, 2), "b2": Fraction(1, 2)}


@pytest.mark.parametrize(
    ("weights", "answers", "steps"),
    [
        ((1, 1, 1, 1, 1), 1, ["b0", "b1", "b2", "b3", "b4"]),
        ((9, 1, 5), 1, ["b0", "b1", "b2"]),
        ((1, 0, 1), 1, ["b0", "b2"]),
        ((0, 0), 1, ["b0", "b1"]),
        ((1, 1), 2, ["b0 b1", "b1 b0"]),
        ((1, 1), 5, ["b0 b1", "b1 b0"]),
    ],
    ids=str,
)
def test_round_robin_goes_round_in_the_order_written(weights, answers, steps):
    assert turn(find("round-robin").plan(candidates(*weights), choice(answers))) == steps


def test_round_robin_with_more_answers_is_even():
    node = find("round-robin").plan(candidates(5, 1, 1, 1), choice(answers=3))
    assert isinstance(node, Cycle)
    assert set(inclusion(node).values()) == {Fraction(3, 4)}
