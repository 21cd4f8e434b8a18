"""HTTP/2 over a stream: one request, and what comes back (RFC 9113); the library h2 does frames.

Used by the checks of HTTP/2 and of gRPC, which is HTTP/2 with trailers.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, Final

from h2.config import H2Configuration
from h2.connection import H2Connection
from h2.events import (
    DataReceived,
    InformationalResponseReceived,
    ResponseReceived,
    StreamEnded,
    StreamReset,
    TrailersReceived,
)
from h2.exceptions import DenialOfServiceError, ProtocolError
from h2.settings import SettingCodes, Settings

from dnslb.health.checks.base import Outcome
from dnslb.health.checks.body import MAX_BODY
from dnslb.health.checks.h2frames import Frames, Goodbye
from dnslb.health.checks.network import FailedError, Phase, closed
from dnslb.health.checks.web import MAX_HEAD, line

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from h2.events import Event

    from dnslb.health.checks.stream import Stream

__all__ = ["ALPN", "Reply", "ask"]

ALPN: Final = ("h2",)

CANCEL: Final = 8
"""The error code of a request whose answer is of no more interest (RFC 9113, section 7)."""


@dataclass
class Reply:
    """A response; names of headers are in lower case."""

    status: int = 0
    headers: dict[str, str] = field(default_factory=dict)
    body: bytearray = field(default_factory=bytearray)
    trailers: dict[str, str] = field(default_factory=dict)
    ended: bool = False
    cut: bool = False  # whether there was more than is looked at

    @property
    def whole(self) -> bool:
        """Whether the body is all there is, rather than its first 64 KiB."""
        return self.ended and not self.cut


class _Session:
    """What both sides know of a connection, from one request to the next."""

    def __init__(self) -> None:
        self.frames = Frames()
        self.leaving = False  # whether the server takes no further requests
        self.h2 = H2Connection(H2Configuration(client_side=True, header_encoding="latin-1"))
        # pushed responses would use up the window of the one that was asked for
        settings = {SettingCodes.ENABLE_PUSH: 0, SettingCodes.MAX_HEADER_LIST_SIZE: MAX_HEAD}
        self.h2.local_settings = Settings(client=True, initial_values=settings)
        self.h2.decoder.max_header_list_size = MAX_HEAD
        self.h2.initiate_connection()


async def ask(stream: Stream, headers: Sequence[tuple[str, str]], body: bytes | None) -> Reply:
    """Make one request, and read its response, or the first 64 KiB of it.

    On a connection that goes on being of use `stream.session` holds it, and `stream.reusable` is
    set.

    Raises:
        FailedError, OSError: there is no response.
    """
    if stream.encrypted and stream.alpn != "h2":
        chosen = stream.alpn or "no protocol"
        raise FailedError(Outcome.TLS_PROTOCOL, f"the server chose {chosen} by ALPN, not h2")
    stream.on_idle = None
    reused = stream.session is not None
    session: _Session = stream.session or _Session()
    stream.session = None
    reply = Reply()
    number = _send(session, headers, body)
    stream.write(session.h2.data_to_send())
    try:
        await _read(session, stream, number, reply)
    except (ProtocolError, FailedError, OSError) as error:
        if not reply.status and (reused or not session.frames.partial):
            # what came was settings and the like, or the end of the old connection: no answer
            stream.progress.received = 0
        if isinstance(error, ProtocolError):
            raise _malformed(error) from error
        raise
    if not reply.ended:
        session.h2.reset_stream(number, CANCEL)
        stream.write(session.h2.data_to_send())
    elif _idle(session, stream, b""):
        stream.session, stream.reusable = session, True
        stream.on_idle = partial(_idle, session, stream)
    return reply


def _send(session: _Session, headers: Sequence[tuple[str, str]], body: bytes | None) -> int:
    try:
        number = session.h2.get_next_available_stream_id()
        session.h2.send_headers(number, headers, end_stream=body is None)
        if body is not None:
            session.h2.send_data(number, body, end_stream=True)
    except ProtocolError as error:
        raise FailedError(Outcome.ERROR, f"no request can be made: {line(str(error))}") from error
    return number


async def _read(session: _Session, stream: Stream, number: int, reply: Reply) -> None:
    while len(reply.body) < MAX_BODY:
        data = await stream.read()
        if not data:
            if not reply.status and not session.frames.partial:
                stream.progress.received = 0
            raise closed(stream.progress)
        session.frames.feed(data)
        for frame in session.frames.whole():
            if isinstance(frame, Goodbye):
                _leave(frame, session, number)
            else:
                for event in session.h2.receive_data(frame):
                    _take(event, reply, session.h2, number)
            if reply.ended:
                return  # what follows says nothing of this answer
        if reply.status:
            stream.progress.reached = Phase.BODY
        stream.write(session.h2.data_to_send())


def _leave(goodbye: Goodbye, session: _Session, number: int) -> None:
    if goodbye.last < number or goodbye.code:
        raise FailedError(Outcome.CLOSED, f"the server says goodbye, code {goodbye.code}")
    session.leaving = True  # but it answers this request


def _take(event: Event, reply: Reply, connection: H2Connection, number: int) -> None:
    if getattr(event, "stream_id", None) != number or isinstance(
        event, InformationalResponseReceived
    ):
        return
    if isinstance(event, ResponseReceived):
        reply.headers = _headers(event.headers)
        status = reply.headers.pop(":status", "")
        reply.status = int(status) if status.isascii() and status.isdecimal() else -1
        if not 100 <= reply.status <= 599:
            raise FailedError(Outcome.MALFORMED, "the response has no status")
    elif isinstance(event, DataReceived):
        data = event.data or b""
        room = MAX_BODY - len(reply.body)
        reply.body += data[:room]
        reply.cut = reply.cut or len(data) > room
        connection.acknowledge_received_data(event.flow_controlled_length or 0, number)
    elif isinstance(event, TrailersReceived):
        reply.trailers = _headers(event.headers)
    elif isinstance(event, StreamEnded):
        reply.ended = True
    elif isinstance(event, StreamReset):
        outcome = Outcome.RESET_MIDWAY if reply.status else Outcome.RESET
        code = f"code {event.error_code}"
        raise FailedError(outcome, f"the server reset the request, {code}")


def _headers(found: Iterable[tuple[str | bytes, str | bytes]] | None) -> dict[str, str]:
    return {_str(name): _str(value) for name, value in found or ()}


def _str(text: str | bytes) -> str:
    return text if isinstance(text, str) else text.decode("latin-1")


def _idle(session: _Session, stream: Stream, data: bytes) -> bool:
    """Take in what comes between two requests; whether the connection is still of use."""
    session.frames.feed(data)
    try:
        for frame in session.frames.whole():
            if isinstance(frame, Goodbye):
                return False
            session.h2.receive_data(frame)
    except (ProtocolError, FailedError):
        return False
    stream.write(session.h2.data_to_send())
    return not session.leaving


def _malformed(error: ProtocolError) -> FailedError:
    if isinstance(error, DenialOfServiceError):
        return FailedError(Outcome.TOO_LARGE, f"the response's head is beyond {MAX_HEAD} bytes")
    words = line(str(error))
    return FailedError(Outcome.MALFORMED, f"no HTTP/2: {words}" if words else "no HTTP/2")
