"""The WebSocket check: the handshake, and if told so a message and the reply (RFC 6455).

A message goes out as text, or as binary when it is no UTF-8. The first message that comes is the
reply, of either kind.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

import h11
from wsproto import ConnectionType, WSConnection
from wsproto.events import (
    AcceptConnection,
    BytesMessage,
    CloseConnection,
    Ping,
    RejectConnection,
    Request,
    TextMessage,
)
from wsproto.utilities import LocalProtocolError, RemoteProtocolError

from dnslb.health.checks.base import Outcome, Result
from dnslb.health.checks.body import MAX_BODY
from dnslb.health.checks.network import FailedError, Phase
from dnslb.health.checks.stream import StreamCheck
from dnslb.health.checks.web import MAX_HEAD, WebCheck, line

if TYPE_CHECKING:
    from wsproto.events import Event

    from dnslb.health.checks.stream import Stream

__all__ = ["WebSocketCheck"]


@dataclass(frozen=True, slots=True, kw_only=True)
class WebSocketCheck(WebCheck, StreamCheck):
    """Opens a WebSocket; with `send` or `body`, also sends a message and waits for the reply."""

    ALPN: ClassVar[tuple[str, ...]] = ("http/1.1",)

    status: tuple[tuple[int, int], ...] = ((101, 101),)
    send: bytes | None = None

    async def exchange(self, stream: Stream, address: str) -> Result:
        """Shake hands, talk, and say goodbye."""
        try:
            return await _Talk(self, stream, address).result()
        except RemoteProtocolError as error:
            raise _malformed(error) from error
        except LocalProtocolError as error:
            raise FailedError(Outcome.ERROR, line(str(error))) from error


class _Talk:
    """One conversation."""

    def __init__(self, check: WebSocketCheck, stream: Stream, address: str) -> None:
        self._check = check
        self._stream = stream
        self._address = address
        self._connection = WSConnection(ConnectionType.CLIENT)
        self._reply = bytearray()

    async def result(self) -> Result:
        check, stream = self._check, self._stream
        stream.write(self._connection.send(self._request()))
        if refused := await self._accepted():
            return refused
        if check.send is not None:
            stream.write(self._connection.send(_message(check.send)))
        outcome = await self._replied() if check.send is not None or check.body else None
        stream.write(self._connection.send(CloseConnection(1000)))
        return outcome or Result(Outcome.OK)

    def _request(self) -> Request:
        host, protocols, others = "", list[str](), list[tuple[bytes, bytes]]()
        for name, value in self._check.request_headers(self._address):
            key = name.lower()
            if key == "host":
                host = value
            elif key == "sec-websocket-protocol":
                # only what was offered may be chosen, so the library has to know
                protocols += [one.strip() for one in value.split(",")]
            elif key != "accept-encoding":
                others.append((key.encode(), value.encode()))
        return Request(
            host=host,
            target=self._check.request_target,
            subprotocols=protocols,
            extra_headers=others,
        )

    async def _accepted(self) -> Result | None:
        """The result of a handshake that is not accepted."""
        while True:
            for event in self._connection.events():
                if isinstance(event, AcceptConnection):
                    self._stream.progress.reached = Phase.BODY
                    return None
                if isinstance(event, RejectConnection):
                    headers = {
                        name.decode("ascii").lower(): value.decode("latin-1")
                        for name, value in event.headers
                    }
                    return self._check.refused(event.status_code, headers)
            self._receive(await self._stream.more())

    async def _replied(self) -> Result | None:
        """The result of a reply that is not what is expected."""
        pattern = self._check.body
        while True:
            for event in self._connection.events():
                if not self._take(event):
                    continue
                text = self._reply.decode(errors="replace")
                if pattern is None or re.search(pattern, text):
                    return None
                return Result(Outcome.BODY, f"{pattern} is not in its {len(self._reply)} bytes")
            self._receive(await self._stream.more())

    def _take(self, event: Event) -> bool:
        """Take in an event; whether a reply is whole now."""
        if isinstance(event, Ping):
            self._stream.write(self._connection.send(event.response()))
        elif isinstance(event, CloseConnection):
            raise FailedError(Outcome.CLOSED, f"closed with code {event.code} before the reply")
        elif isinstance(event, TextMessage | BytesMessage):
            data = event.data
            self._reply += data.encode() if isinstance(data, str) else bytes(data)
            if len(self._reply) > MAX_BODY:
                raise FailedError(Outcome.TOO_LARGE, "the reply is beyond 64 KiB")
            return bool(event.message_finished)
        return False

    def _receive(self, data: bytes) -> None:
        self._connection.receive_data(data)


def _message(data: bytes) -> TextMessage | BytesMessage:
    try:
        return TextMessage(data.decode())
    except UnicodeDecodeError:
        return BytesMessage(data)


def _malformed(error: RemoteProtocolError) -> FailedError:
    # what is wrong with the response is told by the library beneath, HTTP/1's
    cause = error.__context__
    if isinstance(cause, h11.RemoteProtocolError):
        if cause.error_status_hint == 431:
            return FailedError(Outcome.TOO_LARGE, f"the response's head is beyond {MAX_HEAD} bytes")
        return FailedError(Outcome.MALFORMED, f"no WebSocket: {line(str(cause))}")
    return FailedError(Outcome.MALFORMED, f"no WebSocket: {line(str(error))}")
