"""The SOA record of a zone whose records are written in YAML."""

from __future__ import annotations

import hashlib
import re
import struct
from contextlib import suppress
from typing import TYPE_CHECKING, Final

from dnslb.config.content import Placed
from dnslb.config.model import Backend, Pool
from dnslb.config.shapes import SoaShape
from dnslb.config.texts import read_name
from dnslb.zone.names import from_labels, from_text, lower
from dnslb.zone.types import SOA

if TYPE_CHECKING:
    from collections.abc import Iterable

    from dnslb.config.model import Member, Service
    from dnslb.config.spot import Spot

__all__ = ["make_soa", "serial_of"]

REFRESH: Final = 3600
RETRY: Final = 900
EXPIRE: Final = 1_209_600
NEGATIVE_TTL: Final = 60

_USER: Final = re.compile(r"[!-?A-~]+")  # printable ASCII without @


def make_soa(
    shape: SoaShape | None, spot: Spot, origin: bytes, primary: bytes, ttl: int, serial: int
) -> Placed:
    """The SOA record; `ttl` is the zone's, `primary` its first name server."""
    shape = shape or SoaShape()
    times = (
        REFRESH if shape.refresh is None else shape.refresh,
        RETRY if shape.retry is None else shape.retry,
        EXPIRE if shape.expire is None else shape.expire,
        NEGATIVE_TTL if shape.negative_ttl is None else shape.negative_ttl,
    )
    mailbox = _mailbox(shape.contact or "hostmaster", spot.at("contact"), origin)
    rdata = primary + mailbox + struct.pack("!5I", serial, *times)
    return Placed(origin, SOA, ttl if shape.ttl is None else shape.ttl, rdata, spot)


def _mailbox(text: str, spot: Spot, origin: bytes) -> bytes:
    """A mailbox as a name: given so, or as `user@example.com` (RFC 1035 section 8)."""
    user, at, domain = text.rpartition("@")
    if not at:
        return read_name(text, spot, origin) or origin
    if _USER.fullmatch(user):
        with suppress(ValueError):
            return lower(from_labels([user.encode()])[:-1] + from_text(f"{domain.rstrip('.')}."))
    spot.problem(f'"{text}" is no mailbox; write hostmaster@example.com')
    return origin


def serial_of(digest: int, services: Iterable[Service]) -> int:
    """A serial that depends on the content and nothing else: 32 bits of its hash, never 0.

    `digest` is that of the records. The serial differs whenever the content does, but it does not
    grow: the order of RFC 1982 cannot be had from content alone.
    """
    facts: list[object] = [digest]
    pools: dict[str, Pool] = {}
    for service in sorted(services, key=lambda service: service.id):
        sorry = service.when_down.backend
        facts.append((service.id, service.pool.name, service.ttl, service.answers))
        facts.append((service.when_down.action, sorry and (sorry.addresses, sorry.target)))
        facts += [(declared, service.pool_of(declared).name) for declared in service.declared]
        for pool in service.pools():
            _collect(pool, pools)
    for name, pool in sorted(pools.items()):
        facts.append((name, type(pool.strategy).__qualname__, pool.min_up, pool.prefix))
        facts.append((pool.bound, pool.spill))
        facts += [(member.name, member.weight, _answer(member)) for member in pool.members]
    hashed = hashlib.blake2b(repr(facts).encode(), digest_size=4).digest()
    return int.from_bytes(hashed, "big") or 1


def _answer(member: Member) -> object:
    backend = member.of
    if not isinstance(backend, Backend):
        return None
    return backend.addresses, backend.target, backend.host


def _collect(pool: Pool, pools: dict[str, Pool]) -> None:
    if pool.name not in pools:
        pools[pool.name] = pool
        for member in pool.members:
            if isinstance(member.of, Pool):
                _collect(member.of, pools)
