"""Servers that misbehave in one way each, on loopback and a port of the system's choice."""

from __future__ import annotations

import asyncio
import socket
import struct
from contextlib import asynccontextmanager, contextmanager
from typing import TYPE_CHECKING

from dnslb.health.checks.base import Kept
from dnslb.health.checks.http import HttpCheck
from dnslb.health.checks.tls import Tls

if TYPE_CHECKING:
    import ssl
    from collections.abc import AsyncIterator, Iterator
    from typing import Any

    from dnslb.health.checks.base import Result

LOOPBACK = "127.0.0.1"


def response(status: int = 200, body: bytes = b"", **headers: str) -> bytes:
    """A complete response; `_` in a header's name stands for `-`."""
    lines = [f"HTTP/1.1 {status} Words", f"Content-Length: {len(body)}"]
    lines += [f"{name.replace('_', '-')}: {value}" for name, value in headers.items()]
    return "\r\n".join([*lines, "", ""]).encode() + body


class Raw:
    """What a raw server saw, and where it is."""

    def __init__(self) -> None:
        self.port = 0
        self.requests: list[str] = []
        self.server_names: list[str | None] = []


async def _settle() -> None:
    """Have the loop take in what the check has made there, and close what it has closed."""
    for _ in range(20):
        await asyncio.sleep(0)


@asynccontextmanager
async def raw(
    reply: bytes = b"", *, hold: bool = False, tls: ssl.SSLContext | None = None
) -> AsyncIterator[Raw]:
    """Send `reply` to every request; then close, or with `hold` leave the connection open."""
    seen = Raw()
    over = asyncio.Event()

    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            seen.requests.append((await reader.readuntil(b"\r\n\r\n")).decode())
            writer.write(reply)
            await writer.drain()
            if hold:
                await over.wait()
        except (OSError, asyncio.IncompleteReadError):
            pass  # the check went away, as it may
        finally:
            writer.transport.abort() if hold else writer.close()

    if tls:
        tls.sni_callback = lambda _, name, __: seen.server_names.append(name)
    server = await asyncio.start_server(handle, LOOPBACK, 0, ssl=tls)
    seen.port = server.sockets[0].getsockname()[1]
    try:
        yield seen
    finally:
        over.set()
        await _settle()
        server.close()


def probe(
    reply: bytes = b"",
    *,
    hold: bool = False,
    tls: ssl.SSLContext | None = None,
    address: str = LOOPBACK,
    **options: Any,
) -> tuple[Result, Raw]:
    """The result of one HTTP probe of a raw server, and what the server saw."""

    async def run() -> tuple[Result, Raw]:
        async with raw(reply, hold=hold, tls=tls) as server:
            asked = {key: options.pop(key) for key in ("verify", "ca_file") if key in options}
            check = HttpCheck(port=server.port, tls=Tls(**asked) if tls else None, **options)
            return await check.probe(address, Kept()), server

    return asyncio.run(run())


@asynccontextmanager
async def silent() -> AsyncIterator[int]:
    """Accept, and say nothing at all."""
    over = asyncio.Event()

    async def handle(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await over.wait()
        writer.transport.abort()

    server = await asyncio.start_server(handle, LOOPBACK, 0)
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        over.set()
        await _settle()
        server.close()


@asynccontextmanager
async def resetting() -> AsyncIterator[int]:
    """Answer every request with a TCP reset."""

    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(1)
        sock = writer.get_extra_info("socket")
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        writer.transport.abort()

    server = await asyncio.start_server(handle, LOOPBACK, 0)
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        server.close()


@contextmanager
def refusing() -> Iterator[int]:
    """A port that is taken, so that no other program gets it, and on which nothing listens."""
    with socket.socket() as sock:
        sock.bind((LOOPBACK, 0))
        yield sock.getsockname()[1]


@contextmanager
def full() -> Iterator[int]:
    """A listener whose queue is full, so that the handshake of TCP is never answered."""
    with socket.socket() as listener:
        listener.bind((LOOPBACK, 0))
        listener.listen(0)
        port = listener.getsockname()[1]
        fillers = [socket.socket() for _ in range(4)]
        for filler in fillers:
            filler.settimeout(0)
            filler.connect_ex((LOOPBACK, port))
        try:
            yield port
        finally:
            for filler in fillers:
                filler.close()
