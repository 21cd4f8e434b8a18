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
    ConnectionTerminated,
    DataReceived,
    InformationalResponseReceived,
    ResponseReceived,
    StreamEnded,
    StreamReset,
    TrailersReceived,
)
from h2.exceptions import ProtocolError

from dnslb.health.checks.base import Outcome
from dnslb.health.checks.body import MAX_BODY
from dnslb.health.checks.network import FailedError, Phase

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from h2.events import Event

    from dnslb.health.checks.stream import Stream

__all__ = ["ALPN", "Reply", "ask"]

ALPN: Final = ("h2",)

SETTINGS: Final = 4
"""The type of the frame that a server begins with (RFC 9113, section 3.4)."""


@dataclass
class Reply:
    """A response; names of headers are in lower case."""

    status: int = 0
    headers: dict[str, str] = field(default_factory=dict)
    body: bytearray = field(default_factory=bytearray)
    trailers: dict[str, str] = field(default_factory=dict)
    ended: bool = False

    @property
    def whole(self) -> bool:
        """Whether the body is all there is, rather than its first 64 KiB."""
        return self.ended


async def ask(stream: Stream, headers: Sequence[tuple[str, str]], body: bytes | None) -> Reply:
    """Make one request, and read its response, or the first 64 KiB of it.

    On a connection that goes on being of use `stream.session` holds it, and `stream.reusable` is
    set.

    Raises:
        FailedError, OSError: there is no response.
    """
    if stream.alpn not in {None, "h2"}:
        raise FailedError(Outcome.TLS_PROTOCOL, f"the server chose {stream.alpn}, not h2")
    stream.on_idle = None
    reused = stream.session is not None
    connection = stream.session
    if connection is None:
        connection = _connection()
        connection.initiate_connection()
    stream.session = None
    reply = Reply()
    try:
        number = connection.get_next_available_stream_id()
        connection.send_headers(number, headers, end_stream=body is None)
        if body is not None:
            connection.send_data(number, body, end_stream=True)
        stream.write(connection.data_to_send())
        await _read(connection, stream, number, reply, fresh=not reused)
        if reply.ended:
            stream.session, stream.reusable = connection, True
            stream.on_idle = partial(_idle, connection, stream)
        else:
            connection.reset_stream(number, 8)  # CANCEL: the rest is of no interest
            stream.write(connection.data_to_send())
    except (ProtocolError, FailedError) as error:
        if reused and not reply.status:
            # what came was the end of the old connection, and no answer
            stream.progress.received = 0
        if isinstance(error, FailedError):
            raise
        raise FailedError(Outcome.MALFORMED, _words(error)) from error
    return reply


def _connection() -> H2Connection:
    return H2Connection(H2Configuration(client_side=True, header_encoding="latin-1"))


async def _read(
    connection: H2Connection, stream: Stream, number: int, reply: Reply, *, fresh: bool
) -> None:
    begin = b"" if fresh else None
    while not reply.ended and len(reply.body) < MAX_BODY:
        data = await stream.more()
        if begin is not None:
            begin = _check_begin(begin + data)
        for event in connection.receive_data(data):
            _take(event, reply, connection, number)
        if reply.status:
            stream.progress.reached = Phase.BODY
        stream.write(connection.data_to_send())


def _check_begin(begin: bytes) -> bytes | None:
    """Look at how a connection begins, since h2 would wait for a frame as long as text seems to be.

    None: it begins well, as far as can be told from the first frame's type.
    """
    if len(begin) < 4:
        return begin
    if begin[3] == SETTINGS:
        return None
    said = "the server answers as HTTP/1" if begin.startswith(b"HTTP") else "it begins otherwise"
    raise FailedError(Outcome.MALFORMED, f"no HTTP/2: {said}")


def _take(event: Event, reply: Reply, connection: H2Connection, number: int) -> None:
    if isinstance(event, ConnectionTerminated):
        if (event.last_stream_id or 0) < number or event.error_code:
            raise FailedError(Outcome.CLOSED, f"the server says goodbye, code {event.error_code}")
    elif getattr(event, "stream_id", None) != number or isinstance(
        event, InformationalResponseReceived
    ):
        return
    elif isinstance(event, ResponseReceived):
        reply.headers = _headers(event.headers)
        status = reply.headers.pop(":status", "")
        reply.status = int(status) if status.isascii() and status.isdecimal() else -1
        if not 100 <= reply.status <= 599:
            raise FailedError(Outcome.MALFORMED, "the response has no status")
    elif isinstance(event, DataReceived):
        data = event.data or b""
        reply.body += data[: MAX_BODY - len(reply.body)]
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


def _idle(connection: H2Connection, stream: Stream, data: bytes) -> bool:
    """Take in what comes between two requests; whether the connection is still of use."""
    try:
        events = connection.receive_data(data)
    except ProtocolError:
        return False
    stream.write(connection.data_to_send())
    return not any(isinstance(event, ConnectionTerminated) for event in events)


def _words(error: ProtocolError) -> str:
    text = " ".join(str(error).split())
    return f"no HTTP/2: {text[:120]}" if text else "no HTTP/2"
