"""Pools in pools: shares multiply, what is down falls out, and `all` joins."""

from __future__ import annotations

from fractions import Fraction

from dnslb.health.standing import Standing
from dnslb.policy.plan import Hash
from policy.making import backend, compiled, even, inclusion, pool, spread

A, B, C, D = (backend(name) for name in "abcd")
HALF = Fraction(1, 2)


def test_a_pool_has_the_share_of_its_weight():
    inner = pool(A, (B, 3), name="inner")
    assert spread(compiled(pool((inner, 2), C)).a) == {
        "a": Fraction(1, 6),
        "b": Fraction(1, 2),
        "c": Fraction(1, 3),
    }


def test_a_pool_that_is_down_is_left_out():
    inner = pool(A, B, name="inner")
    assert spread(compiled(pool(inner, C, strategy="failover"), "ab").a) == even("c")


def test_a_pool_without_the_family_is_left_out():
    inner = pool(A, name="inner")
    plan = compiled(pool(inner, backend("b", "46"), strategy="failover"))
    assert spread(plan.a) == even("a")
    assert spread(plan.aaaa) == even("b")


def test_the_number_of_answers_is_the_nested_pools():
    east, west = pool(A, B, C, name="east"), pool(D, name="west")
    plan = compiled(pool(east, west, strategy="failover"), answers=2)
    assert inclusion(plan.a) == dict.fromkeys("abc", Fraction(2, 3))


def test_all_joins_what_each_pool_would_answer():
    east, west = pool(A, B, name="east"), pool(C, D, name="west")
    plan = compiled(pool(east, west, strategy="all"))
    pairs = [{x, y} for x in "ab" for y in "cd"]
    assert inclusion(plan.a) == dict.fromkeys("abcd", HALF)
    found = spread(plan.a)
    assert {frozenset(answer.split()) for answer in found} == set(map(frozenset, pairs))
    # either pool leads half of the answers, each of its backends half of those
    assert set(found.values()) == {Fraction(1, 8)}


def test_all_joins_too_many_combinations_into_one():
    pools = [
        pool(*[backend(f"b{16 * row + place}") for place in range(8)], name=f"p{row}")
        for row in range(4)
    ]
    found = inclusion(compiled(pool(*pools, strategy="all")).a)
    assert len(found) == 32
    assert set(found.values()) == {1}


def test_all_over_a_hash_keeps_each_clients_own():
    bound = pool(A, B, strategy="subnet", name="bound")
    steps = compiled(pool(bound, C, strategy="all")).a.steps
    assert all(isinstance(step, Hash) for step in steps)
    assert set(spread(steps[0])) == {"a c", "b c"}


def test_a_pools_load_is_what_a_query_to_it_meets():
    inner = pool((A, 3), B, name="inner")
    known = {
        A.id: Standing(load=0.0),
        B.id: Standing(load=0.8),
        C.id: Standing(load=0.4),
    }
    plan = compiled(pool(inner, C, strategy="least-load"), standings=known)
    assert spread(plan.a)["c"] == Fraction(60, 140)


def test_a_pools_load_is_that_of_the_backends_that_report():
    inner = pool(A, B, name="inner")
    known = {A.id: Standing(load=0.6), C.id: Standing(load=0.2)}
    plan = compiled(pool(inner, C, strategy="least-load"), standings=known)
    assert spread(plan.a)["c"] == Fraction(80, 40 + 80)


def test_a_diamond_is_one_node():
    shared = pool(A, B, name="shared")
    left, right = pool(shared, C, name="left"), pool(shared, D, name="right")
    plan = compiled(pool(left, right))
    inner = {id(step.steps[0]) for step in plan.a.steps}
    assert len(inner) == 1
    assert spread(plan.a) == dict.fromkeys("abcd", Fraction(1, 4))
