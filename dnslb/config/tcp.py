"""What TCP clients may take: `tcp` of the server's file."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

from pydantic import Field

from dnslb.config.model import Tcp
from dnslb.config.values import Patience, Shape, whole

if TYPE_CHECKING:
    from dnslb.config.spot import Spot

__all__ = ["TcpShape", "read_tcp"]


class TcpShape(Shape):
    """Limits of TCP connections; when there are too many, the longest idle ones are closed."""

    connections: Annotated[int, whole(1, 1_000_000)] | None = Field(
        default=None,
        description="At a time; default 16384, or as many as files may be open.",
    )
    per_client: Annotated[int, whole(1, 1_000_000)] | None = Field(
        default=None,
        description="Of an IPv4 address or an IPv6 /64; default 256, or a quarter of connections.",
    )
    idle_timeout: Patience | None = Field(
        default=None, description="Until a connection without a query is closed; default 10s."
    )
    query_timeout: Patience | None = Field(
        default=None,
        description="For a query to arrive in whole, and for its answer to leave; default 5s.",
    )


def read_tcp(shape: TcpShape, spot: Spot) -> Tcp:
    """What the keys mean; what is wrong is reported."""
    tcp = Tcp()
    result = Tcp(
        connections=shape.connections,
        per_client=shape.per_client,
        idle_timeout=shape.idle_timeout or tcp.idle_timeout,
        query_timeout=shape.query_timeout or tcp.query_timeout,
    )
    if (shape.per_client or 0) > (shape.connections or shape.per_client or 0):
        spot.at("per_client").problem(
            f"is more than all clients together may have: connections is {shape.connections:,}"
        )
    return result
