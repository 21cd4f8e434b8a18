"""GET explain: why a name gets its answers now."""

from __future__ import annotations

import asyncio
from ipaddress import ip_interface
from typing import TYPE_CHECKING, Annotated, Any

from pydantic import Field
from typing_extensions import TypedDict

from dnslb.policy.explain import explain
from dnslb.web.errors import ApiError
from dnslb.web.route import Error, Parameters, Route
from dnslb.web.show import show_explanation
from dnslb.zone.names import from_text
from dnslb.zone.types import type_number

if TYPE_CHECKING:
    from dnslb.config.model import Address
    from dnslb.web.route import Call

__all__ = ["ROUTES"]


class Asked(Parameters):
    """The question, and for whom."""

    name: Annotated[str, Field(description="A domain name.")]
    type: Annotated[str, Field(description="A record type.")] = "A"
    client: Annotated[
        str | None, Field(description="Its address or network; without, all clients together.")
    ] = None


class ExplainedQuestionView(TypedDict):
    """What was asked, and for whom."""

    name: str
    type: str
    client: str | None


class ExplainedAnswerView(TypedDict):
    """One answer that can come."""

    chance: float
    backends: list[str]
    records: list[str]
    ttl: int
    rcode: str


class ExplainedMemberView(TypedDict):
    """A member's part in the decision."""

    name: str
    weight: int
    chance: float
    why: str
    out: bool
    pool: ExplainedPoolView | None
    note: str


class ExplainedPoolView(TypedDict):
    """A pool's part in the decision."""

    name: str
    strategy: str
    up: bool
    members_up: int
    min_up: int
    state: str  # the operator's
    members: list[ExplainedMemberView]


class ExplainedServiceView(TypedDict):
    """The service that answers."""

    name: str
    ttl: int
    answers: int


class ExplanationView(TypedDict):
    """Everything that leads to the answers of one question."""

    question: ExplainedQuestionView
    zone: str | None
    kind: str | None
    owner: str | None
    records: list[str]
    service: ExplainedServiceView | None
    pool: ExplainedPoolView | None
    when_down: str | None
    answers: list[ExplainedAnswerView]
    scope: int | None
    place: str
    by_network: bool


async def get_explain(call: Call) -> dict[str, Any]:
    """Why `name` gets its answers now, with the chances of each."""
    asked: Asked = call.query
    try:
        name = from_text(asked.name.rstrip(".") + ".")
    except ValueError as error:
        raise ApiError(400, "name", f"{asked.name!r} is no domain name: {error}") from error
    rtype = type_number(asked.type)
    if rtype is None:
        raise ApiError(400, "type", f"{asked.type!r} is no record type")
    client = _client(asked.client)
    server = call.server
    standings = dict(server.monitor.standings())
    # compiling a large pool takes long
    explanation = await asyncio.to_thread(explain, server.config, name, rtype, standings, client)
    return show_explanation(explanation)


def _client(text: str | None) -> Address | None:
    if text is None:
        return None
    try:
        return ip_interface(text).network.network_address
    except ValueError as error:
        raise ApiError(400, "client", f"{text!r} is no address and no network") from error


ROUTES = (
    Route(
        "GET",
        "explain",
        get_explain,
        "Why a name gets its answers now",
        answer=ExplanationView,
        query=Asked,
        errors=(
            Error(400, "name", "it is no domain name"),
            Error(400, "type", "it is no record type"),
            Error(400, "client", "it is no address and no network"),
        ),
    ),
)
