"""Failover, fastest and all: the strategies that weights do not lead."""

from __future__ import annotations

from fractions import Fraction

import pytest

from dnslb.policy.strategies import find
from policy.making import candidates, choice, inclusion, names, spread, turn


@pytest.mark.parametrize(
    ("weights", "answers", "expected"),
    [
        ((1, 1, 1), 1, "b0"),
        ((1, 9, 9), 1, "b0"),
        ((0, 1), 1, "b0"),
        ((1, 1, 1), 2, "b0 b1"),
        ((1, 1), 9, "b0 b1"),
    ],
    ids=["first", "weights-play-no-part", "nor-does-nought", "two", "more-than-there-are"],
)
def test_failover(weights, answers, expected):
    assert names(find("failover").plan(candidates(*weights), choice(answers))) == expected


@pytest.mark.parametrize(
    ("weights", "latencies", "parts"),
    [
        ((1, 1, 1), (40.0, 12.0, 90.0), {"b1": 1}),
        ((1, 1, 1), (100.0, 109.0, 111.0), {"b0": 1, "b1": 1}),
        ((1, 1, 1), (1.0, 2.0, 2.1), {"b0": 1, "b1": 1}),
        ((3, 1), (5.0, 5.0), {"b0": 3, "b1": 1}),
        ((1, 1), (None, 500.0), {"b1": 1}),
        ((2, 1), (None, None), {"b0": 2, "b1": 1}),
        ((0, 1), (1.0, 500.0), {"b1": 1}),
        ((0, 0), (1.0, 500.0), {"b0": 1}),
    ],
    ids=[
        "the-fewest-milliseconds",
        "within-a-tenth",
        "within-a-millisecond",
        "turns-by-weight",
        "unknown-waits",
        "none-known",
        "weight-nought-stands-by",
        "all-weights-nought",
    ],
)
def test_fastest(weights, latencies, parts):
    node = find("fastest").plan(candidates(*weights, latencies=latencies), choice())
    total = sum(parts.values())
    assert spread(node) == {name: Fraction(part, total) for name, part in parts.items()}


@pytest.mark.parametrize(
    ("latencies", "answers", "parts"),
    [
        ((10.0, 50.0, 900.0), 2, {"b0": 1, "b1": 1}),
        ((10.0, 50.0, 52.0), 1, {"b0": 1}),
        ((10.0, 10.0, 10.0), 2, dict.fromkeys(("b0", "b1", "b2"), Fraction(2, 3))),
        ((10.0, None, None), 2, {"b0": 1}),
    ],
    ids=["the-next-best", "one", "equals-take-turns", "unknown-waits"],
)
def test_fastest_with_more_answers(latencies, answers, parts):
    node = find("fastest").plan(candidates(1, 1, 1, latencies=latencies), choice(answers))
    assert inclusion(node) == parts


def test_fastest_with_more_answers_never_leaves_out_the_best():
    of = candidates(1, 1, 1, latencies=(10.0, 50.0, 52.0))
    node = find("fastest").plan(of, choice(answers=2))
    assert inclusion(node) == {"b0": 1, "b1": Fraction(1, 2), "b2": Fraction(1, 2)}


@pytest.mark.parametrize("answers", [1, 2, 5])
def test_all_are_in_every_answer_and_lead_in_turn(answers):
    node = find("all").plan(candidates(5, 0, 1), choice(answers))
    assert turn(node) == ["b0 b1 b2", "b1 b2 b0", "b2 b0 b1"]


def test_all_of_one():
    of = candidates(1)
    assert find("all").plan(of, choice()) is of[0].node
