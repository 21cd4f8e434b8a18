"""GET events: what happens, as it happens (server-sent events, WHATWG HTML, section 9.2)."""

from __future__ import annotations

import asyncio
import json
from typing import TYPE_CHECKING, Annotated, Final

from aiohttp import web
from pydantic import Field

from dnslb.config.suggest import unknown
from dnslb.events import KINDS
from dnslb.times import stamp
from dnslb.web.errors import ApiError
from dnslb.web.route import Error, Parameters, Route

if TYPE_CHECKING:
    from dnslb.events import Event
    from dnslb.web.route import Call

__all__ = ["ROUTES"]

MEDIA: Final = "text/event-stream"

STREAMS: Final = 100
"""Streams at a time."""

BEAT: Final = 15.0
"""Seconds after which a comment is sent when nothing happens, so that a lost connection shows."""

RETRY: Final = 2_000
"""Milliseconds after which a client that lost its connection should come back."""


class Wanted(Parameters):
    """Which events."""

    kind: Annotated[
        str | None,
        Field(description=f"Kinds with commas between them: {', '.join(KINDS)}; default all."),
    ] = None
    after: Annotated[
        int | None,
        Field(ge=0, description="The number of the last one known, as `Last-Event-ID` has it."),
    ] = None


async def get_events(call: Call) -> web.StreamResponse:
    """What happens, as it happens; and first what did, after the last event that is known."""
    wanted: Wanted = call.query
    kinds = _kinds(wanted.kind)
    response = web.StreamResponse(headers={"Content-Type": MEDIA})
    streams: set[object] = call.request.app[STREAMING]
    if len(streams) >= STREAMS:
        raise ApiError(503, "streams", f"there are {STREAMS} streams, the most there may be")
    streams.add(response)
    try:
        with call.server.events.subscribed(kinds, _after(call, wanted)) as subscription:
            await response.prepare(call.request)
            await response.write(f"retry: {RETRY}\n\n".encode())
            coming = asyncio.ensure_future(subscription.next())
            try:
                while True:
                    done, _ = await asyncio.wait((coming,), timeout=BEAT)
                    if not done:
                        await response.write(b": nothing new\n\n")
                        continue
                    events, missed = coming.result()
                    coming = asyncio.ensure_future(subscription.next())
                    text = f'event: missed\ndata: {{"count":{missed}}}\n\n' if missed else ""
                    await response.write((text + "".join(map(_text, events))).encode())
            finally:
                coming.cancel()
    except (ConnectionResetError, asyncio.CancelledError):
        return response  # it has gone, or the server stops
    finally:
        streams.discard(response)


STREAMING: Final = web.AppKey("streaming", set[object])
"""The streams of an application."""


def _kinds(text: str | None) -> frozenset[str]:
    if text is None:
        return frozenset(KINDS)
    kinds = frozenset(word.strip() for word in text.split(","))
    for kind in sorted(kinds - KINDS.keys()):
        raise ApiError(400, "kind", unknown("kind", kind, KINDS))
    return kinds


def _after(call: Call, wanted: Wanted) -> int | None:
    if wanted.after is not None:
        return wanted.after
    last = call.request.headers.get("Last-Event-ID", "")
    return int(last) if last.isascii() and last.isdecimal() and len(last) < 19 else None


def _text(event: Event) -> str:
    data = json.dumps({"at": stamp(event.at), **event.data}, separators=(",", ":"))
    return f"id: {event.id}\nevent: {event.kind}\ndata: {data}\n\n"


ROUTES = (
    Route(
        "GET",
        "events",
        get_events,
        "What happens, as it happens",
        answer=MEDIA,
        query=Wanted,
        errors=(
            Error(400, "kind", "there is no such kind of events"),
            Error(503, "streams", "there are too many streams already"),
        ),
    ),
)
