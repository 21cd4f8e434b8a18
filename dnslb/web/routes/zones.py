"""GET zones: what is served."""

from __future__ import annotations

from typing import TYPE_CHECKING

from typing_extensions import TypedDict

from dnslb.web.route import Route

if TYPE_CHECKING:
    from dnslb.web.route import Call

__all__ = ["ROUTES"]


class ZoneView(TypedDict):
    """One zone."""

    zone: str  # its origin
    services: list[str]  # owner names relative to it
    pools: list[str]
    backends: int  # that its services can reach


class ZonesView(TypedDict):
    """All zones."""

    zones: list[ZoneView]


async def get_zones(call: Call) -> ZonesView:
    """All zones, in the order of their origins."""
    zones = call.server.config.zones
    return {
        "zones": [
            {
                "zone": origin,
                "services": list(zone.services),
                "pools": list(zone.pools),
                "backends": len(
                    {one.id for service in zone.services.values() for one in service.backends()}
                ),
            }
            for origin, zone in sorted(zones.items())
        ]
    }


ROUTES = (Route("GET", "zones", get_zones, "The zones that are served", answer=ZonesView),)
