from __future__ import annotations

import asyncio
import os
import ssl
from contextlib import asynccontextmanager
from datetime import datetime, timedelta, timezone

import pytest
import trustme
from health_servers import LOOPBACK, full, probe, resetting, response, silent

from dnslb.health.checks.base import Kept, Outcome
from dnslb.health.checks.http import HttpCheck
from dnslb.health.checks.tls import Tls, context_for

HOST = "www.example.com"
SOON = 1.0  # seconds: the timeout of checks whose time is meant to run out


def context(issuer, *names, **options):
    made = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    issuer.issue_cert(*names, **options).configure_cert(made)
    return made


def test_tls_speaks_of_the_host_and_connects_to_the_address(ca, ca_file):
    result, server = probe(response(), tls=context(ca, HOST), host=HOST, ca_file=ca_file)
    assert result.ok
    assert server.server_names == [HOST]


def test_tls_without_a_host_verifies_the_address_and_sends_no_name(ca, ca_file):
    result, server = probe(response(), tls=context(ca, LOOPBACK), ca_file=ca_file)
    assert result.ok
    assert server.server_names == [None]


@pytest.mark.parametrize(
    ("make", "outcome", "says"),
    [
        (lambda ca: context(ca, "other.example"), Outcome.TLS_NAME, "mismatch"),
        (lambda _: context(trustme.CA(), HOST), Outcome.TLS_UNTRUSTED, "issuer"),
        (
            lambda ca: context(
                ca,
                HOST,
                not_before=datetime.now(timezone.utc) - timedelta(days=9),
                not_after=datetime.now(timezone.utc) - timedelta(days=1),
            ),
            Outcome.TLS_EXPIRED,
            "expired",
        ),
    ],
    ids=["name", "issuer", "expired"],
)
def test_certificates_that_do_not_pass(ca, ca_file, make, outcome, says):
    tls = make(ca)
    result, _ = probe(response(), tls=tls, host=HOST, ca_file=ca_file)
    assert result.outcome is outcome
    assert says in result.detail
    assert probe(response(), tls=tls, host=HOST, verify=False)[0].ok


def test_a_server_that_does_not_speak_tls():
    async def greet(_, writer):
        writer.write(response(400))
        writer.close()

    async def run():
        async with await asyncio.start_server(greet, LOOPBACK, 0) as server:
            port = server.sockets[0].getsockname()[1]
            return await HttpCheck(port=port, tls=Tls()).probe(LOOPBACK, Kept())

    assert asyncio.run(run()).outcome is Outcome.TLS_PROTOCOL


@pytest.mark.parametrize("host", [f"{HOST}:8443", LOOPBACK, "[::1]"], ids=["port", "v4", "v6"])
def test_tls_takes_the_name_from_the_host(ca, ca_file, host):
    name = {f"{HOST}:8443": HOST, "[::1]": "::1"}.get(host, host)
    result, server = probe(response(), tls=context(ca, name), host=host, ca_file=ca_file)
    assert (result.outcome, result.detail) == (Outcome.OK, "")
    assert server.server_names == [HOST if name == HOST else None]


@asynccontextmanager
async def closing():
    """Read what comes, and close."""

    async def handle(reader, writer):
        await reader.read(10_000)
        writer.close()

    async with await asyncio.start_server(handle, LOOPBACK, 0) as server:
        yield server.sockets[0].getsockname()[1]


@pytest.mark.parametrize("server", [resetting, closing])
def test_a_server_that_ends_the_handshake(server):
    async def run():
        async with server() as port:
            return await HttpCheck(port=port, tls=Tls()).probe(LOOPBACK, Kept())

    result = asyncio.run(run())
    assert (result.outcome, result.detail) == (
        Outcome.TLS,
        "connection closed during the handshake",
    )


def test_a_server_that_never_shakes_hands():
    async def run():
        async with silent() as port:
            return await HttpCheck(port=port, tls=Tls(), timeout=SOON).probe(LOOPBACK, Kept())

    result = asyncio.run(run())
    assert (result.outcome, result.detail) == (Outcome.TLS, "no handshake within 1s")


def test_a_full_queue_is_a_connect_timeout_with_tls_too():
    with full() as port:
        result = asyncio.run(HttpCheck(port=port, tls=Tls(), timeout=SOON).probe(LOOPBACK, Kept()))
    assert result.outcome is Outcome.CONNECT_TIMEOUT


def test_a_server_that_stops_talking_after_the_handshake(ca, ca_file):
    result, _ = probe(
        b"", hold=True, tls=context(ca, HOST), host=HOST, ca_file=ca_file, timeout=SOON
    )
    assert (result.outcome, result.detail) == (Outcome.READ_TIMEOUT, "no response within 1s")


def test_a_renewed_ca_file_is_read_anew(tmp_path):
    path = tmp_path / "ca.pem"
    outcomes = []
    for moment in (1_000_000_000, 2_000_000_000):
        issuer = trustme.CA()
        issuer.cert_pem.write_to_path(path)
        os.utime(path, (moment, moment))
        tls = context(issuer, HOST)
        result, _ = probe(response(), tls=tls, host=HOST, ca_file=str(path))
        outcomes.append(result.outcome)
    assert outcomes == [Outcome.OK, Outcome.OK]


def test_a_context_is_made_once(ca_file):
    async def run():
        made = await asyncio.gather(*(context_for(Tls(ca_file=ca_file)) for _ in range(5)))
        return len(set(map(id, made))), await context_for(Tls(verify=False)) in made

    assert asyncio.run(run()) == (1, False)


@pytest.mark.parametrize("content", [None, b"no certificate"], ids=["missing", "no-pem"])
def test_a_ca_file_that_cannot_be_read_is_the_checks_own_fault(tmp_path, content):
    path = tmp_path / "ca.pem"
    if content:
        path.write_bytes(content)
    check = HttpCheck(port=1, tls=Tls(ca_file=str(path)))
    result = asyncio.run(check.probe(LOOPBACK, Kept()))
    assert result.outcome is Outcome.ERROR
    assert f"tls.ca_file {path}" in result.detail
