"""A proxy before a good server of datagrams that injects one fault into what it answers."""

from __future__ import annotations

import asyncio
import contextlib
import socket
from typing import TYPE_CHECKING

from faults.good import TEXT, resolve
from faults.wire import Fault

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

__all__ = ["Packets", "echoes", "name_packets"]


class Packets:
    """One proxy: forwards each datagram, and does to the answers what its fault says."""

    def __init__(
        self,
        upstream: int,
        address: str,
        *,
        garbage: Callable[[bytes], bytes] = lambda _: b"",  # made from what was asked
        pause: float = 0.0,
    ) -> None:
        self.fault = Fault.NONE
        self.port = 0
        self.asked = 0
        self._upstream = upstream
        self._address = address
        self._garbage = garbage
        self._pause = pause
        self._task: asyncio.Task[None] | None = None
        self._ways: dict[object, tuple[socket.socket, asyncio.Task[None]]] = {}

    async def start(self) -> None:
        """Listen."""
        self._sock = _socket(self._address)
        self._sock.bind((self._address, self.port))
        self.port = self._sock.getsockname()[1]
        self._task = asyncio.create_task(self._serve())

    async def stop(self) -> None:
        """Stop, and forget every client."""
        tasks = [task for _, task in self._ways.values()]
        if self._task:
            tasks.append(self._task)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        for sock in (self._sock, *(sock for sock, _ in self._ways.values())):
            sock.close()
        self._ways.clear()

    @contextlib.asynccontextmanager
    async def running(self) -> AsyncIterator[Packets]:
        """Listen, as long as the context lasts."""
        await self.start()
        try:
            yield self
        finally:
            await self.stop()

    async def _serve(self) -> None:
        loop = asyncio.get_running_loop()
        while True:
            data, client = await loop.sock_recvfrom(self._sock, 65_535)
            self.asked += 1
            if self.fault is Fault.GARBAGE:
                self._sock.sendto(self._garbage(data), client)
                continue
            if client not in self._ways:
                sock = _socket(self._address)
                sock.connect((self._address, self._upstream))
                self._ways[client] = sock, asyncio.create_task(self._back(sock, client))
            with contextlib.suppress(OSError):
                self._ways[client][0].send(data)

    async def _back(self, sock: socket.socket, client: object) -> None:
        loop = asyncio.get_running_loop()
        while True:
            data = await loop.sock_recv(sock, 65_535)
            if self.fault is Fault.LATE:
                await asyncio.sleep(self._pause)
            if self.fault is not Fault.SILENCE:
                self._sock.sendto(data, client)


def _socket(address: str) -> socket.socket:
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    sock = socket.socket(family, socket.SOCK_DGRAM)
    sock.setblocking(False)  # noqa: FBT003 - it takes no keyword
    return sock


class _Answers(asyncio.DatagramProtocol):
    def __init__(self, answer: Callable[[bytes], bytes]) -> None:
        self._answer = answer

    def connection_made(self, transport: asyncio.DatagramTransport) -> None:
        self._transport = transport

    def datagram_received(self, data: bytes, addr: object) -> None:
        self._transport.sendto(self._answer(data), addr)


@contextlib.asynccontextmanager
async def _answering(address: str, answer: Callable[[bytes], bytes]) -> AsyncIterator[int]:
    transport, _ = await asyncio.get_running_loop().create_datagram_endpoint(
        lambda: _Answers(answer), local_addr=(address, 0)
    )
    try:
        yield transport.get_extra_info("sockname")[1]
    finally:
        transport.close()


def echoes(address: str) -> contextlib.AbstractAsyncContextManager[int]:
    """A service over UDP."""
    return _answering(address, lambda data: TEXT.encode() if data == b"hello" else b"who are you?")


def name_packets(address: str) -> contextlib.AbstractAsyncContextManager[int]:
    """A name server, by UDP."""
    return _answering(address, resolve)
