"""Lifting: a plan with one `Network` at most, its root.

    Cycle(Network(m, (a, b)), c)          ─▶ Network(m, (Cycle(a, c), Cycle(b, c)))
    Network(m, (Network(n, (a, b)), c))   ─▶ Network(m refined by n where it leads, (a, b, c))
    Network(m, (a, a))                    ─▶ a

What an answer may be then depends on one map, so the networks over which it is constant do not
overlap: they are the scopes that resolvers are told (RFC 7871 section 7.2.1), the fewest there can
be. Each choice takes turns by itself, so shares are exact within every one.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from dnslb.errors import PlanError
from dnslb.policy.plan import (
    MAX_CHOICES,
    Answer,
    Cycle,
    Hash,
    HashChoice,
    Network,
    Node,
    Random,
    WeightedChoice,
)
from dnslb.policy.walk import children

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from dnslb._engine import NetworkMap

__all__ = ["lifted"]


def lifted(root: Node) -> Node:
    """`root`, which answers every client as it did, in that form.

    Raises:
        PlanError: networks that nest make more choices than a plan can have.
    """
    return _Lift().node(root).root()


class _Lifted:
    """A plan in that form: nodes, and which network leads to which; no map is for everybody."""

    def __init__(self, nodes: Sequence[Node], by: NetworkMap | None = None) -> None:
        self.nodes = nodes
        self.map = by

    def root(self) -> Node:
        """As one node."""
        if self.map is None:
            return self.nodes[0]
        return Network(self.map, tuple(self.nodes))


class _Lift:
    """Lifts the nodes of one plan, each once."""

    def __init__(self) -> None:
        self._done: dict[int, _Lifted] = {}

    def node(self, node: Node) -> _Lifted:
        """`node` and what is below it."""
        done = self._done.get(id(node))
        if done is None:
            done = self._done[id(node)] = self._lift(node)
        return done

    def _lift(self, node: Node) -> _Lifted:
        if isinstance(node, Answer):
            return _Lifted([node])
        distinct = {id(child): child for child in children(node)}
        below = {key: self.node(child) for key, child in distinct.items()}
        if isinstance(node, Network):
            return self._network(node, below)
        if all(one.map is None for one in below.values()):
            return _Lifted([node])
        # every combination of what the children lead to that some network meets
        by: NetworkMap | None = None
        combinations: list[dict[int, Node]] = [{}]
        for key, one in below.items():
            if one.map is None:
                combinations = [{**have, key: one.nodes[0]} for have in combinations]
            elif by is None:
                by = one.map
                combinations = [{**combinations[0], key: each} for each in one.nodes]
            else:
                by, pairs = by.product(one.map)
                _check(len(pairs))
                combinations = [
                    {**combinations[had], key: one.nodes[label]} for had, label in pairs
                ]
        return _merged(by, [_with(node, have) for have in combinations])

    def _network(self, node: Network, below: Mapping[int, _Lifted]) -> _Lifted:
        by = node.map
        # a label and the nodes below that it stands for: those of its own choice
        labels: list[tuple[int, Node | None]] = [
            (label, None) for label in range(len(node.choices))
        ]
        for label, choice in enumerate(node.choices):
            one = below[id(choice)]
            if one.map is None:
                labels[label] = label, one.nodes[0]
        for label, choice in enumerate(node.choices):
            one = below[id(choice)]
            if one.map is None:
                continue
            product, pairs = by.product(one.map)
            # only what leads to this choice is cut finer
            numbers: dict[tuple[int, Node | None], int] = {}
            order = []
            for had, inner in pairs:
                outer, known = labels[had]
                key = (outer, one.nodes[inner]) if outer == label else (outer, known)
                order.append(numbers.setdefault(key, len(numbers)))
            by, labels = product.relabel(order), list(numbers)
            _check(len(labels))
        return _merged(by, [found for _, found in labels if found is not None])


def _with(node: Node, have: Mapping[int, Node]) -> Node:
    """`node` with other children: those that `have` gives for the object that stood there."""
    if isinstance(node, Cycle):
        return Cycle(tuple(have[id(step)] for step in node.steps))
    if isinstance(node, Random):
        choices = (WeightedChoice(weight, have[id(child)]) for weight, child in node.choices)
        return Random(tuple(choices))
    assert isinstance(node, Hash)  # noqa: S101 - no other node has children to exchange
    bound = (HashChoice(key, weight, have[id(child)]) for key, weight, child in node.choices)
    return replace(node, choices=tuple(bound))


def _merged(by: NetworkMap | None, nodes: Sequence[Node]) -> _Lifted:
    """Equal nodes as one, and networks that lead to them likewise."""
    numbers: dict[Node, int] = {}
    order = [numbers.setdefault(node, len(numbers)) for node in nodes]
    if by is None or len(numbers) == 1:
        return _Lifted([nodes[0]])
    if order == list(range(len(nodes))):
        return _Lifted(nodes, by)
    return _Lifted(list(numbers), by.relabel(order))


def _check(choices: int) -> None:
    if choices > MAX_CHOICES:
        raise PlanError(f"networks that nest make {choices} choices; {MAX_CHOICES} are possible")
