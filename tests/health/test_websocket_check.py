"""WebSockets against aiohttp's server, and against servers that get the handshake wrong."""

from __future__ import annotations

import asyncio
import ssl
from contextlib import asynccontextmanager
from typing import NamedTuple

import pytest
import trustme
from aiohttp import WSMsgType, web
from health_servers import LOOPBACK, raw, response

from dnslb.health.checks.base import Kept, Outcome
from dnslb.health.checks.tls import Tls
from dnslb.health.checks.websocket import WebSocketCheck

HOST = "ws.example.com"
WRONG_ACCEPT = (
    b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    b"Sec-WebSocket-Accept: d3Jvbmc=\r\n\r\n"
)


CLOSED = web.AppKey("closed", asyncio.Queue)
SEEN = web.AppKey("seen", list)


async def talk(request):
    """A WebSocket; what was seen of it is noted in the application."""
    socket = web.WebSocketResponse(protocols=("mqtt",))
    await socket.prepare(request)
    request.app[SEEN].append((request.host, socket.ws_protocol))
    if "greet" in request.query:
        await socket.send_str("welcome")
    async for message in socket:
        if message.type is WSMsgType.BINARY:
            await socket.send_bytes(b"binary " + message.data)
        elif message.data == "bye":
            await socket.close(code=4000)
        elif message.data == "bytes":
            await socket.send_bytes(b"\xffpong")
        elif message.data == "much":
            await socket.send_str("x" * 100_000)
        else:
            await socket.ping()
            await socket.send_str(f"pong {message.data}")
    request.app[CLOSED].put_nowait(socket.close_code)
    return socket


async def redirect(_):
    raise web.HTTPFound("https://elsewhere.example/")


class Server(NamedTuple):
    """Where it is, and what it saw."""

    port: int
    app: web.Application


@asynccontextmanager
async def serving(tls=None, address=LOOPBACK):
    app = web.Application()
    app[CLOSED], app[SEEN] = asyncio.Queue(), []
    app.router.add_get("/ws", talk)
    app.router.add_get("/away", redirect)
    runner = web.AppRunner(app)
    await runner.setup()
    await web.TCPSite(runner, address, 0, ssl_context=tls).start()
    try:
        yield Server(runner.addresses[0][1], app)
    finally:
        await runner.cleanup()


def run(context=None, address=LOOPBACK, **options):
    async def probe():
        async with serving(context, address) as server:
            options.setdefault("path", "/ws")
            return await WebSocketCheck(port=server.port, **options).probe(address, Kept())

    return asyncio.run(probe())


@pytest.mark.parametrize("address", [LOOPBACK, "::1"])
def test_the_handshake_passes(address):
    assert run(address=address).outcome is Outcome.OK


@pytest.mark.parametrize(
    ("options", "seen"),
    [
        ({}, ("127.0.0.1:{port}", None)),
        ({"host": HOST}, (HOST, None)),
        ({"host": "2001:db8::1"}, ("[2001:db8::1]", None)),
        ({"headers": (("Host", "other.example"),)}, ("other.example", None)),
        ({"headers": (("Sec-WebSocket-Protocol", "amqp, mqtt"),)}, ("127.0.0.1:{port}", "mqtt")),
    ],
    ids=["address", "host", "ipv6", "header", "subprotocol"],
)
@pytest.mark.parametrize("tls", [False, True], ids=["ws", "wss"])
def test_what_the_server_sees(tls, options, seen):
    context = None
    if tls:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        trustme.CA().issue_cert(HOST).configure_cert(context)

    async def probe():
        async with serving(context) as server:
            more = {"tls": Tls(verify=False)} if tls else {}
            check = WebSocketCheck(port=server.port, path="/ws", **more, **options)
            result = await check.probe(LOOPBACK, Kept())
            assert result.outcome is Outcome.OK, result
            code = await asyncio.wait_for(server.app[CLOSED].get(), 10)
            host, protocol = seen
            assert server.app[SEEN] == [(host.format(port=server.port), protocol)]
            return code

    assert asyncio.run(probe()) == 1000


@pytest.mark.parametrize(
    ("options", "outcome"),
    [
        ({"send": b"x"}, Outcome.OK),
        ({"send": b"x", "body": "^pong x$"}, Outcome.OK),
        ({"send": b"bytes", "body": "pong"}, Outcome.OK),
        ({"send": b"\xff\xfe", "body": "^binary"}, Outcome.OK),
        ({"path": "/ws?greet", "body": "^welcome$"}, Outcome.OK),
        ({"send": b"x", "body": "ping"}, Outcome.BODY),
        ({"send": b"bye", "body": "pong"}, Outcome.CLOSED),
        ({"send": b"much", "body": "pong"}, Outcome.TOO_LARGE),
        ({"body": "pong", "timeout": 1.0}, Outcome.READ_TIMEOUT),
        ({"path": "/none"}, Outcome.STATUS),
        ({"path": "/away"}, Outcome.REDIRECT),
        ({"headers": (("Origin", "https://example.com"),)}, Outcome.OK),
    ],
    ids=[
        "reply", "expected", "bytes", "binary", "greeting", "unexpected", "closed", "large", "silent", "404", "redirect",
        "header",
    ],
)  # fmt: skip
def test_what_is_said(options, outcome):
    assert run(**options).outcome is outcome


def test_over_tls(tmp_path):
    ca = trustme.CA()
    ca.cert_pem.write_to_path(tmp_path / "ca.pem")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    ca.issue_cert(HOST).configure_cert(context)
    tls = Tls(ca_file=str(tmp_path / "ca.pem"))
    assert run(context, host=HOST, tls=tls, send=b"x", body="pong").outcome is Outcome.OK
    assert run(context, host="x.example", tls=tls).outcome is Outcome.TLS_NAME


@pytest.mark.parametrize(
    ("reply", "outcome"),
    [
        (b"SSH-2.0-OpenSSH_9.9\r\n\r\n", Outcome.MALFORMED),
        (
            WRONG_ACCEPT,
            Outcome.MALFORMED,
        ),
        (b"", Outcome.CLOSED),
        (b"HTTP/1.1 101 Switching", Outcome.CLOSED),
        (b"HTTP/1.1 200 OK\r\nX: " + b"y" * 60_000, Outcome.TOO_LARGE),
        (response(200), Outcome.STATUS),
    ],
    ids=["ssh", "wrong-accept", "closed", "half-a-head", "large-head", "200"],
)
def test_handshakes_that_fail(reply, outcome):
    async def probe():
        async with raw(reply) as there:
            return await WebSocketCheck(port=there.port).probe(LOOPBACK, Kept())

    assert asyncio.run(probe()).outcome is outcome
