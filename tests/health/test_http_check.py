from __future__ import annotations

import asyncio
import re

import pytest
from health_servers import LOOPBACK, full, probe, raw, refusing, resetting, response, silent

from dnslb import __version__
from dnslb.health.checks.base import Kept, Outcome
from dnslb.health.checks.body import MAX_BODY
from dnslb.health.checks.http import HttpCheck
from dnslb.health.checks.tls import Tls
from dnslb.health.load import LoadSource

SOON = 1.0  # seconds: the timeout of checks whose time is meant to run out
HOST = "www.example.com"
ORCA = LoadSource(kind="orca")
FIELD = LoadSource(kind="json", field="a.b")


@pytest.mark.parametrize(
    ("status", "ranges", "passes"),
    [
        (200, ((200, 399),), True),
        (302, ((200, 399),), True),
        (399, ((200, 399),), True),
        (400, ((200, 399),), False),
        (503, ((200, 399),), False),
        (204, ((200, 200), (204, 204)), True),
        (201, ((200, 200), (204, 204)), False),
        (503, ((503, 503),), True),
    ],
)
def test_status(status, ranges, passes):
    result, _ = probe(response(status, location="http://192.0.2.1/"), status=ranges)
    assert result.ok is passes
    if not passes:
        assert result.outcome is Outcome.STATUS
        assert f"HTTP {status}" in result.detail


def test_a_failed_status_says_what_was_expected():
    result, _ = probe(response(201), status=((200, 200), (300, 302)))
    assert "expected 200, 300-302" in result.detail


@pytest.mark.parametrize(
    ("reply", "options", "outcome"),
    [
        (response(body=b"all ready"), {"body": "ready$"}, Outcome.OK),
        (response(body=b"not yet"), {"body": "ready"}, Outcome.BODY),
        (response(body=b"x" * MAX_BODY + b"ready"), {"body": "ready"}, Outcome.TOO_LARGE),
        (b"SSH-2.0-OpenSSH_9.9\r\n", {}, Outcome.MALFORMED),
        (b"HTTP/1.1 200 OK\r\nbroken header\r\n\r\n", {}, Outcome.MALFORMED),
        (b"", {}, Outcome.CLOSED),
        (
            b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
            {"body": "x"},
            Outcome.MALFORMED,
        ),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nabc", {"body": "x"}, Outcome.CLOSED),
        (b"HTTP/1.1 200 OK\r\nX: " + b"x" * 100_000, {}, Outcome.TOO_LARGE),
    ],
    ids=[
        "body", "wrong-body", "body-beyond-the-bound", "ssh", "header", "closed", "chunks", "cut",
        "endless-head",
    ],
)  # fmt: skip
def test_responses(reply, options, outcome):
    result, _ = probe(reply, **options)
    assert result.outcome is outcome
    assert result.detail.isprintable()
    assert len(result.detail) < 200


@pytest.mark.parametrize(
    ("reply", "options"),
    [
        (b"", {}),
        (b"HTTP/1.1 200", {}),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nabc", {"body": "x"}),
    ],
    ids=["nothing", "half-a-head", "half-a-body"],
)
def test_a_server_that_stops_talking_is_a_read_timeout(reply, options):
    result, _ = probe(reply, hold=True, timeout=SOON, **options)
    assert result.outcome is Outcome.READ_TIMEOUT
    assert "within 1s" in result.detail


def test_a_full_queue_is_a_connect_timeout():
    with full() as port:
        result = asyncio.run(HttpCheck(port=port, timeout=SOON).probe(LOOPBACK, Kept()))
    assert result.outcome is Outcome.CONNECT_TIMEOUT


def test_a_reset_is_a_reset():
    async def run():
        async with resetting() as port:
            return await HttpCheck(port=port).probe(LOOPBACK, Kept())

    assert asyncio.run(run()).outcome is Outcome.RESET


def test_refused():
    with refusing() as port:
        result = asyncio.run(HttpCheck(port=port).probe(LOOPBACK, Kept()))
        assert result.outcome is Outcome.REFUSED


def test_a_name_that_does_not_exist():
    # RFC 6761, section 6.4: no name under invalid exists
    result = asyncio.run(HttpCheck(port=1).probe("no-such-host.invalid", Kept()))
    assert result.outcome is Outcome.DNS
    assert result.detail


def test_a_name_that_cannot_be_one():
    result = asyncio.run(HttpCheck(port=1).probe("a" * 70 + ".invalid", Kept()))
    assert result.outcome is Outcome.DNS


def test_a_pattern_that_is_none_is_the_checks_own_fault():
    result, _ = probe(response(), body="(")
    assert result.outcome is Outcome.ERROR


def test_a_target_is_resolved():
    result, server = probe(response(), address="localhost")
    assert result.ok
    assert f"Host: localhost:{server.port}\r\n" in server.requests[0]


@pytest.mark.parametrize(
    ("options", "line"),
    [
        ({"path": "/healthz?deep=1"}, "GET /healthz?deep=1 HTTP/1.1"),
        ({"path": "//a//b?c=//d"}, "GET //a//b?c=//d HTTP/1.1"),
        ({"path": "/a%2Fb/../c?q=%41+%20;~'[]|&x"}, "GET /a%2Fb/../c?q=%41+%20;~'[]|&x HTTP/1.1"),
        ({"path": "/\u00e4 b#c\r\nX: y"}, "GET /%C3%A4%20b%23c%0D%0AX:%20y HTTP/1.1"),
        ({"method": "HEAD"}, "HEAD / HTTP/1.1"),
        ({"headers": (("X-Check", "yes"),)}, "X-Check: yes"),
        ({"host": HOST}, f"Host: {HOST}"),
        ({"host": "192.0.2.7"}, "Host: 192.0.2.7"),
        ({"host": "2001:db8::7"}, "Host: [2001:db8::7]"),
        ({"host": f"{HOST}:8443"}, f"Host: {HOST}:8443"),
        ({"headers": (("host", "other.example"),)}, "host: other.example"),
        ({"headers": (("accept-encoding", "gzip"),)}, "accept-encoding: gzip"),
        ({"load": LoadSource(kind="orca")}, "endpoint-load-metrics-format: text"),
        ({}, "Connection: close"),
        ({}, f"User-Agent: dnslb/{__version__}"),
        ({}, "Accept-Encoding: identity"),
    ],
    ids=[
        "path", "slashes", "as-written", "escaped", "method", "header", "host",
        "host-like-an-address", "host-like-an-ipv6-address", "host-with-a-port", "own-host",
        "own-encoding", "orca", "closes", "agent", "encoding",
    ],
)  # fmt: skip
def test_request(options, line):
    result, server = probe(response(), **options)
    assert result.ok
    lines = server.requests[0].split("\r\n")
    assert line in lines
    names = [each.partition(":")[0].lower() for each in lines[1:] if each]
    assert len(names) == len(set(names))


def test_a_header_may_be_given_twice():
    result, server = probe(response(), headers=(("X-Check", "1"), ("X-Check", "2")))
    assert result.ok
    assert "X-Check: 1\r\nX-Check: 2\r\n" in server.requests[0]


def test_where_a_probe_asks_is_told_in_short():
    assert HttpCheck(path="/healthz").where("192.0.2.1") == "192.0.2.1:80 /healthz"
    assert HttpCheck(tls=Tls()).where("2001:db8::1") == "[2001:db8::1]:443 /"
    assert HttpCheck(port=8080).where("cdn.example.net.") == "cdn.example.net:8080 /"


def test_nothing_is_kept_between_probes():
    async def run():
        async with raw(response(set_cookie="a=b; Path=/")) as server:
            check = HttpCheck(port=server.port)
            assert [(await check.probe(LOOPBACK, Kept())).ok for _ in range(2)] == [True, True]
            return server.requests

    requests = asyncio.run(run())
    assert requests[0] == requests[1]
    assert not re.search("cookie", requests[1], re.IGNORECASE)


def test_proxies_of_the_environment_are_ignored(monkeypatch):
    with refusing() as port:
        monkeypatch.setenv("http_proxy", f"http://{LOOPBACK}:{port}")
        result, _ = probe(response())
    assert result.ok


@pytest.mark.parametrize(
    ("reply", "where", "load", "note"),
    [
        (response(endpoint_load_metrics="TEXT cpu_utilization=0.4"), ORCA, 0.4, ""),
        (response(body=b'{"a": {"b": 0.7}}'), FIELD, 0.7, ""),
        (response(), ORCA, None, "no endpoint-load-metrics header"),
        (response(endpoint_load_metrics="0.4"), ORCA, None, "neither TEXT nor JSON"),
        (response(body=b"{}"), FIELD, None, "no a.b"),
    ],
    ids=["orca", "json", "no-header", "broken-header", "no-field"],
)
def test_a_load_report_never_fails_a_check(reply, where, load, note):
    result, _ = probe(reply, load=where)
    assert result.ok
    assert result.load == load
    assert note in result.note
    assert bool(result.note) is bool(note)


def test_a_probe_can_be_cancelled():
    async def run():
        async with silent() as port:
            task = asyncio.create_task(HttpCheck(port=port).probe(LOOPBACK, Kept()))
            await asyncio.sleep(0)
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task

    asyncio.run(run())
