"""A plan: what a service compiles to, and all that the engine can do at query time.

Each node picks in its own way; a walk from the root ends at an `Answer`.

    node     picks                                        made by
    Answer   nothing: these backends are the answer       every leaf
    Cycle    the next step in turn, one shared counter    round-robin, weighted
    Random   a choice by its weight (alias method)        least-load, weighted with huge weights
    Hash     a choice by the client's network, hashed     subnet
    Network  a choice by where the client's network is    geo, nearest

Nodes are values: equal nodes mean the same thing, and one node may stand in several places.
The engine compiles a plan once, when it is published, so a plan's size costs no query anything.
"""

from __future__ import annotations

import enum
import hashlib
import math
from dataclasses import dataclass, field
from functools import lru_cache
from types import MappingProxyType
from typing import TYPE_CHECKING, Final, NamedTuple

from dnslb.config.model import Prefix
from dnslb.engine import slot_owners
from dnslb.zone.types import AAAA, A

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from dnslb._engine import NetworkMap
    from dnslb.config.model import Address, Backend
    from dnslb.zone.records import RRset

__all__ = [
    "MAX_CHOICES",
    "MAX_DEPTH",
    "Answer",
    "Cycle",
    "Hash",
    "HashChoice",
    "LoadBound",
    "Network",
    "Node",
    "Random",
    "Rcode",
    "Records",
    "ServicePlan",
    "Share",
    "WeightedChoice",
]

MAX_DEPTH: Final = 16
"""How deep plans may nest; the engine's walk is bounded by it, and so is a query's cost."""


MAX_CHOICES: Final = 65_535
"""The most branches of a `Random`, `Hash` or `Network`."""


class Rcode(enum.IntEnum):
    """The response codes that a plan can end in (RFC 1035 section 4.1.1)."""

    NOERROR = 0
    SERVFAIL = 2


@dataclass(frozen=True, slots=True)
class Records:
    """The records of a leaf that says more than addresses: HTTPS, SVCB, SRV or MX."""

    rdatas: tuple[bytes, ...]  # uncompressed wire format, of the type that is asked for
    additional: tuple[RRset, ...] = ()  # for the additional section, where there is room


@dataclass(frozen=True, slots=True)
class Answer:
    """A leaf: the records of `backends`, in this order, with `ttl` seconds to live.

    No backends, no records and `NOERROR` is NODATA. Without `records` the backends' own addresses
    are the answer, and a backend with a target stands alone: it is a CNAME. Strategies need not
    think of `records`: they are written into the leaves afterwards.
    """

    backends: tuple[Backend, ...]
    ttl: int
    rcode: Rcode = Rcode.NOERROR
    records: Records | None = None


@dataclass(frozen=True, slots=True)
class Cycle:
    """The next of `steps` for each query: shares are exact over every full turn."""

    steps: tuple[Node, ...]


class WeightedChoice(NamedTuple):
    """A branch of `Random`, taken with probability weight / sum of weights."""

    weight: float  # finite, > 0
    node: Node


@dataclass(frozen=True, slots=True)
class Random:
    """One of `choices` by its weight, drawn anew for each query."""

    choices: tuple[WeightedChoice, ...]


class Share(NamedTuple):
    """What decides which clients a branch of `Hash` attracts; keys must be stable."""

    key: str
    weight: float  # finite, > 0


class HashChoice(NamedTuple):
    """A branch of `Hash`; `key` alone decides which clients it attracts, so it must be stable."""

    key: str
    weight: float  # finite, > 0
    node: Node


@dataclass(frozen=True, slots=True)
class LoadBound:
    """How far a choice may be above its share of the slots, weight / sum of weights.

    Where slots decide alone, shares are even by chance only. With a bound no choice has more than
    `factor` x share x slots of them, rounded up (consistent hashing with bounded loads, Mirrokni,
    Thorup and Zadimoghaddam 2018): of those that it attracts it keeps the ones that cost it least,
    and the others go on to the next choice of theirs.

    What a choice keeps depends on who else is there. So that plans over parts of the same members
    agree, all of them begin with one decision `among` all members: what it gives to a choice stays
    there, and what it gives to others goes on among the choices, within their bound.
    """

    factor: float  # finite, >= 1
    among: tuple[Share, ...] = ()  # none: the choices


@dataclass(frozen=True, slots=True)
class Hash:
    """The choice that the client's network is bound to.

    The network, `prefix` bits of the client's address, is hashed to one of `slots` slots, and each
    slot belongs to one choice by weighted rendezvous (Thaler and Ravishankar 1998, weighted as by
    Schindelhauer and Schomaker 2005): the lowest -ln(u) / weight, where u comes from the slot and
    the choice's key. A choice that goes takes along its own slots only; one that comes back gets
    the very same ones. Under a `bound` a few others move as well, but all come back likewise.
    """

    choices: tuple[HashChoice, ...]
    prefix: Prefix = Prefix()
    slots: int = 65_536
    bound: LoadBound | None = None

    def slot(self, client: Address) -> int:
        """The slot of the client's network: the same number as the engine's."""
        bits, kept = (32, self.prefix.v4) if client.version == 4 else (128, self.prefix.v6)
        network = int(client) >> (bits - kept) << (bits - kept) << (128 - bits)
        hashed = _mix((network >> 64) ^ _mix((network & _MASK) + client.version))
        return hashed * self.slots >> 64

    def pick(self, slot: int) -> HashChoice:
        """The choice that `slot` belongs to."""
        if self.bound is None:
            return min(self.choices, key=lambda choice: _cost(choice, slot))
        shares = tuple(Share(choice.key, choice.weight) for choice in self.choices)
        return self.choices[_owners(self.slots, shares, self.bound)[slot]]

    def refused(self, slot: int) -> list[HashChoice]:
        """The choices that `slot` would rather belong to, which have all that they may."""
        paid = _cost(self.pick(slot), slot)
        return [choice for choice in self.choices if _cost(choice, slot) < paid]


@dataclass(frozen=True, slots=True)
class Network:
    """The choice that the client's network leads to: that with the number that `map` gives it.

    Strategies may put one anywhere; `lift` makes them one, at the root, before a plan is published.
    The prefixes of its map are then the scopes of the answers (RFC 7871 section 7.2.1).
    """

    map: NetworkMap  # its labels are places in `choices`
    choices: tuple[Node, ...]


Node = Answer | Cycle | Random | Hash | Network


@dataclass(frozen=True, slots=True)
class ServicePlan:
    """The plans of one service by the type that is asked for.

    `further` has those of the types that the service declares, by their number. `other` is for
    every type left, and is there when the service can answer with a CNAME, which answers every
    type. No plan means that the service says nothing for that type: static records may, else it is
    NODATA.
    """

    a: Node | None = None
    aaaa: Node | None = None
    other: Node | None = None
    further: Mapping[int, Node] = field(default_factory=lambda: MappingProxyType({}))

    def of(self, rtype: int) -> Node | None:
        """The plan that answers a question for `rtype`."""
        known = {A: self.a, AAAA: self.aaaa, **self.further}
        return known.get(rtype, self.other)


_MASK: Final = (1 << 64) - 1


def _mix(value: int) -> int:
    """A 64-bit finalizer (the output function of SplitMix64, Steele et al. 2014)."""
    value = (value + 0x9E3779B97F4A7C15) & _MASK
    value = ((value ^ (value >> 30)) * 0xBF58476D1CE4E5B9) & _MASK
    value = ((value ^ (value >> 27)) * 0x94D049BB133111EB) & _MASK
    return value ^ (value >> 31)


def hash_key(key: str) -> int:
    """The 64-bit number that stands for a choice's key: the first 8 octets of its BLAKE2b."""
    return int.from_bytes(hashlib.blake2b(key.encode(), digest_size=8).digest(), "big")


@lru_cache(maxsize=8)
def _owners(slots: int, shares: tuple[Share, ...], bound: LoadBound) -> Sequence[int]:
    """For each slot the place of its owner: under a bound, any depends on all others."""

    def seeded(shares: tuple[Share, ...]) -> list[tuple[int, float]]:
        return [(hash_key(share.key), share.weight) for share in shares]

    return slot_owners(slots, seeded(shares), bound.factor, seeded(bound.among))


def _cost(choice: HashChoice, slot: int) -> float:
    uniform = ((_mix(hash_key(choice.key) ^ _mix(slot)) >> 11) + 0.5) * 2.0**-53
    return -math.log(uniform) / choice.weight
