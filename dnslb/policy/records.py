"""Records for leaves: what the answers to HTTPS, SVCB, SRV and MX say.

    the plan over the pools ─▶ the backends of each leaf ─▶ its records

    HTTPS, SVCB   one record, whose hints are the leaf's addresses
    SRV, MX       a record for each backend, which names the backend's host

The decision itself is made as for A and AAAA, of all backends that are up in either family. Where
the client's network decides, it decides alike for every type: the first backend of a leaf is that
which A and AAAA lead to, as far as it serves the family. So hints of a family are given only where
the first backend serves it, and never lead elsewhere than A and AAAA do. What takes turns or is
drawn does so for each type by itself, since only so every type has exact shares; what a client then
meets in one answer is one decision, whose hints of both families lead to one backend.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from dnslb.config.model import Backend, Family, SrvRecord, SvcbRecord
from dnslb.policy.join import mapped
from dnslb.policy.plan import Answer, Records
from dnslb.zone.names import from_text
from dnslb.zone.svcb import IPV4HINT, IPV6HINT

if TYPE_CHECKING:
    from collections.abc import Callable

    from dnslb.config.model import BackendId, Declared, MxRecord, Pool, Service
    from dnslb.policy.plan import Node
    from dnslb.zone.records import RRset

__all__ = ["write"]

HINTS: Final = {Family.IPV4: IPV4HINT, Family.IPV6: IPV6HINT}
MOST: Final = 0xFFFF
"""The largest priority, weight or preference: they have 16 bits."""


def write(
    node: Node, service: Service, declared: Declared, serves: Callable[[Backend, Family], bool]
) -> Node:
    """`node`, whose leaves have backends, with the records that `service` declares in each leaf.

    `serves` tells whether the A or AAAA answer may carry a backend.
    """
    change: Callable[[Answer], Answer]
    if isinstance(declared, SvcbRecord):
        svcb = declared

        def change(leaf: Answer) -> Answer:
            return _described(leaf, svcb, serves)

    else:
        named = _Named(service, declared)
        change = named.leaf
    leaves: list[Answer] = []

    def changed(leaf: Answer) -> Answer:
        leaves.append(change(leaf))
        return leaves[-1]

    written = mapped(node, changed)
    # what all leaves agree on needs no walk, and no scope in the answer
    return leaves[0] if all(leaf == leaves[0] for leaf in leaves) else written


def _described(leaf: Answer, svcb: SvcbRecord, serves: Callable[[Backend, Family], bool]) -> Answer:
    if not leaf.backends or leaf.backends[0].target is not None:
        return leaf  # NODATA, or a CNAME
    parameters = dict(svcb.parameters)
    for family in Family if svcb.hints else ():
        serving = [backend for backend in leaf.backends if serves(backend, family)]
        if serving and serving[0] is leaf.backends[0]:
            hints = dict.fromkeys(address for one in serving for address in one.of(family))
            parameters[HINTS[family]] = b"".join(address.packed for address in hints)
    rdata = struct.pack("!H", svcb.priority) + svcb.target
    for key, value in sorted(parameters.items()):
        rdata += struct.pack("!HH", key, len(value)) + value
    # a record without hints carries no backend
    carried = leaf.backends if svcb.hints else ()
    return Answer(carried, leaf.ttl, records=Records((rdata,)))


@dataclass(frozen=True, slots=True)
class _Place:
    """A backend's place in its pool."""

    weight: int = 1  # 0 to 65,535
    ranked: bool = False


class _Named:
    """Writes SRV or MX records."""

    def __init__(self, service: Service, declared: SrvRecord | MxRecord) -> None:
        self._hosts = service.hosts
        self._declared = declared
        self._places: dict[BackendId, _Place] = {}
        self._collect(service.pool_of(declared), set())

    def leaf(self, leaf: Answer) -> Answer:
        """`leaf` with a record for each of its backends."""
        if not leaf.backends:
            return leaf
        rdatas = []
        additional: list[RRset] = []
        ranks: dict[str, int] = {}  # by pool
        for backend in leaf.backends:
            place = self._places.get(backend.id, _Place())
            rank = ranks[backend.id.pool] = ranks.get(backend.id.pool, -1) + place.ranked
            if backend.target is not None:
                target = from_text(backend.target)
            else:
                host = self._hosts[backend.id]
                target = host.name
                additional += host.addresses
            rdatas.append(self._numbers(max(rank, 0), place.weight) + target)
        records = Records(tuple(dict.fromkeys(rdatas)), tuple(dict.fromkeys(additional)))
        return Answer(leaf.backends, leaf.ttl, records=records)

    def _numbers(self, rank: int, weight: int) -> bytes:
        declared = self._declared
        if isinstance(declared, SrvRecord):
            priority = min(declared.priority + rank, MOST)
            weight = weight if declared.weight is None else declared.weight
            return struct.pack("!HHH", priority, weight, declared.port)
        return struct.pack("!H", min(declared.preference + rank, MOST))

    def _collect(self, pool: Pool, seen: set[str]) -> None:
        if pool.name in seen:
            return
        seen.add(pool.name)
        most = max(member.weight for member in pool.members)
        for member in pool.members:
            if isinstance(member.of, Backend):
                weight = member.weight
                if most > MOST:
                    weight = -(-weight * MOST // most)  # rounded up: what has weight keeps some
                self._places[member.of.id] = _Place(weight, pool.strategy.ranked)
            else:
                self._collect(member.of, seen)
