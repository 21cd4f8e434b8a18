"""Services: balanced names, each over a pool or over members of its own."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from dnslb.config.declared import read_declared
from dnslb.config.members import WHEN_DOWN
from dnslb.config.model import Backend, BackendId, Service, ServiceId, WhenDown
from dnslb.config.pools import PoolDraft
from dnslb.config.shapes import WhenDownShape
from dnslb.config.suggest import counted, unknown
from dnslb.config.texts import read_addresses, read_name, read_owner
from dnslb.zone.names import labels, relative, to_text

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from dnslb.config.model import Pool
    from dnslb.config.pools import Pools
    from dnslb.config.shapes import ServiceShape, ZoneShape
    from dnslb.config.spot import Spot
    from dnslb.config.validate import Shaped

__all__ = ["ServiceDraft", "read_services", "resolved"]

INLINE: Final = (
    "strategy",
    "check",
    "members",
    "min_up",
    "prefix",
    "bound",
    "max_down",
    "slow_start",
    "spill",
    "location",
    "bias",
)
"""The keys of a pool that a service may carry itself."""


@dataclass(frozen=True, slots=True)
class ServiceDraft:
    """A service whose pools are known by name only."""

    name: str  # relative to the origin
    owner: bytes
    pool: str | None  # None: its problem is told
    shape: ServiceShape
    spot: Spot

    @property
    def refs(self) -> list[str]:
        """The pools that it refers to."""
        records = (self.shape.SRV, self.shape.MX)
        refs = [self.pool, *(record.pool for record in records if record)]
        return [name for name in refs if name]


def read_services(
    shaped: Shaped[ZoneShape], spot: Spot, origin: bytes, pools: Pools
) -> list[ServiceDraft]:
    """The services of a zone; the pools that they carry themselves are added to `pools`."""
    drafts: dict[bytes, ServiceDraft] = {}
    for text, shape in (shaped.value.services or {}).items():
        here = spot.at(text)
        owner = read_owner(text, here.on_key(), origin)
        if owner is None:
            continue
        if b"*" in labels(owner)[1:]:
            here.on_key().problem("a wildcard is the first label, as in *.dev")
        if owner in drafts:
            here.on_key().problem(f'"{text}" is "{drafts[owner].spot.keys[-1]}" once more')
            continue
        name = relative(owner, origin)
        damaged = shaped.damaged_at(here)
        pool = _pool(name, shape, here, pools, damaged=damaged)
        drafts[owner] = ServiceDraft(name, owner, pool, shape, here)
    return list(drafts.values())


def _pool(name: str, shape: ServiceShape, spot: Spot, pools: Pools, *, damaged: bool) -> str | None:
    inline = [key for key in INLINE if key in shape.model_fields_set]
    if shape.pool is not None:
        if inline:
            spot.at(inline[0]).on_key().problem(
                f'"{inline[0]}" belongs to a pool, and this service has "pool"; keep one of them'
            )
        return shape.pool
    if not inline:
        if not damaged:
            spot.problem('needs "pool", or "members" of its own')
        return None
    if pools.has(name):
        spot.on_key().problem(
            f'a pool is called "{name}" already, as the pool of this service would be; '
            "refer to it with `pool`, or rename it"
        )
        return None
    pools.add(PoolDraft(name, shape, spot, damaged))
    return name


def resolved(
    drafts: Iterable[ServiceDraft],
    pools: Mapping[str, Pool],
    known: Iterable[str],
    zone: str,
    origin: bytes,
) -> dict[str, Service]:
    """The services, by name; those whose pool is missing are reported and left out."""
    services = {}
    names = {*pools, *known}
    for draft in drafts:
        when_down = _when_down(draft, zone, origin)
        declared = read_declared(draft.shape, draft.spot, draft.owner, origin, pools, names)
        if draft.pool is not None and draft.pool not in names:
            draft.spot.at("pool").problem(unknown("pool", draft.pool, sorted(names)))
        pool = pools.get(draft.pool or "")
        if pool is None:
            continue
        shape = draft.shape
        answers = shape.answers or 1
        if answers > len(pool.members) > 0:
            draft.spot.at("answers").warning(
                f"{answers} answers are asked for, but the pool has "
                f"{counted(len(pool.members), 'member')}"
            )
        services[draft.name] = Service(
            id=ServiceId(zone, draft.name),
            pool=pool,
            ttl=30 if shape.ttl is None else shape.ttl,
            answers=answers,
            when_down=when_down,
            declared=declared,
        )
    return services


def _when_down(draft: ServiceDraft, zone: str, origin: bytes) -> WhenDown:
    shape, spot = draft.shape.when_down, draft.spot.at("when_down")
    if shape is None:
        return WhenDown()
    if not isinstance(shape, WhenDownShape):
        return WhenDown(shape)  # type: ignore[arg-type] # the shape allows no other words
    addresses = read_addresses(shape.address or [], spot.at("address"))
    target = None
    if shape.target is not None:
        name = read_name(shape.target, spot.at("target"), origin)
        target = None if name is None else to_text(name)
    if (shape.address is None) == (shape.target is None):
        spot.problem("needs either an address or a target")
    backend = Backend(BackendId(zone, draft.name, WHEN_DOWN), addresses, target)
    return WhenDown("answer", backend)
