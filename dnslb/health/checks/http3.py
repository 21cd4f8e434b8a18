"""The HTTP/3 check: one request over QUIC (RFC 9114); the library aioquic does both.

Every probe makes a connection of its own: what QUIC would keep is lost with the server's restart,
and a fresh handshake is what clients of HTTP/3 meet.
"""

from __future__ import annotations

import asyncio
import socket
import ssl
import time
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, ClassVar, Final

from aioquic.h3.connection import H3Connection
from aioquic.h3.events import DataReceived, HeadersReceived
from aioquic.quic.configuration import QuicConfiguration
from aioquic.quic.connection import QuicConnection
from aioquic.quic.events import (
    ConnectionTerminated,
    HandshakeCompleted,
    StreamReset,
)
from aioquic.quic.packet import QuicErrorCode

from dnslb.health.checks.base import Outcome, Result
from dnslb.health.checks.body import MAX_BODY
from dnslb.health.checks.datagram import report_errors
from dnslb.health.checks.network import FailedError, Phase, Progress, resolve, within
from dnslb.health.checks.web import WebCheck, line

if TYPE_CHECKING:
    from collections.abc import Iterable

    from aioquic.quic.events import QuicEvent

    from dnslb.health.checks.base import Kept
    from dnslb.health.checks.network import AddressInfo
    from dnslb.health.checks.stream import Stream

__all__ = ["Http3Check"]

ALPN: Final = ["h3"]

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


@dataclass(frozen=True, slots=True, kw_only=True)
class Http3Check(WebCheck):
    """One request by HTTP/3, which is never without TLS."""

    PORTS: ClassVar[tuple[int | None, int | None]] = (443, 443)

    async def probe(self, address: str, kept: Kept) -> Result:
        """Make one request; its whole first 64 KiB must come in time."""
        del kept
        progress = Progress()
        return await within(self.timeout, progress, self._ask(address, progress))

    async def exchange(self, stream: Stream, address: str) -> Result:
        """Never called: QUIC has streams of its own."""
        raise NotImplementedError

    async def _ask(self, address: str, progress: Progress) -> Result:
        infos = await resolve(address, self.effective_port or 443)
        progress.reached = Phase.CONNECT
        try:
            configuration = self._configuration(address)
        except OSError as error:
            where = self.tls.ca_file if self.tls else None
            return Result(Outcome.ERROR, f"tls.ca_file {where}: {error.strerror or error}")
        asking = _Asking(QuicConnection(configuration=configuration), progress)
        transport = await _endpoint(asking, infos[0])
        try:
            asking.begin(infos[0][4])
            await asking.shaken
            expires = self._expires(asking.quic)
            result = await self._judged(asking, address)
        finally:
            asking.end()
            transport.close()
        return replace(result, expires=expires)

    async def _judged(self, asking: _Asking, address: str) -> Result:
        asking.request(self.fields(address))
        await asking.answered
        headers = {
            name.decode("ascii", "replace"): value.decode("latin-1")
            for name, value in asking.headers
        }
        status = headers.get(":status", "")
        if not (status.isascii() and status.isdecimal() and 100 <= int(status) <= 599):
            raise FailedError(Outcome.MALFORMED, "the response has no status")
        refused = self.refused(int(status), headers)
        return refused or self.judge(headers, bytes(asking.body), whole=asking.whole)

    def _configuration(self, address: str) -> QuicConfiguration:
        tls = self.tls
        verify = tls is None or tls.verify
        made = QuicConfiguration(
            is_client=True,
            alpn_protocols=ALPN,
            server_name=self.name(address),
            idle_timeout=2 * self.timeout,
            verify_mode=ssl.CERT_REQUIRED if verify else ssl.CERT_NONE,
        )
        paths = ssl.get_default_verify_paths()  # aioquic would take a list of its own
        if tls is not None and tls.ca_file is not None:
            with open(tls.ca_file, "rb"):  # noqa: PTH123 - to tell at once that it cannot be read
                made.load_verify_locations(cafile=tls.ca_file)
        elif paths.cafile or paths.capath:
            made.load_verify_locations(cafile=paths.cafile, capath=paths.capath)
        return made

    def _expires(self, quic: QuicConnection) -> float | None:
        """When the server's certificate ends; raises when that is too soon."""
        certificate = getattr(quic.tls, "_peer_certificate", None)
        if certificate is None:
            return None
        expires: float = certificate.not_valid_after_utc.timestamp()
        days = (expires - time.time()) / 86_400
        if self.tls is not None and self.tls.min_days is not None and days < self.tls.min_days:
            raise FailedError(
                Outcome.TLS_EXPIRED,
                f"certificate ends in {days:.1f} days, fewer than {self.tls.min_days:g}",
            )
        return expires


class _Asking(asyncio.DatagramProtocol):
    """One connection and its one request."""

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

    def begin(self, address: object) -> None:
        self.quic.connect(address, now=self._loop.time())
        self._send()

    def request(self, fields: Iterable[tuple[str, str]]) -> None:
        self._http = http = H3Connection(self.quic)
        http.send_headers(
            self.quic.get_next_available_stream_id(),
            [(name.encode(), value.encode()) for name, value in fields],
            end_stream=True,
        )
        self._send()

    def end(self) -> None:
        """Say goodbye, and forget the connection."""
        self.quic.close(error_code=0x100)  # H3_NO_ERROR
        self._send()
        if self._timer is not None:
            self._timer.cancel()
        for waiter in (self.shaken, self.answered):
            waiter.cancel()
            if waiter.done() and not waiter.cancelled():
                waiter.exception()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = transport  # type: ignore[assignment]

    def datagram_received(self, data: bytes, addr: object) -> None:
        if self._progress.reached is Phase.CONNECT:
            self._progress.reached = Phase.HANDSHAKE
        self.quic.receive_datagram(data, addr, now=self._loop.time())
        self._take()

    def error_received(self, error: Exception) -> None:
        self._fail(error)

    def _take(self) -> None:
        while event := self.quic.next_event():
            self._on(event)
        self._send()

    def _on(self, event: QuicEvent) -> None:
        if isinstance(event, HandshakeCompleted):
            self._progress.reached = Phase.READ
            if not self.shaken.done():
                self.shaken.set_result(None)
        elif isinstance(event, ConnectionTerminated):
            self._fail(self._ended(event))
        elif isinstance(event, StreamReset):
            outcome = Outcome.RESET_MIDWAY if self.headers else Outcome.RESET
            self._fail(FailedError(outcome, f"the server reset the request ({event.error_code})"))
        elif self._http is not None:
            for part in self._http.handle_event(event):
                self._answer(part)
            # set when it has closed the connection itself, after what may not be sent
            if getattr(self._http, "_is_done", False):
                self._fail(
                    FailedError(Outcome.MALFORMED, "the response is against the rules of HTTP/3")
                )

    def _answer(self, part: object) -> None:
        if isinstance(part, HeadersReceived):
            self._progress.reached = Phase.BODY
            self._progress.arrived(1)
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

    def _ended(self, event: ConnectionTerminated) -> FailedError:
        words = line(event.reason_phrase)
        # those that HTTP/3 closes with have the same numbers, and no frame
        of_quic = event.frame_type is not None
        if of_quic and ALERTS <= event.error_code < ALERTS + 0x100:
            outcome = _ALERTS.get(event.error_code - ALERTS, Outcome.TLS)
            if "doesn't match" in words:
                outcome = Outcome.TLS_NAME
            elif "issuer" in words or "self-signed" in words or "self signed" in words:
                outcome = Outcome.TLS_UNTRUSTED
            return FailedError(outcome, words or f"alert {event.error_code - ALERTS}")
        if not self.shaken.done():
            if "version" in words.lower():
                return FailedError(Outcome.TLS_PROTOCOL, words)
            return FailedError(Outcome.TLS, words or "connection closed during the handshake")
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


async def _endpoint(asking: _Asking, info: AddressInfo) -> asyncio.DatagramTransport:
    """A socket that hears of ports on which nobody listens, and of errors on the way there."""
    sock = socket.socket(info[0], socket.SOCK_DGRAM)
    try:
        sock.setblocking(False)  # noqa: FBT003 - it takes no keyword
        report_errors(sock)
        sock.connect(info[4])
        transport, _ = await asyncio.get_running_loop().create_datagram_endpoint(
            lambda: asking, sock=sock
        )
    except BaseException:
        sock.close()
        raise
    return transport
