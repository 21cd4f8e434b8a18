"""GET top: who asks for what most."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Annotated

from pydantic import Field
from typing_extensions import TypedDict

from dnslb.web.errors import ApiError
from dnslb.web.route import Error, Parameters, Route

if TYPE_CHECKING:
    from dnslb.top import Ranked
    from dnslb.web.route import Call

__all__ = ["ROUTES"]


class HowMany(Parameters):
    """How many of each kind are told."""

    limit: Annotated[int, Field(ge=1, le=300)] = 20


class TopView(TypedDict):
    """One of the busiest."""

    name: str  # a network's is its prefix, a country's its code, or unknown
    share: float  # of all queries
    rate: float  # queries a second


class TopNameView(TopView):
    """One of the names that are asked for most."""

    type: str  # of records


class TopsView(TypedDict):
    """The busiest of each kind, each by how busy."""

    window: float  # seconds after which a query counts 1/e
    sampled: int  # queries that were looked at
    names: list[TopNameView]
    networks: list[TopView]
    countries: list[TopView]


async def get_top(call: Call) -> TopsView:
    """The busiest names, clients' networks and countries of the last minute or so."""
    if not call.server.config.top:
        raise ApiError(409, "top-off", "it is not watched who asks most: `top` is off")
    asked: HowMany = call.query
    # another thread may be counting
    ranking = await asyncio.to_thread(call.server.top.ranking, asked.limit)
    return {
        "window": ranking.window,
        "sampled": ranking.sampled,
        "names": [{**_shown(one), "type": one.type or ""} for one in ranking.names],
        "networks": [_shown(one) for one in ranking.networks],
        "countries": [_shown(one) for one in ranking.countries],
    }


def _shown(one: Ranked) -> TopView:
    return {"name": one.name, "share": round(one.share, 6), "rate": round(one.rate, 3)}


ROUTES = (
    Route(
        "GET",
        "top",
        get_top,
        "Who asks for what most",
        answer=TopsView,
        query=HowMany,
        errors=(Error(409, "top-off", "it is not watched"),),
    ),
)
