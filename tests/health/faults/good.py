"""A good server of each protocol, without TLS, which also answers badly when it is asked to."""

from __future__ import annotations

import asyncio
import contextlib
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import grpc
import h2.config
import h2.connection
import h2.events
from aiohttp import WSMsgType, web
from dnslib import RCODE, RR, A, DNSRecord
from grpc_health.v1 import health, health_pb2, health_pb2_grpc

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

TEXT = "fine, and there is more to say about it"
CHUNK = b"x" * 16_384
GRPC_PATH = "/grpc.health.v1.Health/Check"
ELSEWHERE = "https://elsewhere.example/"
Status = health_pb2.HealthCheckResponse


async def _endless(request: web.Request) -> web.StreamResponse:
    answer = web.StreamResponse()
    await answer.prepare(request)
    with contextlib.suppress(OSError):
        while True:
            await answer.write(CHUNK)
    return answer


async def _talk(request: web.Request) -> web.WebSocketResponse:
    talk = web.WebSocketResponse()
    await talk.prepare(request)
    async for message in talk:
        if message.type is WSMsgType.TEXT:
            await talk.send_str("x" * 100_000 if message.data == "endless" else TEXT)
    return talk


async def _redirect(_: web.Request) -> web.Response:
    raise web.HTTPFound(ELSEWHERE)


async def _fine(_: web.Request) -> web.Response:
    return web.Response(text=TEXT)


async def _unavailable(_: web.Request) -> web.Response:
    return web.Response(status=503)


@contextlib.asynccontextmanager
async def websites(address: str) -> AsyncIterator[int]:
    """HTTP/1.1 and WebSocket, by aiohttp."""
    app = web.Application()
    app.router.add_get("/ok", _fine)
    app.router.add_get("/status", _unavailable)
    app.router.add_get("/redirect", _redirect)
    app.router.add_get("/endless", _endless)
    app.router.add_get("/ws", _talk)
    runner = web.AppRunner(app, shutdown_timeout=0)
    await runner.setup()
    await web.TCPSite(runner, address, 0).start()
    try:
        yield runner.addresses[0][1]
    finally:
        await runner.cleanup()


class _Frames:
    """One connection of HTTP/2."""

    def __init__(self) -> None:
        self.connection = h2.connection.H2Connection(h2.config.H2Configuration(client_side=False))
        self.connection.initiate_connection()
        self.endless: int | None = None  # the stream whose answer does not end

    def take(self, data: bytes) -> bytes:
        for event in self.connection.receive_data(data):
            if isinstance(event, h2.events.RequestReceived):
                self._answer(event.stream_id, dict(event.headers)[b":path"].decode())
            elif isinstance(event, h2.events.StreamReset):
                self.endless = None
        if self.endless is not None:
            while window := self.connection.local_flow_control_window(self.endless):
                self.connection.send_data(self.endless, CHUNK[:window])
        return self.connection.data_to_send()

    def _answer(self, number: int, path: str) -> None:
        send = self.connection.send_headers
        if path == "/status":
            send(number, [(":status", "503")], end_stream=True)
        elif path == "/redirect":
            send(number, [(":status", "302"), ("location", ELSEWHERE)], end_stream=True)
        elif path in {"/endless", GRPC_PATH}:
            send(number, [(":status", "200"), ("content-type", "application/grpc")])
            self.endless = number
        else:
            send(number, [(":status", "200")])
            self.connection.send_data(number, TEXT.encode(), end_stream=True)


@contextlib.asynccontextmanager
async def frames(address: str) -> AsyncIterator[int]:
    """HTTP/2 by prior knowledge; a call of gRPC gets an answer that does not end."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        one = _Frames()
        writer.write(one.connection.data_to_send())
        with contextlib.suppress(OSError, asyncio.CancelledError):
            while data := await reader.read(65_536):
                writer.write(one.take(data))
                await writer.drain()
        writer.transport.abort()

    async with _server(serve, address) as port:
        yield port


@contextlib.asynccontextmanager
async def calls(address: str) -> AsyncIterator[int]:
    """The health service of grpcio; `shop.Pay` does not serve."""
    server = grpc.server(ThreadPoolExecutor(1))
    servicer = health.HealthServicer()
    servicer.set("", Status.SERVING)
    servicer.set("shop.Pay", Status.NOT_SERVING)
    health_pb2_grpc.add_HealthServicer_to_server(servicer, server)
    port = server.add_insecure_port(f"[{address}]:0" if ":" in address else f"{address}:0")
    server.start()
    try:
        yield port
    finally:
        await asyncio.to_thread(server.stop(None).wait)


LINES = {
    b"hello\n": TEXT.encode() + b"\n",
    b"state\n": b"75% up ready #all is well with this one\n",
    b"status\n": b"down #the disk is full\n",
}


@contextlib.asynccontextmanager
async def lines(address: str) -> AsyncIterator[int]:
    """A line for a line: the services of `tcp`, `tls` and `agent`."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(OSError, asyncio.CancelledError):
            while line := await reader.readline():
                while line == b"endless\n":
                    writer.write(CHUNK)
                    await writer.drain()
                if line not in LINES:
                    writer.write(b"who are you?\n")
                    break
                writer.write(LINES[line])
        writer.close()

    async with _server(serve, address) as port:
        yield port


def resolve(query: bytes) -> bytes:
    """A name server's response: `fail` is SERVFAIL, and every other name has an address."""
    asked = DNSRecord.parse(query)
    answer = asked.reply()
    if str(asked.q.qname).startswith("fail."):
        answer.header.rcode = RCODE.SERVFAIL
    else:
        answer.add_answer(RR(asked.q.qname, rdata=A("192.0.2.1")))
    return answer.pack()


@contextlib.asynccontextmanager
async def names(address: str) -> AsyncIterator[int]:
    """A name server, by TCP."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(OSError, asyncio.CancelledError, asyncio.IncompleteReadError):
            while True:
                size = int.from_bytes(await reader.readexactly(2), "big")
                answer = resolve(await reader.readexactly(size))
                writer.write(len(answer).to_bytes(2, "big") + answer)
        writer.close()

    async with _server(serve, address) as port:
        yield port


@contextlib.asynccontextmanager
async def _server(serve, address: str) -> AsyncIterator[int]:
    server = await asyncio.start_server(serve, address, 0)
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        server.close()
