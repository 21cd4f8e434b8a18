"""Whether a node is a plan that the engine takes: asked of strategies that operators bring along.

The engine asks again when a plan is published, and refuses all that is published with it. Asked
here, one bad strategy holds up its own services only.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from dnslb.config.model import Backend
from dnslb.errors import PlanError
from dnslb.policy.plan import (
    MAX_CHOICES,
    MAX_DEPTH,
    Answer,
    Hash,
    Network,
    Node,
    Random,
    Rcode,
)
from dnslb.policy.walk import children

if TYPE_CHECKING:
    from collections.abc import Sequence

    from dnslb.policy.plan import HashChoice, LoadBound, Share, WeightedChoice

__all__ = ["checked"]


def checked(node: Node, depth: int = MAX_DEPTH, *, named: bool = False) -> Node:
    """`node`, which is a plan of at most `depth` levels that the engine takes.

    Targets stand alone in an answer, unless they are `named` by records.

    Raises:
        PlanError: it is none.
    """
    if not isinstance(node, Node):
        raise PlanError(f"returned {node!r}, which is no plan node")
    if not depth:
        raise PlanError(f"returned a plan of more than {MAX_DEPTH} levels")
    if isinstance(node, Answer):
        _check_answer(node, named=named)
        return node
    if not children(node):
        raise PlanError(f"returned a {type(node).__name__} without branches")
    if isinstance(node, Random | Hash):
        _check_weights(node.choices)
    if isinstance(node, Hash):
        _check_hash(node)
    if isinstance(node, Network):
        _check_network(node)
    for child in {id(child): child for child in children(node)}.values():
        checked(child, depth - 1, named=named)
    return node


def _check_answer(node: Answer, *, named: bool) -> None:
    if not isinstance(node.backends, tuple):
        raise PlanError("returned an answer whose backends are no tuple")
    if not all(isinstance(backend, Backend) for backend in node.backends):
        raise PlanError("returned an answer with something in it that is no backend")
    alone = len(node.backends) == 1 or named
    if not alone and any(backend.target for backend in node.backends):
        raise PlanError("returned an answer with more beside a target; a CNAME stands alone")
    if type(node.ttl) is not int or not 0 <= node.ttl < 1 << 31:
        raise PlanError(f"returned an answer with a ttl of {node.ttl}")
    if node.records is not None:
        raise PlanError("returned an answer with records; those are written into it afterwards")
    if node.rcode not in set(Rcode):
        raise PlanError(f"returned an answer with rcode {node.rcode}; there are 0 and 2")


def _check_bound(bound: LoadBound) -> None:
    if not (math.isfinite(bound.factor) and bound.factor >= 1):
        raise PlanError(f"returned a bound of {bound.factor}; bounds are 1 or more")
    if not all(isinstance(share.key, str) for share in bound.among):
        raise PlanError("returned a key that is no text")
    _check_weights(bound.among)


def _check_hash(node: Hash) -> None:
    if not all(isinstance(choice.key, str) for choice in node.choices):
        raise PlanError("returned a key that is no text")
    if type(node.slots) is not int or not 0 < node.slots <= 1 << 16:
        raise PlanError(f"returned {node.slots} slots; there may be 1 to 65,536")
    if not (0 <= node.prefix.v4 <= 32 and 0 <= node.prefix.v6 <= 128):
        raise PlanError(f"returned a prefix of {node.prefix}, longer than an address")
    if node.bound is not None:
        _check_bound(node.bound)


def _check_network(node: Network) -> None:
    if len(node.choices) > MAX_CHOICES:
        raise PlanError(f"returned {len(node.choices)} choices; {MAX_CHOICES} are possible")
    if node.map.greatest >= len(node.choices):
        raise PlanError(
            f"returned a map with the label {node.map.greatest}, "
            f"which is none of {len(node.choices)} choices"
        )


def _check_weights(choices: Sequence[WeightedChoice | HashChoice | Share]) -> None:
    if len(choices) > MAX_CHOICES:
        raise PlanError(f"returned {len(choices)} choices; {MAX_CHOICES} are possible")
    for choice in choices:
        if not (math.isfinite(choice.weight) and choice.weight > 0):
            raise PlanError(f"returned a weight of {choice.weight}; weights are above 0")
    if not math.isfinite(sum(choice.weight for choice in choices)):
        raise PlanError("returned weights whose sum is beyond all numbers")
