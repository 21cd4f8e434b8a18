"""HTTP/2 against nginx, and against servers that misbehave in one frame each."""

from __future__ import annotations

import asyncio
import ssl
from contextlib import asynccontextmanager

import h2.config
import h2.connection
import h2.events
import pytest
import trustme
from health_nginx import nginx
from health_servers import LOOPBACK, raw

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

    assert asyncio.run(probe()).outcome in {Outcome.TLS_PROTOCOL, Outcome.CLOSED}


@asynccontextmanager
async def answering(act):
    """A server that does `act` with its connection once a request has come."""

    async def handle(reader, writer):
        connection = h2.connection.H2Connection(h2.config.H2Configuration(client_side=False))
        connection.initiate_connection()
        writer.write(connection.data_to_send())
        try:
            while data := await reader.read(65_536):
                for event in connection.receive_data(data):
                    if isinstance(event, h2.events.RequestReceived):
                        act(connection, event.stream_id)
                writer.write(connection.data_to_send())
        except OSError:
            pass
        finally:
            writer.close()

    server = await asyncio.start_server(handle, LOOPBACK, 0)
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


def silent_headers(connection, number):
    connection.send_headers(number, [(":status", "200"), ("content-length", "9")])
    connection.send_data(number, b"abc")


@pytest.mark.parametrize(
    ("act", "outcome"),
    [
        (reset, Outcome.RESET),
        (reset_later, Outcome.RESET_MIDWAY),
        (goodbye, Outcome.CLOSED),
        (silent_headers, Outcome.READ_TIMEOUT),
    ],
    ids=["reset", "reset-midway", "goodbye", "silent"],
)
def test_frames_that_end_it(act, outcome):
    async def probe():
        async with answering(act) as port:
            return await Http2Check(port=port, timeout=0.3).probe(LOOPBACK, Kept())

    assert asyncio.run(probe()).outcome is outcome


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
