"""Spilling: who takes over what a member has no room for, and how much of it."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dnslb.config.model import Spill
from dnslb.health.standing import Standing
from dnslb.policy.spill import cascade, spilled
from policy.making import backend, compiled, even, inclusion, pool, spread

A, B, C, D = (backend(name) for name in "abcd")
SPILL = Spill(0.8, 1.0)


def loads(**by_name):
    return {backend(name).id: Standing(load=load) for name, load in by_name.items()}


def spilling(*members, strategy="failover", spill=SPILL, name="p"):
    return replace(pool(*members, strategy=strategy, name=name), spill=spill)


@pytest.mark.parametrize(
    ("load", "part"),
    [(None, 0), (0.0, 0), (0.8, 0), (0.85, 0.25), (0.9, 0.5), (1.0, 1), (1.7, 1)],
)
def test_the_part_that_goes_on(load, part):
    assert spilled(load, SPILL) == part
    assert spilled(load, None) == 0


@given(st.lists(st.floats(0, 1), min_size=1, max_size=6))
def test_a_cascade_shares_out_everything(parts):
    shares = cascade(parts)
    assert sum(shares) == pytest.approx(1)
    assert all(share >= 0 for share in shares)
    if 0 in parts:
        assert not any(shares[parts.index(0) + 1 :])


def test_backends_of_a_failover_pool_spill_to_the_next():
    plan = compiled(spilling(A, B, C), standings=loads(a=0.85, b=0.9, c=0.1)).a
    assert spread(plan) == {"a": Fraction(3, 4), "b": Fraction(13, 100), "c": Fraction(12, 100)}


def test_without_load_nothing_spills():
    assert spread(compiled(spilling(A, B)).a) == even("a")
    assert spread(compiled(spilling(A, B), standings=loads(a=0.8)).a) == even("a")


def test_without_spill_load_moves_nobody():
    assert spread(compiled(pool(A, B, strategy="failover"), standings=loads(a=1.5)).a) == even("a")


def test_when_nobody_has_room_clients_stay_at_home():
    assert spread(compiled(spilling(A, B), standings=loads(a=1.2, b=1.2)).a) == even("a")


def test_a_pool_spills_by_the_load_that_its_clients_meet():
    east = spilling((A, 3), B, strategy="weighted", name="east")
    plan = compiled(pool(east, C, strategy="failover"), standings=loads(a=1.0, b=0.6)).a
    assert spread(plan) == {
        "a": Fraction(3, 8),
        "b": Fraction(1, 8),
        "c": Fraction(1, 2),
    }


def test_a_pool_under_a_strategy_without_order_spills_nowhere():
    east = spilling(A, strategy="weighted", name="east")
    plan = compiled(pool(east, C, strategy="weighted"), standings=loads(a=1.0)).a
    assert spread(plan) == even("a", "c")


def test_what_is_down_is_passed_over():
    plan = compiled(spilling(A, B, C), "b", standings=loads(a=0.9)).a
    assert spread(plan) == even("a", "c")


def test_with_several_answers_the_lead_moves():
    plan = compiled(spilling(A, B, C), standings=loads(a=0.9), answers=2).a
    assert spread(plan) == {"a b": Fraction(1, 2), "b c": Fraction(1, 2)}
    assert inclusion(plan)["b"] == 1


def test_without_spill_several_answers_are_the_first_that_are_up():
    assert spread(compiled(spilling(A, B, C), answers=2).a) == {"a b": 1}
