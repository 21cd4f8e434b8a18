"""Forecasts: the intended share of each branch."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st
from making import DOWN, backend, compiled, inclusion, pool, service

from dnslb.config.model import Rule, WhenDown
from dnslb.health.standing import OperatorState, Standing
from dnslb.policy.compile import Compiler
from dnslb.policy.forecast import Of, grow, within

DRAINED = Standing(state=OperatorState.DRAIN)
STRATEGIES = ["weighted", "round-robin", "failover", "all", "subnet", "least-load", "fastest"]


def grown(of, standings=None, **options):
    return grow(Compiler(standings or {}), service(of, **options))


def shares(branch):
    return [member.share for member in branch.members]


def test_weights_are_shares_and_who_is_out_has_none():
    a, b, c = map(backend, "abc")
    root = grown(pool((a, 3), (b, 1), c), {c.id: DRAINED})
    assert shares(root) == [0.75, 0.25, 0]
    assert [member.out for member in root.members] == ["", "", "drained by the operator"]
    assert (root.members[0].kind, root.members[0].name) == ("backend", "p/a")
    assert (root.share, root.up, root.strategy) == (1.0, True, "weighted")


def test_several_in_one_answer_count_each():
    assert shares(grown(pool(*map(backend, "abcd"), strategy="all"))) == [0.25] * 4
    assert shares(grown(pool(*map(backend, "abc")), answers=2)) == pytest.approx([1 / 3] * 3)


def test_either_family_is_enough():
    root = grown(pool(backend("a", "4"), backend("b", "6"), strategy="round-robin"))
    assert shares(root) == [0.5, 0.5]


def test_a_pool_that_stands_twice_has_the_share_of_both_places():
    inner = pool(backend("a"), name="q")
    root = grown(pool((inner, 1), (backend("b"), 2), (inner, 3)))
    assert shares(root) == pytest.approx([1 / 6, 1 / 3, 1 / 2])


def test_who_is_down_leaves_a_pool_without_answers():
    inner = pool(backend("a"), name="q")
    root = grown(pool(inner, backend("b")), {backend("a").id: DOWN})
    assert shares(root) == [0, 1]
    assert root.members[0].out == "down: 0 of 1 members up, min_up is 1"
    assert shares(root.members[0]) == [0]


@pytest.mark.parametrize(("action", "share"), [("serve-all", 1.0), ("nodata", 0.0)])
def test_a_service_that_is_down(action, share):
    down = {backend("a").id: DOWN}
    root = grown(pool(backend("a")), down, when_down=WhenDown(action))
    assert (root.up, shares(root)) == (False, [share])


def test_clients_decide_on_the_members_of_geo_and_shares_go_on_below():
    europe = pool((backend("a"), 3), backend("b"), name="europe")
    world = pool(europe, backend("c"), strategy="geo")
    rule = Rule(continents=frozenset({"EU", "AF"}), asns=frozenset({64500}))
    first = replace(world.members[0], rule=rule)
    root = grown(replace(world, members=(first, *world.members[1:])))
    assert shares(root) == [None, None]
    assert [member.condition for member in root.members] == [
        "continent AF or EU, AS 64500",
        "everyone else",
    ]
    assert within(root) == {
        Of(backend("a").id, "europe"): 0.75,
        Of(backend("b").id, "europe"): 0.25,
        Of(backend("c").id, "p"): 1.0,
    }


@st.composite
def nested(draw):
    """Pools of pools of distinct backends, with states."""
    names = iter(f"b{number}" for number in range(1, 30))
    standings = {}

    def grow_pool(depth):
        members = []
        for _ in range(draw(st.integers(1, 3))):
            if depth < 2 and draw(st.booleans()):
                made = grow_pool(depth + 1)
            else:
                made = backend(next(names))
                state = draw(st.sampled_from([None, None, DOWN, DRAINED, Standing(load=0.5)]))
                if state:
                    standings[made.id] = state
            members.append((made, draw(st.integers(0, 3))))
        strategy = draw(st.sampled_from(STRATEGIES))
        return pool(*members, strategy=strategy, name=f"p{id(members)}")

    return grow_pool(0), standings


@given(nested(), st.integers(1, 2))
def test_shares_multiplied_are_those_of_the_plan_that_is_published(made, answers):
    of, standings = made
    plan = compiled(of, standings=standings, answers=answers).a
    carried = {name: chance for name, chance in inclusion(plan).items() if chance}
    found = {
        key.backend.name: share
        for key, share in within(grown(of, standings, answers=answers)).items()
        if share
    }
    assert found.keys() == carried.keys()
    if answers == 1 and not any(one.strategy.name == "all" for one in pools(of)):
        # else pools that put several backends into an answer are in more of the sum
        total = sum(carried.values())
        for name, share in found.items():
            assert share == pytest.approx(float(Fraction(carried[name]) / total))


def pools(of):
    yield of
    for member in of.members:
        if hasattr(member.of, "members"):
            yield from pools(member.of)
