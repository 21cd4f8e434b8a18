"""HTTP/3 against aioquic's own server, in the same process."""

from __future__ import annotations

import asyncio
import socket
from contextlib import asynccontextmanager
from datetime import datetime, timedelta, timezone

import pytest
import trustme
from aioquic.asyncio import QuicConnectionProtocol, serve
from aioquic.h3.connection import H3Connection
from aioquic.h3.events import HeadersReceived
from aioquic.quic.configuration import QuicConfiguration
from aioquic.quic.events import ProtocolNegotiated

from dnslb.health.checks.base import Kept, Outcome
from dnslb.health.checks.http3 import Http3Check
from dnslb.health.checks.tls import Tls
from dnslb.health.load import LoadSource

LOOPBACK = "127.0.0.1"
HOST = "www.example.com"


class Answering(QuicConnectionProtocol):
    """Answers by path."""

    http = None

    def quic_event_received(self, event):
        if isinstance(event, ProtocolNegotiated):
            self.http = H3Connection(self._quic)
        if self.http is None:
            return
        for part in self.http.handle_event(event):
            if isinstance(part, HeadersReceived):
                self.answer(part.stream_id, dict(part.headers)[b":path"].decode())

    def answer(self, number, path):
        send = self.http.send_headers
        if path == "/ok":
            send(
                number,
                [(b":status", b"200"), (b"endpoint-load-metrics", b"TEXT cpu_utilization=0.2")],
            )
            self.http.send_data(number, b"fine", end_stream=True)
        elif path == "/503":
            send(number, [(b":status", b"503")], end_stream=True)
        elif path == "/away":
            send(
                number,
                [(b":status", b"302"), (b"location", b"https://elsewhere.example/")],
                end_stream=True,
            )
        elif path == "/big":
            send(number, [(b":status", b"200")])
            self.http.send_data(number, b"x" * 200_000, end_stream=True)
        elif path == "/reset":
            self._quic.reset_stream(number, 0x10C)
        elif path == "/midway":
            send(number, [(b":status", b"200")])
            self.http.send_data(number, b"fi", end_stream=False)
            self.transmit()
            self._quic.close(error_code=0x102)
        elif path == "/close":
            self._quic.close(error_code=0x100)
        self.transmit()


@asynccontextmanager
async def serving(tmp_path, issued, address=LOOPBACK, alpn="h3"):
    configuration = QuicConfiguration(is_client=False, alpn_protocols=[alpn])
    issued.cert_chain_pems[0].write_to_path(tmp_path / "cert.pem")
    issued.private_key_pem.write_to_path(tmp_path / "key.pem")
    configuration.load_cert_chain(tmp_path / "cert.pem", tmp_path / "key.pem")
    server = await serve(address, 0, configuration=configuration, create_protocol=Answering)
    try:
        yield server._transport.get_extra_info("sockname")[1]
    finally:
        server.close()


@pytest.fixture(scope="module")
def ca():
    return trustme.CA()


def run(tmp_path, ca, issued=None, address=LOOPBACK, alpn="h3", trusted=None, **options):
    (trusted or ca).cert_pem.write_to_path(tmp_path / "ca.pem")
    issued = issued or ca.issue_cert(HOST)

    async def probe():
        async with serving(tmp_path, issued, address, alpn) as port:
            options.setdefault("host", HOST)
            options.setdefault("path", "/ok")
            options.setdefault("tls", Tls(ca_file=str(tmp_path / "ca.pem")))
            return await Http3Check(port=port, **options).probe(address, Kept())

    return asyncio.run(probe())


@pytest.mark.parametrize("address", [LOOPBACK, "::1"])
def test_it_passes(tmp_path, ca, address):
    result = run(tmp_path, ca, address=address, body="^fine$", load=LoadSource(kind="orca"))
    assert (result.outcome, result.load) == (Outcome.OK, 0.2)
    assert result.expires


@pytest.mark.parametrize(
    ("options", "outcome"),
    [
        ({"path": "/503"}, Outcome.STATUS),
        ({"path": "/away", "status": ((200, 200),)}, Outcome.REDIRECT),
        ({"body": "wrong"}, Outcome.BODY),
        ({"path": "/big", "body": "wrong"}, Outcome.TOO_LARGE),
        ({"path": "/reset"}, Outcome.RESET),
        ({"path": "/midway"}, Outcome.RESET_MIDWAY),
        ({"path": "/close"}, Outcome.CLOSED),
        ({"path": "/silent", "timeout": 0.5}, Outcome.READ_TIMEOUT),
        ({"host": "other.example"}, Outcome.TLS_NAME),
        ({"tls": Tls()}, Outcome.TLS_UNTRUSTED),
        ({"tls": Tls(verify=False), "host": "other.example"}, Outcome.OK),
        ({"alpn": "hq-interop"}, Outcome.TLS_PROTOCOL),
    ],
    ids=[
        "status", "redirect", "body", "large", "reset", "midway", "close", "silent", "name",
        "untrusted", "unverified", "alpn",
    ],
)  # fmt: skip
def test_failures(tmp_path, ca, options, outcome):
    result = run(tmp_path, ca, **options)
    assert result.outcome is outcome
    assert result.detail.isprintable()


def test_an_expired_certificate(tmp_path, ca):
    now = datetime.now(timezone.utc)
    issued = ca.issue_cert(HOST, not_before=now - timedelta(9), not_after=now - timedelta(1))
    assert run(tmp_path, ca, issued).outcome is Outcome.TLS_EXPIRED


def test_a_certificate_that_ends_soon(tmp_path, ca):
    now = datetime.now(timezone.utc)
    issued = ca.issue_cert(HOST, not_before=now - timedelta(9), not_after=now + timedelta(2))
    tls = Tls(ca_file=str(tmp_path / "ca.pem"), min_days=7)
    result = run(tmp_path, ca, issued, tls=tls)
    assert result.outcome is Outcome.TLS_EXPIRED
    assert "fewer than 7" in result.detail


def test_nobody_listens():
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.bind((LOOPBACK, 0))
        port = sock.getsockname()[1]
    result = asyncio.run(Http3Check(port=port, tls=Tls()).probe(LOOPBACK, Kept()))
    assert result.outcome is Outcome.REFUSED


def test_nobody_answers():
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.bind((LOOPBACK, 0))
        check = Http3Check(port=sock.getsockname()[1], tls=Tls(), timeout=0.3)
        result = asyncio.run(check.probe(LOOPBACK, Kept()))
    assert result.outcome is Outcome.CONNECT_TIMEOUT
