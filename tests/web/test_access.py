"""Who is let in, and how little those get who are not."""

from __future__ import annotations

import asyncio
import logging
import ssl
from contextlib import suppress

import pytest
import trustme
from serving import call, played, serving

from dnslb.web import bounds
from dnslb.web.bounds import Rate
from dnslb.web.errors import ApiError

LOOK, RUN = "1123456789abcdef", "0123456789abcdef"
TOKENS = f"grafana read {LOOK}\ndeploy operate {RUN}"


def bearer(token):
    return {"Authorization": f"Bearer {token}"}


def test_roles(tmp_path, caplog):
    async def scenario(session):
        drain = ("PUT", "backends/plain/c/state", {"state": "drain", "force": True})
        assert (await call(session, "GET", "status", headers=bearer(LOOK)))[0] == 200
        status, shown = await call(session, *drain, headers=bearer(LOOK))
        assert (status, shown["error"]["code"]) == (403, "role")
        assert 'the token "grafana" may read' in shown["error"]["message"]
        status, shown = await call(session, "POST", "reload", headers=bearer(LOOK))
        assert status == 403
        status, shown = await call(session, *drain, headers=bearer(RUN))
        assert (status, shown["state"]) == (200, "drain")
        assert (await call(session, "POST", "reload", headers=bearer(RUN)))[1]["ok"] is True

    with caplog.at_level(logging.INFO, "dnslb.audit"):
        played(tmp_path, scenario, token=TOKENS)
    assert [one.message for one in caplog.records if one.name == "dnslb.audit"] == [
        "PUT /api/v1/backends/plain/c/state by deploy at 127.0.0.1: plain/c: state auto -> drain: ''",
        "POST /api/v1/reload by deploy at 127.0.0.1: 0 changes",
    ]


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"Authorization": ""},
        {"Authorization": "Bearer"},
        bearer("wrong"),
        bearer(RUN[:-1]),
        bearer(f"{RUN}0"),
        bearer(f"{RUN} {RUN}"),
        bearer("\xff"),
        {"Authorization": f"Basic {RUN}"},
        {"Cookie": f"token={RUN}"},
    ],
)
def test_bad_tokens(tmp_path, headers):
    async def scenario(session):
        for path in ("/api/v1/status", "/api/v1/openapi.json", "/metrics"):
            async with session.get(path, headers=headers) as response:
                assert response.status == 401
                assert response.headers["WWW-Authenticate"] == "Bearer"
                assert (await response.json())["error"]["code"] == "unauthorized"
        async with session.get("/healthz", headers=headers) as response:
            assert response.status == 200

    played(tmp_path, scenario, token=TOKENS)


def test_who_guesses_has_to_wait(tmp_path, monkeypatch):
    monkeypatch.setattr("dnslb.web.auth.BAD_TOKENS", 0.1)

    async def scenario(session):
        statuses = [
            (await call(session, "GET", "status", headers=bearer(f"guess{n}")))[0]
            for n in range(30)
        ]
        assert statuses[:10] == [401] * 10
        assert 429 in statuses
        assert (await call(session, "GET", "status", headers=bearer(RUN)))[0] == 200

    played(tmp_path, scenario, token=TOKENS)


def test_tokens_change_with_a_reload(tmp_path):
    async def run():
        async with serving(tmp_path, token=TOKENS) as (session, server):
            (tmp_path / "token").write_text(f"new operate {RUN}9\n")
            assert await server.reload()
            assert (await call(session, "GET", "status", headers=bearer(RUN)))[0] == 401
            assert (await call(session, "GET", "status", headers=bearer(f"{RUN}9")))[0] == 200

    asyncio.run(run())


def test_every_answer_is_for_nobody_elses_page(tmp_path):
    async def scenario(session):
        for path in ("/api/v1/status", "/api/v1/none", "/metrics", "/healthz", "/none"):
            async with session.get(path) as response:
                headers = response.headers
                assert headers["X-Content-Type-Options"] == "nosniff"
                assert headers["Cache-Control"] == "no-store"
                assert "frame-ancestors 'none'" in headers["Content-Security-Policy"]
                assert headers["Server"] == "dnslb"
                assert "Set-Cookie" not in headers
                assert "Access-Control-Allow-Origin" not in headers

    played(tmp_path, scenario)


def test_names_that_browsers_may_call_it_by(tmp_path):
    async def scenario(session):
        for host, status in (
            ("dns.example.com:8053", 200),
            ("DNS.example.com", 200),
            ("x.test", 403),
        ):
            assert (await call(session, "GET", "status", headers={"Host": host}))[0] == status

    played(tmp_path, scenario, more=", hosts: [dns.example.com]")


@pytest.mark.parametrize(
    ("headers", "status", "code"),
    [
        ({"Host": "dns.test:1"}, 200, None),  # no browser
        ({"Host": "dns.test:1", "Sec-Fetch-Site": "none"}, 403, "host"),
        ({"Host": "x.test", "Origin": "http://x.test"}, 403, "host"),
        ({"Host": "known.test", "Origin": "https://known.test"}, 200, None),
        ({"Host": "127.0.0.1:1", "Origin": "https://known.test"}, 200, None),  # by a proxy
        ({"Host": "known.test:80", "Origin": "https://known.test:81"}, 403, "origin"),
        ({"Origin": "http://x.test"}, 403, "origin"),
        ({"Origin": "null"}, 403, "origin"),
        ({"Sec-Fetch-Site": "cross-site"}, 403, "origin"),
        ({"Sec-Fetch-Site": "same-site"}, 403, "origin"),
        ({"Sec-Fetch-Site": "same-origin"}, 200, None),
    ],
)
@pytest.mark.parametrize("method", ["GET", "POST"])
def test_pages_of_other_origins_get_nothing_whatever_they_send(
    tmp_path, headers, status, code, method
):
    path = "status" if method == "GET" else "pools/p/thaw"

    async def scenario(session):
        told, shown = await call(session, method, path, headers={**bearer(RUN), **headers})
        assert (told, shown.get("error", {}).get("code")) == (status, code)

    played(tmp_path, scenario, token=TOKENS, more=", hosts: [known.test]")


def test_the_own_page_may_write_where_there_are_no_tokens(tmp_path):
    async def scenario(session):
        own = str(session._base_url.origin())
        for origin, status in ((own, 200), ("http://127.0.0.1:1", 403), ("http://x.test", 403)):
            for body in (None, {}):
                found, _ = await call(
                    session, "POST", "pools/p/thaw", body if origin != own else None,
                    headers={"Origin": origin},
                )  # fmt: skip
                assert found == status

    played(tmp_path, scenario)


async def raw(port, data):
    """What comes for `data`, until the server closes; and whether it did within a while."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(data)
    answer = await asyncio.wait_for(reader.read(), 30)
    writer.close()
    return answer


CLOSE = b"Host: localhost\r\nConnection: close\r\n\r\n"


@pytest.mark.parametrize(
    ("target", "status"),
    [
        (b"/api/v1/../../etc/passwd", 404),
        (b"/api/v1/%2e%2e/%2e%2e/etc/passwd", 404),
        (b"/api/v1/backends/p%2Fa/x", 404),
        (b"/api/v1/backends/p/a%00", 404),
        (b"//api/v1/status", 404),
        (b"/api/v1/status/", 404),
        (b"/api/v1/backends/" + b"x" * 3000 + b"/y", 404),
        (b"/api/v1/backends?zone=" + b"x" * 20_000, 400),
        (b"/api/v1/backends?limit=1&limit=2", 400),
        (b"/api/v1/backends?limit=0", 400),
        (b"/api/v1/backends?limt=1", 400),
        (b"/api/v1/backends?after=none", 400),
    ],
)
def test_paths_that_lead_nowhere(tmp_path, target, status):
    async def run():
        async with serving(tmp_path) as (_, server):
            answer = await raw(server.api.port, b"GET " + target + b" HTTP/1.1\r\n" + CLOSE)
            assert answer.partition(b"\r\n")[0].split()[1] == b"%d" % status, answer[:300]
            assert b"root:" not in answer

    asyncio.run(run())


def test_what_is_no_request_leaves_no_line(tmp_path, caplog):
    async def run():
        async with serving(tmp_path) as (_, server):
            for data in (
                b"\x16\x03\x01\x02\x00" * 9 + b"\r\n\r\n",
                b"GET / HTTP/1.1\r\nX: \0\r\n\r\n",
            ):
                assert (await raw(server.api.port, data)).startswith(b"HTTP/1.")

    with caplog.at_level(logging.INFO):
        asyncio.run(run())
    assert not [one for one in caplog.records if one.exc_info]


def test_a_request_that_never_ends_is_ended(tmp_path, monkeypatch):
    monkeypatch.setattr("dnslb.web.site.KEEP_ALIVE", 0.3)

    async def run():
        async with serving(tmp_path) as (session, server):
            reader, writer = await asyncio.open_connection("127.0.0.1", server.api.port)
            writer.write(b"GET /healthz HTTP/1.1\r\nX: ")
            ended = asyncio.ensure_future(reader.read())
            for _ in range(400):
                # a little now and then keeps it open no longer
                with suppress(ConnectionError):
                    writer.write(b"x")
                await asyncio.wait((ended,), timeout=0.05)
                if ended.done():
                    break
            else:
                pytest.fail("it went on for as long as something came")
            with suppress(ConnectionResetError):
                assert ended.result() == b""
            writer.close()
            async with session.get("/healthz") as response:
                assert response.status == 200

    asyncio.run(run())


def test_an_answer_that_nobody_takes(tmp_path, monkeypatch):
    monkeypatch.setattr(bounds, "STALL_TIME", 0.2)
    many = "".join(f"\n      - {{name: m{n}, address: 198.51.100.1}}" for n in range(3000))

    async def run():
        async with serving(tmp_path) as (_, server):
            (tmp_path / "zones" / "big.test.yaml").write_text(
                f"nameservers: [ns.example.net.]\npools:\n  q:\n    members:{many}\n"
                "services:\n  www: {pool: q}\n"
            )
            assert await server.reload()
            _, writer = await asyncio.open_connection("127.0.0.1", server.api.port, limit=1024)
            asked = b"GET /api/v1/backends?zone=big.test HTTP/1.1\r\nHost: localhost\r\n\r\n"
            for _ in range(16):  # more than any socket's buffers hold
                writer.write(asked)
            connections = server._site._runner.server
            while not connections.connections:
                await asyncio.sleep(0.01)
            # the client reads nothing, so only the server can end this
            while connections.connections:
                await asyncio.sleep(0.01)
            writer.close()

    asyncio.run(run())


def test_connections_of_one_client(tmp_path, monkeypatch):
    monkeypatch.setattr(bounds, "PER_CLIENT", 3)
    monkeypatch.setattr(bounds, "LOOK_EVERY", 0.05)

    async def run():
        async with serving(tmp_path) as (_, server):
            opened = [await asyncio.open_connection("127.0.0.1", server.api.port) for _ in range(5)]
            ended = [asyncio.ensure_future(reader.read()) for reader, _ in opened]
            while sum(one.done() for one in ended) < 2:
                await asyncio.sleep(0.01)
            assert [one.done() for one in ended] == [False, False, False, True, True]
            for one in ended[3:]:
                assert isinstance(one.exception(), ConnectionResetError) or one.result() == b""
            for one in ended[:3]:
                one.cancel()
            for _, writer in opened:
                writer.close()

    asyncio.run(run())


def test_a_body_that_does_not_come(tmp_path, monkeypatch):
    monkeypatch.setattr("dnslb.web.route.BODY_TIME", 0.2)

    async def run():
        async with serving(tmp_path) as (_, server):
            head = b"PUT /api/v1/backends/plain/c/load HTTP/1.1\r\nContent-Length: 99\r\n"
            answer = await raw(
                server.api.port, head + b"Content-Type: application/json\r\n" + CLOSE + b"{"
            )
            assert answer.startswith(b"HTTP/1.1 408")

    asyncio.run(run())


def test_rates():
    now = [0.0]
    rate = Rate(2.0, burst=3, clock=lambda: now[0])
    for _ in range(3):
        rate.spend("a")
    with pytest.raises(ApiError) as told:
        rate.spend("a")
    assert (told.value.status, told.value.headers["Retry-After"]) == (429, "1")
    rate.spend("b")
    now[0] = 0.5
    rate.spend("a")
    with pytest.raises(ApiError):
        rate.spend("a")


def test_many_requests_are_too_many(tmp_path, monkeypatch):
    monkeypatch.setattr("dnslb.web.site.RATE", 5.0)

    async def scenario(session):
        async def ask():
            async with session.get("/healthz") as response:
                return response.status

        assert [await ask() for _ in range(10)] == [200] * 10
        # as many more take far less than the forty seconds in which they would be let in
        assert 429 in [await ask() for _ in range(200)]

    played(tmp_path, scenario)


def test_https_and_a_new_certificate(tmp_path):
    authority = trustme.CA()

    def issue():
        issued = authority.issue_cert("127.0.0.1")
        issued.private_key_and_cert_chain_pem.write_to_path(str(tmp_path / "api.pem"))
        return ssl.PEM_cert_to_DER_cert(issued.cert_chain_pems[0].bytes().decode())

    context = ssl.create_default_context()
    authority.configure_trust(context)

    async def seen(server):
        _, writer = await asyncio.open_connection("127.0.0.1", server.api.port, ssl=context)
        certificate = writer.get_extra_info("ssl_object").getpeercert(binary_form=True)
        writer.close()
        return certificate

    async def run():
        first = issue()
        async with serving(tmp_path, more=", tls: {certificate: api.pem}") as (session, server):
            async with session.get("/healthz", ssl=context) as response:
                assert response.status == 200
            assert await seen(server) == first
            second = issue()
            assert await server.reload()
            assert await seen(server) == second
            (tmp_path / "api.pem").write_text("torn")
            assert await server.reload()
            assert await seen(server) == second

    asyncio.run(run())
