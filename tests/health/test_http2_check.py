"""HTTP/2 against nginx, and against servers that misbehave in one frame each."""

from __future__ import annotations

import asyncio
import socket
import ssl
import struct
from contextlib import asynccontextmanager

import h2.config
import h2.connection
import h2.events
import h2.exceptions
import pytest
import trustme
from health_nginx import nginx
from health_servers import LOOPBACK, raw
from hyperframe.frame import GoAwayFrame, SettingsFrame

from dnslb.health.checks.base import Kept, Outcome
from dnslb.health.checks.http2 import Http2Check
from dnslb.health.checks.tls import Tls
from dnslb.health.load import LoadSource

HOST = "www.example.com"


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    folder = tmp_path_factory.mktemp("nginx")
    ca = trustme.CA()
    ca.cert_pem.write_to_path(folder / "ca.pem")
    ca.issue_cert(HOST).private_key_and_cert_chain_pem.write_to_path(folder / "server.pem")
    with nginx(folder) as running:
        yield running


def run(check, address=LOOPBACK, times=1):
    async def probe():
        kept = Kept()
        try:
            return [await check.probe(address, kept) for _ in range(times)]
        finally:
            kept.close()

    results = asyncio.run(probe())
    return results[0] if times == 1 else results


def plain(server, **options):
    return Http2Check(port=server.h2c, **options)


def secure(server, **options):
    tls = Tls(ca_file=str(server.folder / "ca.pem"))
    return Http2Check(port=server.h2, host=HOST, tls=tls, **options)


@pytest.mark.parametrize("make", [plain, secure], ids=["h2c", "h2"])
def test_nginx_is_asked(server, make):
    assert run(make(server, path="/ok", body="^fine")).outcome is Outcome.OK
    assert run(make(server, path="/ok", method="HEAD")).outcome is Outcome.OK
    result = run(make(server, path="/503"))
    assert (result.outcome, result.detail) == (Outcome.STATUS, "HTTP 503, expected 200-399")
    result = run(make(server, path="/away", status=((200, 200),)))
    assert result.outcome is Outcome.REDIRECT
    assert "https://elsewhere.example/" in result.detail
    assert run(make(server, path="/ok", body="wrong")).outcome is Outcome.BODY
    assert run(make(server, path="/big", body="fine")).outcome is Outcome.TOO_LARGE


def test_the_certificate_counts(server):
    result = run(secure(server, path="/ok"))
    assert result.expires
    wrong = Http2Check(
        port=server.h2, host="other.example", tls=Tls(ca_file=str(server.folder / "ca.pem"))
    )
    assert run(wrong).outcome is Outcome.TLS_NAME


def test_a_connection_is_reused(server):
    results = run(secure(server, path="/connection", body="^[0-9]+$", reuse=True), times=3)
    assert [result.outcome for result in results] == [Outcome.OK] * 3
    assert server.connections() == 1


def test_load_is_read(server):
    check = plain(server, path="/load", load=LoadSource(kind="orca"))
    assert run(check).load == 0.4


def test_a_server_of_http_1_is_none():
    async def probe():
        async with raw(b"HTTP/1.1 400 Bad Request\r\n\r\n") as there:
            return await Http2Check(port=there.port).probe(LOOPBACK, Kept())

    result = asyncio.run(probe())
    assert result.outcome is Outcome.MALFORMED
    assert result.detail.startswith("no HTTP/2")


def test_a_server_that_chooses_http_1_in_the_handshake():
    async def probe():
        ca = trustme.CA()
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.set_alpn_protocols(["http/1.1"])
        ca.issue_cert(LOOPBACK).configure_cert(context)
        async with raw(b"", tls=context) as there:
            check = Http2Check(port=there.port, tls=Tls(verify=False))
            return await check.probe(LOOPBACK, Kept())

    result = asyncio.run(probe())
    assert (result.outcome, result.detail) == (
        Outcome.TLS_PROTOCOL,
        "the server chose no protocol by ALPN, not h2",
    )


@asynccontextmanager
async def answering(act, address=LOOPBACK):
    """A server that does `act` with its connection once a request has come."""

    async def handle(reader, writer):
        connection = h2.connection.H2Connection(h2.config.H2Configuration(client_side=False))
        connection.initiate_connection()
        writer.write(connection.data_to_send())
        try:
            while data := await reader.read(65_536):
                for event in connection.receive_data(data):
                    if isinstance(event, h2.events.RequestReceived):
                        connection.asked = dict(event.headers)
                        act(connection, event.stream_id)
                writer.write(connection.data_to_send())
        except (OSError, h2.exceptions.ProtocolError):
            pass  # the check went away, or spoke on after a goodbye
        finally:
            writer.close()

    server = await asyncio.start_server(handle, address, 0)
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        server.close()


def reset(connection, number):
    connection.reset_stream(number, 2)


def reset_later(connection, number):
    connection.send_headers(number, [(":status", "200")])
    connection.reset_stream(number, 2)


def goodbye(connection, _):
    connection.close_connection(11, last_stream_id=0)


def later(number, last, code=0):
    """A GOAWAY, which the library does not send with anything after it."""
    frame = GoAwayFrame(0)
    frame.last_stream_id, frame.error_code = last or number, code
    return frame.serialize()


def answer_after_goodbye(last):
    def act(connection, number):
        connection._data_to_send += later(number, last)
        connection.send_headers(number, [(":status", "200")])
        connection.send_data(number, b"fine", end_stream=True)

    return act


def goodbye_after_answer(connection, number):
    connection.send_headers(number, [(":status", "200")], end_stream=True)
    connection._data_to_send += later(number, 0, 2)


def goodbye_within(connection, number):
    connection.send_headers(number, [(":status", "200")])
    connection._data_to_send += later(number, 0, 2)


def large_head(connection, number):
    fields = [(f"x-{index}", "y" * 1000) for index in range(20)]
    connection.send_headers(number, [(":status", "200"), *fields], end_stream=True)


def early_hints(connection, number):
    connection.send_headers(number, [(":status", "103"), ("link", "</style.css>")])
    connection.send_headers(number, [(":status", "200")], end_stream=True)


def short_body(connection, number):
    connection.send_headers(number, [(":status", "200"), ("content-length", "9")])
    connection.send_data(number, b"abc", end_stream=True)


def no_status(connection, number):
    connection.config.validate_outbound_headers = False
    connection.send_headers(number, [("x-status", "200")], end_stream=True)


def large_frame(connection, _):
    connection._data_to_send += b"\x00\x80\x00\x00\x00\x00\x00\x00\x01"


def silent_headers(connection, number):
    connection.send_headers(number, [(":status", "200"), ("content-length", "9")])
    connection.send_data(number, b"abc")


@pytest.mark.parametrize(
    ("act", "outcome"),
    [
        (reset, Outcome.RESET),
        (reset_later, Outcome.RESET_MIDWAY),
        (goodbye, Outcome.CLOSED),
        (answer_after_goodbye(2**31 - 1), Outcome.OK),
        (answer_after_goodbye(None), Outcome.OK),
        (goodbye_after_answer, Outcome.OK),
        (goodbye_within, Outcome.CLOSED),
        (large_head, Outcome.TOO_LARGE),
        (early_hints, Outcome.OK),
        (short_body, Outcome.MALFORMED),
        (no_status, Outcome.MALFORMED),
        (large_frame, Outcome.MALFORMED),
        (silent_headers, Outcome.READ_TIMEOUT),
    ],
    ids=[
        "reset", "reset-midway", "goodbye", "graceful", "graceful-last", "answered", "within",
        "large-head", "hints", "short", "no-status", "large-frame", "silent",
    ],
)  # fmt: skip
def test_frames(act, outcome):
    async def probe():
        async with answering(act) as port:
            timeout = 1.0 if outcome is Outcome.READ_TIMEOUT else 30.0
            return await Http2Check(port=port, timeout=timeout).probe(LOOPBACK, Kept())

    assert asyncio.run(probe()).outcome is outcome


@asynccontextmanager
async def greeting(*chunks, reset=False):
    """A server that sends `chunks`, each in a segment of its own, and closes or resets."""

    async def handle(reader, writer):
        await reader.read(65_536)
        sock = writer.get_extra_info("socket")
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        for chunk in chunks:
            writer.write(chunk)
            await reader.read(65_536)  # the check says that it has seen it
        if reset:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            writer.transport.abort()
        writer.close()

    server = await asyncio.start_server(handle, LOOPBACK, 0)
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        server.close()


@pytest.mark.parametrize(
    ("reset", "outcome", "detail"),
    [
        (True, Outcome.RESET, "connection reset before the response"),
        (False, Outcome.CLOSED, "connection closed without a response"),
    ],
    ids=["reset", "closed"],
)
def test_settings_are_no_answer(reset, outcome, detail):
    async def probe():
        async with greeting(SettingsFrame(0).serialize(), reset=reset) as port:
            return await Http2Check(port=port).probe(LOOPBACK, Kept())

    result = asyncio.run(probe())
    assert (result.outcome, result.detail) == (outcome, detail)


@pytest.mark.parametrize("address", [LOOPBACK, "::1"])
def test_both_families(address):
    async def probe():
        async with answering(early_hints, address) as port:
            return await Http2Check(port=port).probe(address, Kept())

    assert asyncio.run(probe()).outcome is Outcome.OK


def test_a_goodbye_between_probes_makes_a_fresh_connection():
    seen = []

    def answer(connection, number):
        seen.append(number)
        connection.send_headers(number, [(":status", "200")], end_stream=True)
        connection.close_connection(0, last_stream_id=number)

    async def probe():
        async with answering(answer) as port:
            check, kept = Http2Check(port=port, reuse=True), Kept()
            results = [await check.probe(LOOPBACK, kept) for _ in range(3)]
            kept.close()
            return results

    assert [result.outcome for result in asyncio.run(probe())] == [Outcome.OK] * 3
    assert seen == [1, 1, 1]
