"""Strategies of the operator's own: what they return is checked, and their failures are told."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

import pytest

from dnslb.config.model import Prefix
from dnslb.errors import PlanError
from dnslb.policy.compile import Compiler
from dnslb.policy.plan import (
    MAX_DEPTH,
    Answer,
    Cycle,
    Hash,
    HashChoice,
    LoadBound,
    Random,
    Share,
    WeightedChoice,
)
from dnslb.policy.strategies import Strategy
from policy.making import TTL, backend, choice, pool, service, spread

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from dnslb.policy.plan import Node
    from dnslb.policy.strategies import Candidate, Choice

A, B = backend("a"), backend("b")
LEAF = Answer((A,), TTL)


class Own(Strategy):
    """Whatever a function makes of the candidates."""

    name = "own"

    def __init__(self, make: Callable[[Sequence[Candidate], Choice], Node]) -> None:
        self._make = make

    def plan(self, candidates: Sequence[Candidate], choice: Choice) -> Node:
        return self._make(candidates, choice)


def compiled(make, *members, **options):
    of = pool(*(members or (A, B)), strategy=Own(make))
    return Compiler({}).service(service(of, **options)).a


def test_its_plan_is_the_pools():
    node = compiled(lambda candidates, _: candidates[-1].node)
    assert spread(node) == {"b": 1}


def test_it_joins_answers():
    node = compiled(lambda candidates, choice: choice.join(candidates[::-1]), answers=2)
    assert spread(node) == {"b a": 1}


def test_it_is_told_what_is_asked():
    seen = []

    def make(candidates, choice):
        seen.append(([one.key for one in candidates], choice.answers, choice.prefix))
        return candidates[0].node

    compiled(make, answers=2)
    assert seen == [(["p/a", "p/b"], 2, Prefix())]


def test_it_nests():
    inner = pool(A, B, strategy=Own(lambda candidates, _: candidates[1].node), name="inner")
    plan = Compiler({}).service(service(pool(inner, backend("c"))))
    assert spread(plan.a) == {"b": 0.5, "c": 0.5}


def raising(*_):
    raise RuntimeError("no idea")


def chain(length):
    node = LEAF
    for _ in range(length - 1):
        node = Cycle((node,))
    return node


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (raising, "RuntimeError('no idea')"),
        (lambda *_: None, "returned None, which is no plan node"),
        (lambda *_: A, "which is no plan node"),
        (lambda *_: Cycle(()), "returned a Cycle without branches"),
        (lambda *_: Random(()), "returned a Random without branches"),
        (lambda *_: Hash(()), "returned a Hash without branches"),
        (lambda *_: Cycle((LEAF, "a")), "returned 'a', which is no plan node"),
        (lambda *_: Answer(("a",), TTL), "something in it that is no backend"),
        (lambda *_: Random((WeightedChoice(0, LEAF),)), "returned a weight of 0"),
        (lambda *_: Random((WeightedChoice(-1, LEAF),)), "returned a weight of -1"),
        (lambda *_: Random((WeightedChoice(float("nan"), LEAF),)), "returned a weight of nan"),
        (lambda *_: Hash((HashChoice("k", float("inf"), LEAF),)), "returned a weight of inf"),
        (lambda *_: Random((WeightedChoice("1", LEAF),)), "TypeError"),
        (lambda *_: Random(((1, LEAF),)), "AttributeError"),
        (lambda *_: chain(MAX_DEPTH + 1), f"returned a plan of more than {MAX_DEPTH} levels"),
    ],
    ids=[
        "raises",
        "none",
        "backend",
        "empty-cycle",
        "empty-random",
        "empty-hash",
        "text-as-step",
        "text-as-backend",
        "weight-0",
        "weight-negative",
        "weight-nan",
        "weight-infinite",
        "weight-text",
        "plain-tuple",
        "too-deep",
    ],
)
def test_nonsense_is_told(make, message):
    prefix = "pool p of zone example.: strategy Own: "
    with pytest.raises(PlanError, match=re.escape(prefix) + ".*" + re.escape(message)):
        compiled(make)


def test_the_deepest_plan_is_taken():
    assert spread(compiled(lambda *_: chain(MAX_DEPTH))) == {"a": 1}


X = backend("x", target="x.example.net.")

ENGINE_REFUSES = {
    "target-not-alone": Answer((X, A), TTL),
    "negative-ttl": Answer((A,), -1),
    "no-slots": Hash((HashChoice("k", 1, LEAF),), slots=0),
    "prefix-too-long": Hash((HashChoice("k", 1, LEAF),), Prefix(33, 56)),
    "bound-below-1": Hash((HashChoice("k", 1, LEAF),), bound=LoadBound(0.9)),
    "bound-without-end": Hash((HashChoice("k", 1, LEAF),), bound=LoadBound(float("inf"))),
    "bound-among-weight-0": Hash(
        (HashChoice("k", 1, LEAF),), bound=LoadBound(1.1, (Share("k", 0),))
    ),
    "bound-key-of-another-type": Hash(
        (HashChoice("k", 1, LEAF),), bound=LoadBound(1.1, (Share(1, 1),))
    ),
    "key-of-another-type": Hash((HashChoice(1, 1, LEAF),)),
    "too-many-choices": Random((WeightedChoice(1, LEAF),) * 65_536),
    "too-many-slots": Hash((HashChoice("k", 1, LEAF),), slots=65_537),
    "weights-beyond-floats": Random((WeightedChoice(1e308, LEAF), WeightedChoice(1e308, LEAF))),
}


@pytest.mark.parametrize("node", ENGINE_REFUSES.values(), ids=ENGINE_REFUSES)
def test_what_the_engine_refuses_is_told(node):
    with pytest.raises(PlanError, match="strategy Own"):
        compiled(lambda *_: node)


@pytest.mark.parametrize(
    ("strategy", "expected"),
    [("failover", {"": 1}), ("round-robin", {"": 0.5, "b": 0.5}), ("all", {"b": 1})],
)
def test_an_empty_answer_nests(strategy, expected):
    inner = pool(A, strategy=Own(lambda *_: Answer((), TTL)), name="inner")
    plan = Compiler({}).service(service(pool(inner, B, strategy=strategy)))
    assert spread(plan.a) == expected


@dataclass
class Unhashable(Strategy):
    """A dataclass compares by its fields, so Python makes it unhashable."""

    name = "unhashable"
    place: int = 0

    def plan(self, candidates: Sequence[Candidate], choice: Choice) -> Node:
        return choice.join(candidates[self.place :])


def test_a_dataclass_is_a_strategy_too():
    assert spread(Compiler({}).service(service(pool(A, strategy=Unhashable()))).a) == {"a": 1}


def test_a_built_in_name_does_not_make_it_built_in():
    strategy = Own(lambda *_: None)
    strategy.name = "weighted"
    with pytest.raises(PlanError, match="no plan node"):
        Compiler({}).service(service(pool(A, strategy=strategy)))


def test_helpers_join_like_the_compiler():
    of = pool(A, B, strategy=Own(lambda candidates, choice: choice.join(candidates)))
    by_compiler = Compiler({}).service(service(of)).a
    seen = []
    compiled(lambda candidates, _: seen.extend(candidates) or LEAF)
    assert choice().join(seen) == by_compiler
