"""Operator states of pools: what they do to parents, services and shares."""

from __future__ import annotations

import pytest
from making import DOWN, backend, compiled, inclusion, pool, service

from dnslb.config.model import WhenDown
from dnslb.health.standing import OperatorState, Standing
from dnslb.policy.compile import Compiler
from dnslb.policy.forecast import grow
from dnslb.policy.plan import Answer

A, B, C = map(backend, "abc")
DRAIN = Standing(state=OperatorState.DRAIN)
UP = Standing(state=OperatorState.UP)


def nested():
    """`p` over `q` (a, b) and c."""
    inner = pool(A, B, name="q", strategy="round-robin")
    return inner, pool(inner, C, strategy="round-robin")


def served(of, standings, **options):
    return set(inclusion(compiled(of, standings=standings, **options).a))


@pytest.mark.parametrize("state", [OperatorState.DRAIN, OperatorState.DOWN])
def test_a_pool_that_is_withheld_leaves_its_parents(state):
    inner, outer = nested()
    assert served(outer, {inner.id: Standing(state=state)}) == {"c"}
    assert served(outer, {}) == {"a", "b", "c"}


def test_its_backends_go_on_elsewhere():
    inner, _ = nested()
    other = pool(A, C, name="o", strategy="round-robin")
    assert served(pool(inner, other, strategy="round-robin"), {inner.id: DRAIN}) == {"a", "c"}


def test_a_service_over_a_withheld_pool_is_down():
    of = pool(A)
    plan = compiled(of, standings={of.id: DRAIN}, when_down=WhenDown("nodata"))
    assert plan.a == Answer((), 30)
    assert served(of, {of.id: DRAIN}) == {"a"}  # serve-all: there is nothing else


def test_serving_all_leaves_withheld_pools_out_while_there_are_others():
    inner, outer = nested()
    assert served(outer, {inner.id: DRAIN, C.id: DOWN}) == {"c"}
    assert served(outer, {inner.id: DRAIN, C.id: DRAIN}) == {"a", "b", "c"}


def test_a_pool_that_is_forced_up_serves_though_its_members_are_down():
    inner, outer = nested()
    down = {A.id: DOWN, B.id: DOWN}
    assert served(outer, down) == {"c"}
    assert served(outer, {**down, inner.id: UP}) == {"a", "b", "c"}
    assert served(outer, {A.id: DOWN, inner.id: UP}) == {"b", "c"}
    assert served(outer, {A.id: DOWN, B.id: DRAIN, inner.id: UP}) == {"a", "c"}


def test_the_forecast_says_who_is_out_and_why():
    inner, outer = nested()
    compiler = Compiler({inner.id: DRAIN})
    root = grow(compiler, service(outer))
    assert [one.share for one in root.members] == [0, 1]
    assert root.members[0].out == "drained by the operator"
    raised = grow(Compiler({inner.id: UP, A.id: DOWN, B.id: DOWN}), service(outer))
    assert [one.share for one in raised.members[0].members] == [0.5, 0.5]
