"""A zone in the form that the engine takes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from dnslb.zone.names import from_text, lower

if TYPE_CHECKING:
    from dnslb._engine import Records
    from dnslb.config.model import ServiceId, Zone
    from dnslb.zone.records import RRset

__all__ = ["EngineZone", "engine_zone"]


@dataclass(frozen=True, slots=True)
class EngineZone:
    """What `Engine.publish` reads of a zone."""

    origin: bytes  # in lower case, wire format
    rrsets: Records | tuple[RRset, ...]
    services: tuple[tuple[bytes, ServiceId], ...]  # owner name in wire format, and whose it is


def engine_zone(zone: Zone) -> EngineZone:
    """`zone` as the engine takes it."""
    origin = lower(from_text(zone.origin))
    services = tuple(
        (lower(from_text(name, origin)), service.id) for name, service in zone.services.items()
    )
    return EngineZone(origin, zone.rrsets, services)
