"""HTTP/3 against aioquic's own server, in the same process."""

from __future__ import annotations

import asyncio
import logging
import socket
import ssl
from contextlib import asynccontextmanager
from datetime import datetime, timedelta, timezone

import pytest
from aioquic.asyncio import QuicConnectionProtocol, serve
from aioquic.buffer import Buffer
from aioquic.h3.connection import H3Connection
from aioquic.h3.events import HeadersReceived
from aioquic.quic.configuration import QuicConfiguration
from aioquic.quic.events import ProtocolNegotiated
from aioquic.quic.packet import encode_quic_version_negotiation, pull_quic_header

from dnslb.health.checks.base import Kept, Outcome
from dnslb.health.checks.http3 import Http3Check
from dnslb.health.checks.network import Phase, Progress, resolve
from dnslb.health.checks.quic import first
from dnslb.health.checks.tls import Tls
from dnslb.health.load import LoadSource
from ports import free_port

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
        else:
            self.misbehave(number, path)
        self.transmit()

    def misbehave(self, number, path):
        send = self.http.send_headers
        if path == "/reset":
            self._quic.reset_stream(number, 0x10C)
        elif path == "/midway":
            send(number, [(b":status", b"200")])
            self.http.send_data(number, b"fi", end_stream=False)
            self.transmit()
            self._quic.close(error_code=0x102)
        elif path == "/close":
            self._quic.close(error_code=0x100)
        elif path == "/garbage":
            self._quic.send_stream_data(number, b"\x00\x03abc", end_stream=True)
        elif path == "/nothing":
            self._quic.send_stream_data(number, b"", end_stream=True)
        elif path == "/head":
            fields = [(f"x-{index}".encode(), b"y" * 1000) for index in range(20)]
            send(number, [(b":status", b"200"), *fields], end_stream=True)
        elif path == "/forgotten":
            token = self._quic._host_cids[0].stateless_reset_token
            self._transport.sendto(b"\x40" + bytes(40) + token, self._quic._network_paths[0].addr)


@asynccontextmanager
async def serving(tmp_path, issued, address=LOOPBACK, alpn="h3", create=Answering, **options):
    configuration = QuicConfiguration(is_client=False, alpn_protocols=[alpn], **options)
    issued.cert_chain_pems[0].write_to_path(tmp_path / "cert.pem")
    issued.private_key_pem.write_to_path(tmp_path / "key.pem")
    configuration.load_cert_chain(tmp_path / "cert.pem", tmp_path / "key.pem")
    server = await serve(address, 0, configuration=configuration, create_protocol=create)
    try:
        yield server._transport.get_extra_info("sockname")[1]
    finally:
        server.close()


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
        ({"path": "/garbage"}, Outcome.MALFORMED),
        ({"path": "/nothing"}, Outcome.MALFORMED),
        ({"path": "/head"}, Outcome.TOO_LARGE),
        ({"path": "/forgotten"}, Outcome.RESET),
        ({"path": "/silent", "timeout": 3.0}, Outcome.READ_TIMEOUT),
        ({"host": "other.example"}, Outcome.TLS_NAME),
        ({"tls": Tls()}, Outcome.TLS_UNTRUSTED),
        ({"tls": Tls(verify=False), "host": "other.example"}, Outcome.OK),
        ({"alpn": "hq-interop"}, Outcome.TLS_PROTOCOL),
    ],
    ids=[
        "status", "redirect", "body", "large", "reset", "midway", "close", "garbage", "nothing",
        "head", "forgotten", "silent", "name", "untrusted", "unverified", "alpn",
    ],
)  # fmt: skip
def test_failures(tmp_path, ca, options, outcome):
    result = run(tmp_path, ca, **options)
    assert result.outcome is outcome
    assert result.detail.isprintable()


def test_the_log_is_left_alone(tmp_path, ca, capfd, monkeypatch):
    monkeypatch.setattr(logging.root, "handlers", [])  # as in a server; pytest has its own
    assert run(tmp_path, ca, tls=Tls()).outcome is Outcome.TLS_UNTRUSTED
    assert capfd.readouterr().err == ""


@pytest.mark.parametrize(
    ("options", "detail"),
    [
        ({"host": "other.example"}, "certificate is for another name"),
        ({"tls": Tls()}, "certificate's issuer is not trusted"),
        ({"alpn": "hq-interop"}, "handshake failed: No common ALPN protocols"),
    ],
    ids=["name", "untrusted", "alpn"],
)
def test_words(tmp_path, ca, options, detail):
    assert run(tmp_path, ca, **options).detail == detail


def test_the_server_is_left_without_state(tmp_path, ca):
    async def probe():
        made = []

        def create(*args, **options):
            made.append(Answering(*args, **options))
            return made[-1]

        async with serving(tmp_path, ca.issue_cert(HOST), create=create) as port:
            check = Http3Check(port=port, path="/ok", host=HOST, tls=Tls(verify=False), timeout=30)
            result = await check.probe(LOOPBACK, Kept())
            for protocol in made:
                await asyncio.wait_for(protocol.wait_closed(), 10)  # it would stay for a minute
        return result, len(made)

    result, connections = asyncio.run(probe())
    assert (result.outcome, connections) == (Outcome.OK, 1)


def test_a_server_that_does_not_wait(tmp_path, ca):
    async def probe():
        async with serving(tmp_path, ca.issue_cert(HOST), idle_timeout=3.0) as port:
            check = Http3Check(
                port=port, path="/silent", host=HOST, tls=Tls(verify=False), timeout=30
            )
            return await check.probe(LOOPBACK, Kept())

    result = asyncio.run(probe())
    assert (result.outcome, result.detail) == (
        Outcome.READ_TIMEOUT,
        "nothing came until the connection went idle",
    )


class OtherVersion(asyncio.DatagramProtocol):
    """Speaks a version of QUIC that there is not."""

    def connection_made(self, transport):
        self.transport = transport

    def datagram_received(self, data, addr):
        header = pull_quic_header(Buffer(data=data), host_cid_length=8)
        told = encode_quic_version_negotiation(
            source_cid=header.destination_cid,
            destination_cid=header.source_cid,
            supported_versions=[0x1A2A3A4A],
        )
        self.transport.sendto(told, addr)


def test_no_version_in_common():
    async def probe():
        loop = asyncio.get_running_loop()
        transport, _ = await loop.create_datagram_endpoint(OtherVersion, (LOOPBACK, 0))
        try:
            port = transport.get_extra_info("sockname")[1]
            return await Http3Check(port=port, tls=Tls(verify=False)).probe(LOOPBACK, Kept())
        finally:
            transport.close()

    result = asyncio.run(probe())
    assert (result.outcome, result.detail) == (
        Outcome.TLS_PROTOCOL,
        "no version of QUIC in common",
    )


@pytest.mark.parametrize("refusing", [False, True], ids=["silent", "refusing"])
def test_all_addresses_of_a_name_are_tried(tmp_path, ca, refusing):
    async def probe():
        configuration = QuicConfiguration(
            is_client=True, alpn_protocols=["h3"], verify_mode=ssl.CERT_NONE
        )
        async with serving(tmp_path, ca.issue_cert(HOST), "::1") as port:
            with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
                other = free_port()
                if not refusing:
                    sock.bind((LOOPBACK, other))
                infos = [*await resolve(LOOPBACK, other), *await resolve("::1", port)]
                asking = await first(infos, configuration, Progress(Phase.CONNECT))
                request = {
                    ":method": "GET",
                    ":scheme": "https",
                    ":authority": HOST,
                    ":path": "/503",
                }
                try:
                    asking.request(request.items())
                    await asking.answered
                finally:
                    asking.end()
                return asking.headers

    assert asyncio.run(probe()) == [(b":status", b"503")]


def test_no_address_of_a_name_is_there():
    async def probe():
        configuration = QuicConfiguration(is_client=True, alpn_protocols=["h3"])
        infos = []
        for address in (LOOPBACK, "::1"):
            infos += await resolve(address, free_port(address))
        await first(infos, configuration, Progress(Phase.CONNECT))

    with pytest.raises(ConnectionRefusedError):
        asyncio.run(probe())


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
    result = asyncio.run(Http3Check(port=free_port(), tls=Tls()).probe(LOOPBACK, Kept()))
    assert result.outcome is Outcome.REFUSED


def test_nobody_answers():
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.bind((LOOPBACK, 0))
        check = Http3Check(port=sock.getsockname()[1], tls=Tls(), timeout=1.0)
        result = asyncio.run(check.probe(LOOPBACK, Kept()))
    assert result.outcome is Outcome.CONNECT_TIMEOUT
