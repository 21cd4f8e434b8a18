"""A proxy before a good server that injects one fault into what the server answers.

    check ─▶ (TLS ends here) ─▶ proxy ─▶ good server, without TLS
          ◀─ all, half, nothing ─┘

It speaks plain to the server, so that the middle of the answer is the middle with TLS as well.
"""

from __future__ import annotations

import asyncio
import contextlib
import enum
import fcntl
import socket
import struct
import termios
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import ssl
    from collections.abc import AsyncIterator

__all__ = ["Fault", "Wire"]


class Fault(enum.Enum):
    """What happens to the answer, once the client has begun to ask."""

    NONE = "none"
    LATE = "late"  # it comes whole, but after a pause
    RESET = "reset"
    RESET_MIDWAY = "reset-midway"
    CLOSED = "closed"
    CLOSED_MIDWAY = "closed-midway"
    SILENCE = "silence"
    STALL = "stall"  # half of it, and then nothing
    DRIP = "drip"  # a byte at a time
    GARBAGE = "garbage"
    TLS_PLAIN = "tls-plain"  # the handshake is answered by a server that knows no TLS
    TLS_RESET = "tls-reset"
    TLS_CLOSED = "tls-closed"
    TLS_SILENCE = "tls-silence"


HALF = {Fault.RESET_MIDWAY, Fault.CLOSED_MIDWAY, Fault.STALL}
BEFORE_TLS = {Fault.TLS_PLAIN, Fault.TLS_RESET, Fault.TLS_CLOSED, Fault.TLS_SILENCE}
NO_TLS = b"220 mail.example.com ESMTP\r\n"


class Wire:
    """One proxy, on a port of the system's choice that it keeps through restarts."""

    def __init__(
        self,
        upstream: int,
        address: str,
        *,
        tls: ssl.SSLContext | None = None,
        garbage: bytes = b"",
        pause: float = 0.0,  # seconds before each byte that drips, or before an answer that is late
    ) -> None:
        self.fault = Fault.NONE
        self.answer = 0  # bytes of a good answer, by which its middle is found
        self.sent = 0  # bytes that went to clients
        self.connections = 0
        self.port = 0
        self._upstream = upstream
        self._address = address
        self._tls = tls
        self._garbage = garbage
        self._pause = pause
        self._server: asyncio.Server | None = None
        self._open: dict[asyncio.Task[None], asyncio.StreamWriter] = {}
        self._forgotten: set[asyncio.StreamWriter] = set()

    async def start(self) -> None:
        """Listen."""
        tls = None if self.fault in BEFORE_TLS else self._tls
        self._server = await asyncio.start_server(
            self._serve, self._address, self.port, ssl=tls, reuse_address=True
        )
        self.port = self._server.sockets[0].getsockname()[1]

    async def stop(self) -> None:
        """Stop listening, and end every connection."""
        if self._server is not None:
            self._server.close()
        tasks = list(self._open)
        for writer in self._open.values():
            _reset(writer)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    def forget(self) -> None:
        """Know nothing more of the connections that are open: what comes on them is reset."""
        self._forgotten.update(self._open.values())

    @contextlib.asynccontextmanager
    async def running(self) -> AsyncIterator[Wire]:
        """Listen, as long as the context lasts."""
        await self.start()
        try:
            yield self
        finally:
            await self.stop()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        task = asyncio.current_task()
        self._open[task] = writer
        try:
            await self._connection(reader, writer)
        except OSError:
            pass  # the check went away, as it may
        except asyncio.CancelledError:
            pass  # the proxy stops
        finally:
            del self._open[task]
            writer.transport.abort()

    async def _connection(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if self.fault in BEFORE_TLS:
            await reader.read(65_536)
            await self._break_handshake(writer)
            await _until_closed(reader)
            return
        up_reader, up_writer = await asyncio.open_connection(self._address, self._upstream)
        asked = asyncio.Event()
        upwards = asyncio.create_task(self._ask(reader, up_writer, writer, asked))
        try:
            await asked.wait()
            if await self._answer(up_reader, writer):
                # read on, since closing with something unread would be a reset
                await upwards
        finally:
            up_writer.transport.abort()
            upwards.cancel()
            await asyncio.gather(upwards, return_exceptions=True)

    async def _ask(
        self,
        reader: asyncio.StreamReader,
        up: asyncio.StreamWriter,
        client: asyncio.StreamWriter,
        asked: asyncio.Event,
    ) -> None:
        with contextlib.suppress(OSError):
            while data := await reader.read(65_536):
                if client in self._forgotten:
                    _reset(client)
                    break
                asked.set()
                up.write(data)
        asked.set()

    async def _break_handshake(self, writer: asyncio.StreamWriter) -> None:
        if self.fault is Fault.TLS_PLAIN:
            writer.write(NO_TLS)
            await writer.drain()
        elif self.fault is Fault.TLS_RESET:
            _reset(writer)
        elif self.fault is Fault.TLS_CLOSED:
            writer.write_eof()

    async def _answer(self, up: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
        """Answer with the fault; whether the connection goes on until the client ends it."""
        fault = self.fault
        if fault is Fault.LATE:
            await asyncio.sleep(self._pause)
        if fault in {Fault.NONE, Fault.LATE}:
            while data := await up.read(65_536):
                await self._send(writer, data)
            _close(writer)
            return True
        if fault is Fault.DRIP:
            while data := await up.read(1):
                await self._send(writer, data)
                await asyncio.sleep(self._pause)
        if fault is Fault.GARBAGE:
            await self._send(writer, self._garbage)
        if fault in HALF:
            await self._send(writer, await up.readexactly(max(1, self.answer // 2)))
            await _delivered(writer)
        if fault in {Fault.RESET, Fault.RESET_MIDWAY}:
            _reset(writer)
            return False
        if fault in {Fault.CLOSED, Fault.CLOSED_MIDWAY}:
            _close(writer)
        return True

    async def _send(self, writer: asyncio.StreamWriter, data: bytes) -> None:
        self.sent += len(data)
        writer.write(data)
        await writer.drain()


async def _until_closed(reader: asyncio.StreamReader) -> None:
    while await reader.read(65_536):
        pass


async def _delivered(writer: asyncio.StreamWriter) -> None:
    """Wait until the other side's kernel has all that was written."""
    descriptor = writer.get_extra_info("socket").fileno()
    while struct.unpack("i", fcntl.ioctl(descriptor, termios.TIOCOUTQ, b"\0" * 4))[0]:
        await asyncio.sleep(0.001)


def _close(writer: asyncio.StreamWriter) -> None:
    if writer.can_write_eof():
        writer.write_eof()
    else:
        writer.close()  # TLS: says so, and reads on until the other side does


def _reset(writer: asyncio.StreamWriter) -> None:
    sock = writer.get_extra_info("socket")
    if sock is not None:
        with contextlib.suppress(OSError):  # it is closed already
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    writer.transport.abort()
