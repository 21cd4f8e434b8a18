"""What a pool spills, as the engine answers it."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace

import pytest
from test_engine_plans import Asked, said

from dnslb.config.model import Spill
from dnslb.health.standing import Standing
from dnslb.policy.plan import Answer
from dnslb.policy.walk import chances
from policy.making import TTL, backend, compiled, pool

A, B, C = (backend(name) for name in "abc")


def plan(**loads):
    spilling = replace(pool(A, B, C, strategy="failover"), spill=Spill(0.8, 1.0))
    standings = {backend(name).id: Standing(load=load) for name, load in loads.items()}
    return compiled(spilling, standings=standings).a


@pytest.mark.parametrize(
    ("loads", "shares"),
    [
        ({"a": 0.7}, {"a": 100}),
        ({"a": 0.85, "b": 0.9, "c": 0.1}, {"a": 75, "b": 13, "c": 12}),
        ({"a": 1.0, "b": 0.2}, {"b": 100}),
        ({"a": 1.2, "b": 1.2, "c": 1.2}, {"a": 100}),
    ],
    ids=["room", "some", "full", "nobody-has-room"],
)
def test_spilled_shares_are_answered(loads, shares):
    root = plan(**loads)
    asked = Asked(root)
    walked = {leaf.backends[0].id.name: chance for leaf, chance in chances(root)}
    assert walked == pytest.approx({name: share / 100 for name, share in shares.items()})
    answers = Counter(asked.answer() for _ in range(100))
    assert answers == {said(Answer((backend(name),), TTL)): share for name, share in shares.items()}
