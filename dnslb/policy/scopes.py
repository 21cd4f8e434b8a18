"""Scopes: what resolvers keep of a service's answers, and for which networks.

The map is that of the plan, so this is what they are told, no more and no less.
"""

from __future__ import annotations

from dataclasses import dataclass
from ipaddress import ip_network
from typing import TYPE_CHECKING, Final

from dnslb.policy.plan import Network
from dnslb.policy.walk import chances, hashed_prefix

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from dnslb.config.model import Network as Prefix
    from dnslb.policy.plan import Answer, Node

__all__ = ["Cell", "Choice", "Scopes"]

PAGE: Final = 65_536
"""Prefixes that are read from a map at a time."""


@dataclass(frozen=True, slots=True)
class Choice:
    """What some networks are answered with."""

    answers: Sequence[tuple[Answer, float]]  # with the chance of each
    prefixes: tuple[int, int]  # how many networks of IPv4 and IPv6 have it
    share: float  # of all addresses of IPv4
    hashed: tuple[int, int]  # leading bits that a hash looks at besides, of IPv4 and IPv6

    @property
    def words(self) -> str:
        """The backends, with their chances where there are several."""
        parts = []
        for answer, chance in self.answers:
            names = "+".join(str(backend.id) for backend in answer.backends) or "nothing"
            parts.append(f"{names} {100 * chance:.3g} %" if len(self.answers) > 1 else names)
        return ", ".join(parts)


@dataclass(frozen=True, slots=True)
class Cell:
    """A network over which the choice is one."""

    network: Prefix
    choice: int
    scope: int


class Scopes:
    """The networks that a plan, as `lift` leaves it, tells apart."""

    def __init__(self, root: Node) -> None:
        self._map = root.map if isinstance(root, Network) else None
        nodes = root.choices if isinstance(root, Network) else (root,)
        shares: dict[int, float] = {0: 1.0}
        counts = [[0, 0] for _ in nodes]
        if self._map is None:
            counts = [[1, 1]]
        else:
            shares = {label: share for label, share, _ in self._map.shares()}
            for place, version in enumerate((4, 6)):
                for _, _, label in self._raw(version):
                    counts[label][place] += 1
        self.choices = tuple(
            Choice(chances(node), (v4, v6), shares.get(label, 0.0), hashed_prefix(node))
            for label, (node, (v4, v6)) in enumerate(zip(nodes, counts, strict=True))
        )

    @property
    def sizes(self) -> tuple[int, int]:
        """How many networks of IPv4 and IPv6 there are."""
        return self._map.sizes if self._map else (1, 1)

    @property
    def octets(self) -> int:
        """The memory that the map takes in the engine."""
        return self._map.octets if self._map else 0

    def cells(self, near: Prefix | None = None) -> Iterator[Cell]:
        """Every network in order, or those within and around `near`."""
        for version in (4, 6) if near is None else (near.version,):
            place = 0 if version == 4 else 1
            for first, length, label in self._raw(version):
                # compared as numbers: there may be millions
                if near is not None and not _meet(near, first, length):
                    continue
                scope = max(length, self.choices[label].hashed[place])
                yield Cell(_network(version, first, length), label, scope)

    def _raw(self, version: int) -> Iterator[tuple[int, int, int]]:
        if self._map is None:
            yield 0, 0, 0
            return
        first = 0
        while page := self._map.cells(version, first, PAGE):
            yield from page
            first += len(page)


def _network(version: int, first: int, length: int) -> Prefix:
    return ip_network((first.to_bytes(4 if version == 4 else 16, "big"), length))


def _meet(one: Prefix, first: int, length: int) -> bool:
    shared = one.max_prefixlen - min(length, one.prefixlen)
    return int(one.network_address) >> shared == first >> shared
