"""A connection of QUIC that asks by HTTP/3 once, and what its ways of ending are called.

aioquic does the protocols, without sockets and clocks; these are here:

    datagram ─▶ aioquic ─▶ events ─▶ shaken, answered ─▶ the check
    timer    ─▶    │                  (or why not)
                   └─▶ datagrams
"""

from __future__ import annotations

import asyncio
import logging
import socket
from typing import TYPE_CHECKING, Final

from aioquic.h3.connection import H3Connection
from aioquic.h3.events import DataReceived, HeadersReceived
from aioquic.quic.connection import QuicConnection
from aioquic.quic.events import (
    ConnectionTerminated,
    HandshakeCompleted,
    StreamReset,
)
from aioquic.quic.packet import QuicErrorCode

from dnslb.health.checks.base import Outcome
from dnslb.health.checks.body import MAX_BODY
from dnslb.health.checks.datagram import report_errors
from dnslb.health.checks.network import FailedError, Phase
from dnslb.health.checks.stream import STAGGER
from dnslb.health.checks.web import MAX_HEAD, line

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from aioquic.quic.configuration import QuicConfiguration
    from aioquic.quic.events import QuicEvent

    from dnslb.health.checks.network import AddressInfo, Progress

__all__ = ["Asking", "first"]

ALERTS: Final = QuicErrorCode.CRYPTO_ERROR
"""Codes from here on are alerts of TLS (RFC 9001, section 4.8)."""

_ALERTS: Final = {
    45: Outcome.TLS_EXPIRED,
    48: Outcome.TLS_UNTRUSTED,
    40: Outcome.TLS_PROTOCOL,
    70: Outcome.TLS_PROTOCOL,
    120: Outcome.TLS_PROTOCOL,
}
"""What alerts mean by their numbers (RFC 8446, section 6)."""

_CERTIFICATE: Final = (
    ("not valid yet", Outcome.TLS_EXPIRED, "certificate is not valid yet"),
    ("no longer valid", Outcome.TLS_EXPIRED, "certificate has expired"),
    ("has expired", Outcome.TLS_EXPIRED, "certificate has expired"),
    ("doesn't match", Outcome.TLS_NAME, "certificate is for another name"),
    ("subjectAltName", Outcome.TLS_NAME, "certificate is for no name"),
    ("self-signed", Outcome.TLS_UNTRUSTED, "certificate is self-signed"),
    ("self signed", Outcome.TLS_UNTRUSTED, "certificate is self-signed"),
    ("issuer", Outcome.TLS_UNTRUSTED, "certificate's issuer is not trusted"),
    ("revoked", Outcome.TLS, "certificate is revoked"),
)
"""Parts of aioquic's and OpenSSL's words for what is wrong, and ours: the alert is mostly 42."""

IDLE: Final = "Idle timeout"
"""aioquic's words when nothing came for as long as both sides keep a connection."""

# what it tells of each connection that fails is in the result
logging.getLogger("quic").addHandler(logging.NullHandler())


async def first(
    infos: Sequence[AddressInfo], configuration: QuicConfiguration, progress: Progress
) -> Asking:
    """The first connection that is made to one of the addresses `infos`, tried in this order.

    The next is begun when nothing came of the one before within a moment, or it is refused. A
    handshake that fails is the answer: whoever has it is there.

    Raises:
        FailedError, OSError: why there is none.
    """
    trying: dict[asyncio.Task[None], Asking] = {}
    chosen: Asking | None = None
    left = list(infos)
    error: OSError | None = None
    try:
        while left or not all(task.done() for task in trying):
            if left:
                asking = Asking(QuicConnection(configuration=configuration), progress)
                trying[asyncio.ensure_future(asking.shake(left.pop(0)))] = asking
            done, _ = await asyncio.wait(
                [task for task in trying if not task.done()],
                timeout=STAGGER if left else None,
                return_when=asyncio.FIRST_COMPLETED,
            )
            for task in done:
                try:
                    task.result()
                except OSError as failed:
                    error = failed
                else:
                    chosen = trying[task]
                    return chosen
    finally:
        for task, asking in trying.items():
            task.cancel()
            if asking is not chosen:
                asking.end()
        await asyncio.gather(*trying, return_exceptions=True)
    raise error or OSError("there is no address")


class Asking(asyncio.DatagramProtocol):
    """One connection and its one request; `answered` is done when the response is here."""

    def __init__(self, quic: QuicConnection, progress: Progress) -> None:
        loop = asyncio.get_running_loop()
        self.quic = quic
        self.headers: list[tuple[bytes, bytes]] = []
        self.body = bytearray()
        self.whole = False
        self.shaken: asyncio.Future[None] = loop.create_future()
        self.answered: asyncio.Future[None] = loop.create_future()
        self._loop = loop
        self._http: H3Connection | None = None
        self._progress = progress
        self._transport: asyncio.DatagramTransport | None = None
        self._timer: asyncio.TimerHandle | None = None

    async def shake(self, info: AddressInfo) -> None:
        """Connect to an address.

        Raises:
            FailedError, OSError: why there is no connection.
        """
        await _endpoint(self, info)
        self.quic.connect(info[4], now=self._loop.time())
        self._send()
        await self.shaken

    def request(self, fields: Iterable[tuple[str, str]]) -> None:
        """Make the request, once there is a connection."""
        self._http = http = H3Connection(self.quic)
        http.send_headers(
            self.quic.get_next_available_stream_id(),
            [(name.encode(), value.encode()) for name, value in fields],
            end_stream=True,
        )
        self._send()

    def end(self) -> None:
        """Say goodbye, and forget the connection."""
        if self._transport is not None:
            self.quic.close(error_code=0x100)  # H3_NO_ERROR
            self._send()
            self._transport.close()
        if self._timer is not None:
            self._timer.cancel()
        for waiter in (self.shaken, self.answered):
            waiter.cancel()
            if waiter.done() and not waiter.cancelled():
                waiter.exception()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Called by the loop, as the two that follow."""
        self._transport = transport  # type: ignore[assignment]

    def datagram_received(self, data: bytes, addr: object) -> None:
        """The server says something."""
        if self._progress.reached is Phase.CONNECT:
            self._progress.reached = Phase.HANDSHAKE
        if self._is_reset(data):
            outcome = Outcome.RESET_MIDWAY if self.headers else Outcome.RESET
            self._fail(FailedError(outcome, "the server has forgotten the connection"))
            return
        try:
            self.quic.receive_datagram(data, addr, now=self._loop.time())
            self._take()
        except Exception as error:  # noqa: BLE001 - what a stranger sent must not reach the loop
            self._fail(error)

    def error_received(self, error: Exception) -> None:
        """A router or the server's system says that nobody hears."""
        self._fail(error)

    def _is_reset(self, data: bytes) -> bool:
        """Whether it is a stateless reset (RFC 9000, section 10.3), which aioquic looks past."""
        identifier = getattr(self.quic, "_peer_cid", None)
        token: bytes = getattr(identifier, "stateless_reset_token", b"")
        return len(token) == 16 and len(data) >= 21 and data.endswith(token)

    def _take(self) -> None:
        while event := self.quic.next_event():
            self._on(event)
        # told as an event when the connection has drained, long after it is known
        closing = getattr(self.quic, "_close_event", None)
        if closing is not None:
            self._fail(self._ended(closing, ours=getattr(self.quic, "_close_pending", False)))
        self._send()

    def _on(self, event: QuicEvent) -> None:
        if isinstance(event, HandshakeCompleted):
            self._progress.reached = Phase.READ
            if not self.shaken.done():
                self.shaken.set_result(None)
        elif isinstance(event, ConnectionTerminated):
            self._fail(self._ended(event, ours=False))
        elif isinstance(event, StreamReset):
            outcome = Outcome.RESET_MIDWAY if self.headers else Outcome.RESET
            words = f"the server reset the request, code {event.error_code:#x}"
            self._fail(FailedError(outcome, words))
        elif self._http is not None:
            for part in self._http.handle_event(event):
                self._answer(part)

    def _answer(self, part: object) -> None:
        if isinstance(part, HeadersReceived):
            self._progress.reached = Phase.BODY
            self._progress.arrived(1)
            if sum(len(name) + len(value) for name, value in part.headers) > MAX_HEAD:
                words = f"the response's head is beyond {MAX_HEAD} bytes"
                self._fail(FailedError(Outcome.TOO_LARGE, words))
            if dict(part.headers).get(b":status", b"2")[:1] != b"1":
                # trailers come later, and mean nothing here
                self.headers = self.headers or list(part.headers)
        elif isinstance(part, DataReceived):
            self._progress.arrived(len(part.data))
            self.body += part.data[: MAX_BODY - len(self.body)]
        ended = bool(getattr(part, "stream_ended", False))
        if (ended or len(self.body) >= MAX_BODY) and not self.answered.done():
            self.whole = ended
            self.answered.set_result(None)

    def _ended(self, event: ConnectionTerminated, *, ours: bool) -> FailedError:
        """Why the connection ends, by our will or the server's."""
        words = line(event.reason_phrase)
        # those that HTTP/3 closes with have the same numbers, and no frame
        of_quic = event.frame_type is not None
        if of_quic and ALERTS <= event.error_code < ALERTS + 0x100:
            return _alert(event.error_code - ALERTS, words)
        if not self.shaken.done():
            if "version" in words.lower():
                return FailedError(Outcome.TLS_PROTOCOL, "no version of QUIC in common")
            return FailedError(Outcome.TLS, words or "connection closed during the handshake")
        if words == IDLE:
            return FailedError(Outcome.READ_TIMEOUT, "nothing came until the connection went idle")
        if ours:
            return FailedError(Outcome.MALFORMED, f"no HTTP/3: {words}")
        if event.error_code not in {0, 0x100}:
            outcome = Outcome.RESET_MIDWAY if self.headers else Outcome.RESET
            return FailedError(outcome, words or f"closed with code {event.error_code:#x}")
        if self.headers:
            return FailedError(Outcome.CLOSED, "connection closed before the response was complete")
        return FailedError(Outcome.CLOSED, "connection closed without a response")

    def _fail(self, error: Exception) -> None:
        for waiter in (self.shaken, self.answered):
            if not waiter.done():
                waiter.set_exception(error)

    def _send(self) -> None:
        if self._transport is None or self._transport.is_closing():
            return
        for data, _ in self.quic.datagrams_to_send(now=self._loop.time()):
            self._transport.sendto(data)
        if self._timer is not None:
            self._timer.cancel()
        at = self.quic.get_timer()
        self._timer = None if at is None else self._loop.call_at(at, self._on_timer, at)

    def _on_timer(self, at: float) -> None:
        self.quic.handle_timer(now=max(at, self._loop.time()))
        self._take()


def _alert(number: int, words: str) -> FailedError:
    for part, outcome, told in _CERTIFICATE:
        if part in words:
            return FailedError(outcome, told)
    outcome = _ALERTS.get(number, Outcome.TLS)
    return FailedError(outcome, f"handshake failed: {words or f'alert {number}'}")


async def _endpoint(asking: Asking, info: AddressInfo) -> None:
    """A socket that hears of ports on which nobody listens, and of errors on the way there."""
    sock = socket.socket(info[0], socket.SOCK_DGRAM)
    try:
        sock.setblocking(False)  # noqa: FBT003 - it takes no keyword
        report_errors(sock)
        sock.connect(info[4])
        await asyncio.get_running_loop().create_datagram_endpoint(lambda: asking, sock=sock)
    except BaseException:
        sock.close()
        raise
