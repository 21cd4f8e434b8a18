"""The HTTP/1.1 check: one request, to the backend's own address (RFC 9112)."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, ClassVar

import h11

from dnslb.health.checks.base import Outcome, Result
from dnslb.health.checks.body import MAX_BODY
from dnslb.health.checks.network import FailedError, Phase, closed
from dnslb.health.checks.plain import plain
from dnslb.health.checks.stream import StreamCheck
from dnslb.health.checks.web import MAX_HEAD, WebCheck, line

if TYPE_CHECKING:
    from dnslb.health.checks.stream import Stream

__all__ = ["HttpCheck"]


@dataclass(frozen=True, slots=True, kw_only=True)
class HttpCheck(WebCheck, StreamCheck):
    """One request by HTTP/1.1, over TLS or not."""

    ALPN: ClassVar[tuple[str, ...]] = ("http/1.1",)

    async def exchange(self, stream: Stream, address: str) -> Result:
        """Make the request; its whole first 64 KiB must come in time."""
        stream.write(_request(self, address))
        data = await stream.read()
        response = plain(data) if self.method == "GET" else None
        if response is None:
            stream.unread(data)
            return await self._parse(stream, address)
        stream.progress.reached = Phase.BODY
        if refused := self.refused(response.status, response.headers):
            return refused
        stream.reusable = response.lasts
        return self.judge(response.headers, response.body, whole=True)

    async def _parse(self, stream: Stream, address: str) -> Result:
        connection = _asked(self, address)[0]
        try:
            head = await _head(connection, stream)
            headers = {
                name.decode("ascii"): value.decode("latin-1") for name, value in head.headers
            }
            stream.progress.reached = Phase.BODY
            if refused := self.refused(head.status_code, headers):
                return refused
            body, whole = await _body(connection, stream)
        except h11.RemoteProtocolError as error:
            raise _malformed(error) from error
        if whole and connection.our_state is connection.their_state is h11.DONE:
            stream.reusable = True
        return self.judge(headers, body, whole=whole)


@lru_cache(maxsize=32_768)
def _request(check: HttpCheck, address: str) -> bytes:
    """What is sent: the same at every probe."""
    return _asked(check, address)[1]


def _asked(check: HttpCheck, address: str) -> tuple[h11.Connection, bytes]:
    """The parser of a connection on which was asked, and the request."""
    headers = check.request_headers(address)
    if not check.reuse and not any(name.lower() == "connection" for name, _ in headers):
        headers.append(("Connection", "close"))
    request = h11.Request(
        method=check.method,
        target=check.request_target,
        headers=[(name.encode(), value.encode()) for name, value in headers],
    )
    connection = h11.Connection(h11.CLIENT, max_incomplete_event_size=MAX_HEAD)
    head, end = connection.send(request), connection.send(h11.EndOfMessage())
    return connection, (head or b"") + (end or b"")


async def _head(connection: h11.Connection, stream: Stream) -> h11.Response:
    """The response's head, after those that are only informational."""
    while True:
        event = await _event(connection, stream, head=True)
        if isinstance(event, h11.Response):
            return event
        if not isinstance(event, h11.InformationalResponse):
            raise closed(stream.progress)


async def _body(connection: h11.Connection, stream: Stream) -> tuple[bytes, bool]:
    """The first 64 KiB of the body, and whether that is all."""
    body = bytearray()
    while len(body) < MAX_BODY:
        event = await _event(connection, stream)
        if not isinstance(event, h11.Data):
            return bytes(body), True
        body += event.data
    return bytes(body[:MAX_BODY]), False


async def _event(connection: h11.Connection, stream: Stream, *, head: bool = False) -> object:
    while (event := connection.next_event()) is h11.NEED_DATA:
        data = await stream.read()
        if not data and not stream.progress.received:
            raise closed(stream.progress)
        connection.receive_data(data)
        if head and not b"HTTP/".startswith(connection.trailing_data[0][:5]):
            raise FailedError(Outcome.MALFORMED, "the server does not speak HTTP on this port")
    return event


def _malformed(error: h11.RemoteProtocolError) -> FailedError:
    if error.error_status_hint == 431:
        return FailedError(Outcome.TOO_LARGE, f"the response's head is beyond {MAX_HEAD} bytes")
    words = str(error)
    if "peer unexpectedly closed" in words:
        return FailedError(Outcome.CLOSED, "connection closed within the head of the response")
    if "peer closed connection" in words:
        return FailedError(Outcome.CLOSED, "connection closed before the body was complete")
    return FailedError(Outcome.MALFORMED, line(words))
