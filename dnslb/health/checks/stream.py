"""Connections over TCP, with TLS or without, whose every failure has a name.

A check over a stream says what to ask and how to read the answer (`exchange`); making the
connection, verifying the certificate, the time limit and reuse are the same for all protocols:

    kept from before? ── yes ─▶ exchange ─▶ the server spoke ─▶ result
           │                       └─ not a byte came: the connection was dead ─┐
           no ──────────────────────────────────────▶ connect ─▶ TLS ─▶ exchange ◀┘
"""

from __future__ import annotations

import asyncio
import ssl
from abc import abstractmethod
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, ClassVar, Final

import aiohappyeyeballs

from dnslb.health.checks.base import Kept, Outcome, Result
from dnslb.health.checks.network import Phase, Progress, closed, is_numeric, resolve, within
from dnslb.health.checks.server import ServerCheck
from dnslb.health.checks.tls import context_for

if TYPE_CHECKING:
    import socket
    from collections.abc import Callable

__all__ = ["Stream", "StreamCheck"]

STAGGER: Final = 0.25
"""Seconds before a name's next address is tried beside the first (RFC 8305, section 5)."""

AHEAD: Final = 256 * 1024
"""Bytes that may have come and not been read; beyond, the other side has to wait."""


class Stream(asyncio.Protocol):
    """One connection."""

    def __init__(self, progress: Progress) -> None:
        self.progress = progress
        self.session: Any = None  # what a protocol remembers of a connection that is reused
        # takes what comes between two questions, and says whether the connection is still of use
        self.on_idle: Callable[[bytes], bool] | None = None
        self.reusable = False  # whether the next probe may go on where this one ended
        self.expires: float | None = None  # when the certificate ends, seconds since 1970
        self._transport: asyncio.Transport | None = None
        self._buffer = bytearray()
        self._over = False
        self._error: BaseException | None = None
        self._waiter: asyncio.Future[None] | None = None

    @property
    def alive(self) -> bool:
        """Whether nothing has ended it, as far as is known; what came unasked is no good sign."""
        return not self._over and not self._buffer

    @property
    def encrypted(self) -> bool:
        """Whether TLS is under it."""
        return bool(self._transport and self._transport.get_extra_info("ssl_object"))

    @property
    def alpn(self) -> str | None:
        """The protocol that both sides chose in the TLS handshake."""
        over = self._transport and self._transport.get_extra_info("ssl_object")
        return over.selected_alpn_protocol() if over else None

    def write(self, data: bytes) -> None:
        """Send `data`; that it cannot be sent is told when the answer is read."""
        if self._transport is not None and not self._over:
            self._transport.write(data)

    async def read(self) -> bytes:
        """What has come and was not read yet, at least one byte; nothing at the end.

        Raises:
            OSError: the connection was broken off.
        """
        while not self._buffer:
            if self._error is not None:
                raise self._error
            if self._over:
                return b""
            self._waiter = asyncio.get_running_loop().create_future()
            await self._waiter
        data = bytes(self._buffer)
        self._buffer.clear()
        if len(data) >= AHEAD and self._transport is not None and not self._over:
            self._transport.resume_reading()
        return data

    def unread(self, data: bytes) -> None:
        """Have `data` read again."""
        self._buffer[:0] = data

    async def more(self) -> bytes:
        """As `read`, for an answer that is not whole yet.

        Raises:
            FailedError: the other side has closed.
            OSError: the connection was broken off.
        """
        data = await self.read()
        if not data:
            raise closed(self.progress)
        return data

    def close(self) -> None:
        """End the connection at once. Does nothing twice."""
        if self._transport is not None:
            self._transport.abort()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Called by the loop, as the three that follow."""
        self._transport = transport  # type: ignore[assignment]
        certificate = transport.get_extra_info("peercert")
        if certificate:
            self.expires = float(ssl.cert_time_to_seconds(certificate["notAfter"]))

    def data_received(self, data: bytes) -> None:
        """Bytes have come."""
        if self.on_idle is not None:
            if not self.on_idle(data):
                self.close()
            return
        self.progress.arrived(len(data))
        self._buffer += data
        if len(self._buffer) >= AHEAD and self._transport is not None:
            self._transport.pause_reading()
        self._wake()

    def eof_received(self) -> bool:
        """The other side has nothing more to say; the transport closes."""
        self._over = True
        self._wake()
        return False

    def connection_lost(self, error: BaseException | None) -> None:
        """The connection is no more."""
        self._over = True
        self._error = self._error or error
        self._wake()

    def _wake(self) -> None:
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)


@dataclass(frozen=True, slots=True, kw_only=True)
class StreamCheck(ServerCheck):
    """A check that asks over a stream."""

    ALPN: ClassVar[tuple[str, ...]] = ()
    """The protocols that are offered in the TLS handshake (RFC 7301)."""

    @abstractmethod
    async def exchange(self, stream: Stream, address: str) -> Result:
        """Ask, and judge the answer; set `stream.reusable` when another question may follow.

        Raises:
            FailedError, OSError: why there is no answer to judge.
        """

    async def probe(self, address: str, kept: Kept) -> Result:
        """Ask once, on the connection that is kept or on a new one."""
        if self.reuse and isinstance(held := kept.take(), Stream) and held.alive:
            held.progress = Progress(Phase.READ)
            result = await within(self.timeout, held.progress, self._exchange(held, address, kept))
            if held.progress.received:
                return result
            # it died meanwhile, or whatever is between forgot it, and the server was not heard
        progress = Progress()
        return await within(self.timeout, progress, self._fresh(address, kept, progress))

    async def _fresh(self, address: str, kept: Kept, progress: Progress) -> Result:
        port = self.effective_port
        if port is None:
            return Result(Outcome.ERROR, "the check needs a port")
        context = None
        if self.tls is not None:
            try:
                context = await context_for(self.tls, self.ALPN)
            except OSError as error:
                reason = error.strerror or error
                return Result(Outcome.ERROR, f"tls.ca_file {self.tls.ca_file}: {reason}")
        if context is None and is_numeric(address):
            # by far the most, and the loop does it with the fewest steps
            progress.reached = Phase.CONNECT
            _, stream = await asyncio.get_running_loop().create_connection(
                lambda: Stream(progress), address, port
            )
            progress.reached = Phase.READ
            return await self._exchange(stream, address, kept)
        infos = await resolve(address, port)
        progress.reached = Phase.CONNECT
        sock = await aiohappyeyeballs.start_connection(infos, happy_eyeballs_delay=STAGGER)
        stream = await self._over(sock, context, address, progress)
        return await self._exchange(stream, address, kept)

    async def _over(
        self,
        sock: socket.socket,
        context: ssl.SSLContext | None,
        address: str,
        progress: Progress,
    ) -> Stream:
        if context is not None:
            progress.reached = Phase.HANDSHAKE
        try:
            _, stream = await asyncio.get_running_loop().create_connection(
                lambda: Stream(progress),
                sock=sock,
                ssl=context,
                server_hostname=self.name(address) if context else None,
            )
        except BaseException:
            sock.close()
            raise
        progress.reached = Phase.READ
        return stream

    async def _exchange(self, stream: Stream, address: str, kept: Kept) -> Result:
        stream.reusable = keep = False
        try:
            if self.tls is not None and stream.expires is not None:
                self.tls.check_age(stream.expires)
            result = await self.exchange(stream, address)
            keep = self.reuse and stream.reusable and stream.alive
        finally:
            if keep:
                kept.put(stream)
            else:
                stream.close()
        return result if stream.expires is None else replace(result, expires=stream.expires)
