"""Orders: which members serve a client, the first that is up before the others.

location ─▶ order of all members (once for a database)
order, members up ─▶ choice ─▶ map of the networks that share it (when a verdict changes)
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from dnslb.policy.plan import Network
from dnslb.policy.shares import weighed
from dnslb.policy.spill import in_order, reach

if TYPE_CHECKING:
    from collections.abc import Sequence

    from dnslb._engine import NetworkMap
    from dnslb.policy.plan import Node
    from dnslb.policy.strategies.base import Candidate, Choice

__all__ = ["Order", "Orders"]

Order = tuple[int, ...]
"""Members by their place in the pool, first choice first. All are in it."""

MAX_KEPT: Final = 16
"""For how many states of the members the map is kept: a backend that comes and goes finds it."""


class Orders:
    """A map whose labels stand for orders."""

    def __init__(self, by: NetworkMap, orders: Sequence[Order]) -> None:
        self.map = by
        self.orders = orders
        self._merged: dict[tuple[int, ...], NetworkMap] = {}

    def network(self, candidates: Sequence[Candidate], choice: Choice) -> Node:
        """The plan by which each network is served by the first of its order among `candidates`.

        With more answers than one, by the first few; what one of them spills, by the next.
        """
        up = {candidate.place: candidate for candidate in weighed(candidates)}
        numbers: dict[Order, int] = {}
        labels = []
        for order in self.orders:
            chosen = tuple(place for place in order if place in up)
            chosen = chosen[: reach([up[place] for place in chosen], choice.answers)]
            labels.append(numbers.setdefault(chosen, len(numbers)))
        nodes = [in_order([up[place] for place in chosen], choice) for chosen in numbers]
        if len(nodes) == 1:
            return nodes[0]
        return Network(self._merge(tuple(labels)), tuple(nodes))

    def _merge(self, labels: tuple[int, ...]) -> NetworkMap:
        merged = self._merged.get(labels)
        if merged is None:
            merged = self.map.relabel(labels)
            while len(self._merged) >= MAX_KEPT:
                self._merged.pop(next(iter(self._merged)), None)
            self._merged[labels] = merged
        return merged
