"""Joining: one answer that carries what several nodes would answer.

    join(a, b)               ─▶ Answer(a, b)
    join(a, Cycle(b, c, b))  ─▶ Cycle(ab, ac, ab): the pool's own plan goes on inside

So `all` over pools answers with each pool's own pick. CNAMEs stand alone (RFC 2181 section 10.1):
beside addresses they are left out, and of several the first stays. Targets that SRV and MX records
name stand beside all others.
"""

from __future__ import annotations

import math
from functools import partial, reduce
from typing import TYPE_CHECKING, Final

from dnslb.policy.plan import (
    MAX_DEPTH,
    Answer,
    Cycle,
    Hash,
    HashChoice,
    Network,
    Node,
    Random,
    WeightedChoice,
)
from dnslb.policy.walk import chances, children

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

__all__ = ["join", "mapped"]

MAX_JOINED: Final = 1024
"""The most leaves that joining may make."""


def join(nodes: Sequence[Node], ttl: int, *, named: bool = False) -> Node:
    """A plan whose every answer carries one answer of each of `nodes`.

    `named` says that records name the targets, so that these are no CNAMEs.
    """
    joined = partial(_joined, ttl, named)
    leaves = [[leaf for leaf, _ in chances(node)] for node in nodes]
    if math.prod(map(len, leaves)) > MAX_JOINED or sum(map(_depth, nodes)) > MAX_DEPTH // 2:
        # too many combinations to tell apart: all of them at once
        return joined(leaf for node in leaves for leaf in node)
    return reduce(partial(_product, joined), nodes)


def _product(joined: Callable[[Iterable[Answer]], Answer], first: Node, second: Node) -> Node:
    if not isinstance(first, Answer):
        return mapped(first, lambda leaf: _product(joined, leaf, second))
    if not isinstance(second, Answer):
        return mapped(second, lambda leaf: joined((first, leaf)))
    return joined((first, second))


def _joined(ttl: int, named: bool, leaves: Iterable[Answer]) -> Answer:  # noqa: FBT001
    """The backends of `leaves` in one answer; a CNAME only where there is nothing else."""
    backends = list(dict.fromkeys(backend for leaf in leaves for backend in leaf.backends))
    if named:
        return Answer(tuple(backends), ttl)
    addresses = tuple(backend for backend in backends if backend.target is None)
    return Answer(addresses or tuple(backends[:1]), ttl)


def mapped(node: Node, change: Callable[[Answer], Node]) -> Node:
    """`node` with every leaf changed; what was one object stays one."""
    done: dict[int, Node] = {}

    def visit(node: Node) -> Node:
        if id(node) not in done:
            done[id(node)] = rebuild(node)
        return done[id(node)]

    def rebuild(node: Node) -> Node:
        if isinstance(node, Answer):
            return change(node)
        if isinstance(node, Cycle):
            return Cycle(tuple(visit(step) for step in node.steps))
        if isinstance(node, Random):
            return Random(
                tuple(WeightedChoice(weight, visit(child)) for weight, child in node.choices)
            )
        if isinstance(node, Network):
            return Network(node.map, tuple(visit(choice) for choice in node.choices))
        return Hash(
            tuple(HashChoice(key, weight, visit(child)) for key, weight, child in node.choices),
            node.prefix,
            node.slots,
            node.bound,
        )

    return visit(node)


def _depth(node: Node) -> int:
    distinct = {id(child): child for child in children(node)}
    return 1 + max(map(_depth, distinct.values()), default=0)
