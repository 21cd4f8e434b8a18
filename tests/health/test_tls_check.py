from __future__ import annotations

import asyncio
import socket
import ssl
from contextlib import asynccontextmanager
from datetime import datetime, timedelta, timezone

import pytest
from health_servers import LOOPBACK, silent

from dnslb.health.checks.base import Kept, Outcome
from dnslb.health.checks.tls import Tls
from dnslb.health.checks.tls_handshake import TlsCheck

HOST = "mail.example.com"
SOON = 1.0  # seconds: the timeout of checks whose time is meant to run out


@asynccontextmanager
async def serving(issuer, banner=b"", **options):
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    issuer.issue_cert(HOST, **options).configure_cert(context)

    async def handle(reader, writer):
        writer.write(banner + await reader.readline() if banner else b"")
        writer.close()

    server = await asyncio.start_server(handle, LOOPBACK, 0, ssl=context)
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        server.close()


def probe(issuer, *, banner=b"", tls=None, certificate=None, host=HOST, **options):
    async def run():
        async with serving(issuer, banner, **(certificate or {})) as port:
            check = TlsCheck(port=port, host=host, tls=tls or Tls(), **options)
            return await check.probe(LOOPBACK, Kept())

    return asyncio.run(run())


def in_days(days):
    return datetime.now(timezone.utc) + timedelta(days=days)


def test_a_handshake_passes_and_tells_when_the_certificate_ends(ca, ca_file):
    end = in_days(100).replace(microsecond=0)
    result = probe(ca, tls=Tls(ca_file=ca_file), certificate={"not_after": end})
    assert result.outcome is Outcome.OK
    assert result.expires == end.timestamp()


@pytest.mark.parametrize(
    ("tls", "host", "days", "outcome", "detail"),
    [
        ({}, HOST, 9, Outcome.TLS_UNTRUSTED, "issuer is not trusted"),
        ({"ca_file": True}, "www.example.com", 9, Outcome.TLS_NAME, "www.example.com"),
        ({"ca_file": True}, HOST, -1, Outcome.TLS_EXPIRED, "certificate has expired"),
        ({"ca_file": True, "min_days": 14}, HOST, 9, Outcome.TLS_EXPIRED, "fewer than 14"),
        ({"ca_file": True, "min_days": 7}, HOST, 9, Outcome.OK, ""),
        ({"verify": False}, "www.example.com", -1, Outcome.OK, ""),
    ],
)
def test_certificates(ca, ca_file, tls, host, days, outcome, detail):
    if "ca_file" in tls:
        tls = {**tls, "ca_file": ca_file}
    result = probe(ca, tls=Tls(**tls), host=host, certificate={"not_after": in_days(days)})
    assert result.outcome is outcome
    assert detail in result.detail


def test_what_comes_after_the_handshake_counts(ca, ca_file):
    tls = Tls(ca_file=ca_file)
    asked = {"banner": b"* OK IMAP4rev1 ready\r\n", "tls": tls, "send": b"hello\n"}
    assert probe(ca, body=r"^\* OK", **asked).ok
    assert probe(ca, body="hello", **asked).ok
    result = probe(ca, body=r"^\* BYE", **asked)
    assert result.outcome is Outcome.BODY


def test_plain_text_is_no_tls():
    async def handle(_, writer):
        writer.write(b"220 mail.example.com ESMTP\r\n")
        writer.close()

    async def run():
        async with await asyncio.start_server(handle, LOOPBACK, 0) as server:
            port = server.sockets[0].getsockname()[1]
            return await TlsCheck(port=port).probe(LOOPBACK, Kept())

    assert asyncio.run(run()).outcome is Outcome.TLS_PROTOCOL


def test_a_handshake_that_does_not_end():
    async def run():
        async with silent() as port:
            return await TlsCheck(port=port, timeout=SOON).probe(LOOPBACK, Kept())

    result = asyncio.run(run())
    assert result.outcome is Outcome.TLS
    assert result.detail == "no handshake within 1s"


def test_the_usual_port_is_that_of_https():
    assert TlsCheck().where("192.0.2.1") == "192.0.2.1:443"
    assert socket.getservbyname("https") == 443
