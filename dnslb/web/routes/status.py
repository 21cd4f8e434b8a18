"""GET status: how the server is, in a few figures."""

from __future__ import annotations

from typing import TYPE_CHECKING

from typing_extensions import TypedDict

from dnslb import __version__
from dnslb.times import stamp
from dnslb.web.route import Route

if TYPE_CHECKING:
    from dnslb.web.route import Call

__all__ = ["ROUTES"]


class FrozenView(TypedDict):
    """A pool in which nothing goes down any more."""

    zone: str
    pool: str
    held: list[str]  # backends, `pool/name`


class StatusView(TypedDict):
    """The server."""

    version: str
    since: str | None  # when it began to answer
    generation: int  # how often was published
    zones: int
    services: int
    pools: int
    backends: int
    down: int  # backends
    isolated: bool  # whether all canaries fail
    frozen: list[FrozenView]
    queries: dict[str, float]  # a second, over the last ten, by rcode
    results: dict[str, int]  # of checks, since the start


async def get_status(call: Call) -> StatusView:
    """How the server is."""
    server = call.server
    standings = server.monitor.standings().values()
    return {
        "version": __version__,
        "since": stamp(server.traffic.since),
        "generation": server.stats()["generation"],
        "zones": len(server.config.zones),
        "services": sum(1 for _ in server.config.services()),
        "pools": sum(1 for _ in server.config.pools()),
        "backends": len(call.names.backends),
        "down": sum(1 for one in standings if one.down),
        "isolated": server.monitor.isolated,
        "frozen": [
            {"zone": zone, "pool": pool, "held": sorted(str(name) for name in held)}
            for (zone, pool), held in server.monitor.frozen().items()
        ],
        "queries": {rcode: round(rate, 2) for rcode, rate in server.traffic.total().items()},
        "results": dict(server.monitor.results()),
    }


ROUTES = (Route("GET", "status", get_status, "How the server is", answer=StatusView),)
