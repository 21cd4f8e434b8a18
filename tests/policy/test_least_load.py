"""Least load: shares follow weight and room."""

from __future__ import annotations

from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dnslb.policy.strategies import find
from dnslb.policy.strategies.least_load import STEPS, room
from policy.making import candidates, choice, inclusion, spread

loads = st.none() | st.floats(0, 1000)


def plan(weights, known, answers=1):
    return find("least-load").plan(candidates(*weights, loads=known), choice(answers))


@pytest.mark.parametrize(
    ("weights", "known", "parts"),
    [
        ((1, 1, 1), (0.2, 0.5, 0.8), (8, 5, 2)),
        ((1, 1), (0.0, 1.0), (100, 1)),
        ((1, 1), (0.0, 7.5), (100, 1)),
        ((1, 1, 1), (1.0, 1.3, 99.0), (1, 1, 1)),
        ((3, 1), (1.0, 2.0), (3, 1)),
        ((1, 1, 1), (0.2, 0.8, None), (8, 2, 5)),
        ((2, 1), (None, None), (2, 1)),
        ((3, 1), (0.5, 0.5), (3, 1)),
        ((1, 2), (0.5, 0.75), (1, 1)),
        ((1, 0), (0.99, 0.0), (1, 0)),
        ((0, 0), (0.5, 0.75), (2, 1)),
    ],
    ids=[
        "room",
        "full",
        "overload",
        "all-full",
        "all-full-by-weight",
        "unknown-is-the-mean",
        "none-known",
        "weights",
        "weights-and-room",
        "weight-nought-stands-by",
        "all-weights-nought",
    ],
)
def test_shares(weights, known, parts):
    assert spread(plan(weights, known)) == {
        f"b{place}": Fraction(part, sum(parts)) for place, part in enumerate(parts) if part
    }


@given(st.lists(st.tuples(st.integers(1, 100), loads), min_size=1, max_size=8))
def test_nobody_starves_and_more_load_never_means_more_traffic(members):
    weights, known = zip(*members, strict=True)
    shares = spread(plan(weights, known))
    assert set(shares) == {f"b{place}" for place in range(len(members))}
    per_weight = sorted(
        (load, -shares[f"b{place}"] / weight)
        for place, (weight, load) in enumerate(members)
        if load is not None
    )
    assert [part for _, part in per_weight] == sorted(part for _, part in per_weight)


def test_two_answers_carry_the_idle_one_always():
    assert inclusion(plan((1, 1, 1), (0.0, 1.0, 1.0), answers=2)) == {
        "b0": 1,
        "b1": Fraction(1, 2),
        "b2": Fraction(1, 2),
    }


@pytest.mark.parametrize(
    ("load", "left"),
    [(0, STEPS), (-1, STEPS), (0.004, STEPS), (0.5, 50), (0.995, 1), (1, 1), (9, 1)],
)
def test_room_counts_in_whole_steps(load, left):
    assert room(load) == left
