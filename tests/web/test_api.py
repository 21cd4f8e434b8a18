"""The REST API of a real server: sockets, checks, an engine, and requests over HTTP."""

from __future__ import annotations

import asyncio
import json
import logging

import pytest
from serving import ZONE, call, played, serving

from dnslb.health.checks.base import Outcome, Result
from dnslb.health.checks.push import PushCheck
from dnslb.health.history import History

TOKEN = "secret"


def test_heartbeats_make_verdicts(tmp_path):
    async def scenario(session):
        status, shown = await call(session, "GET", "backends/p/a")
        assert status == 200
        assert shown["verdict"] == {"ipv4": "down"}
        assert "no result yet" in shown["reason"]
        status, shown = await call(
            session, "PUT", "backends/p/a/heartbeat", {"status": "up", "load": 0.5}
        )
        assert (status, shown["verdict"], shown["load"]) == (200, {"ipv4": "up"}, 0.5)
        assert shown["probes"][0]["last_result"]["result"] == "ok"
        assert shown["since"].endswith("+00:00")
        status, shown = await call(
            session, "PUT", "backends/p/a/heartbeat", {"status": "down", "reason": "disk full"}
        )
        assert shown["verdict"] == {"ipv4": "down"}
        assert "status: it says down: disk full" in shown["reason"]
        assert [one["down"] for one in shown["transitions"]] == [[], ["ipv4"]]
        status, shown = await call(session, "PUT", "backends/plain/c/heartbeat", {})
        assert (status, shown["error"]["code"]) == (409, "no-push-check")

    played(tmp_path, scenario)


def test_load_and_state(tmp_path):
    async def scenario(session):
        status, shown = await call(session, "PUT", "backends/plain/c/load", {"load": 0.7})
        assert (status, shown["load"]) == (200, 0.7)
        body = {"state": "drain", "reason": "maintenance", "until": "10m", "force": True}
        status, shown = await call(session, "PUT", "backends/plain/c/state", body)
        assert status == 200
        assert (shown["state"], shown["state_reason"], shown["serves"]) == (
            "drain",
            "maintenance",
            [],
        )
        assert shown["until"]
        status, shown = await call(session, "PUT", "backends/plain/c/state", {"state": "auto"})
        assert (shown["state"], shown["until"], shown["serves"]) == ("auto", None, ["ipv4"])

    played(tmp_path, scenario)


def test_every_write_is_a_line_in_the_log(tmp_path, caplog):
    async def scenario(session):
        for path, body in (
            ("backends/plain/c/state", {"state": "down", "reason": "x", "force": True}),
            ("backends/plain/c/load", {"load": 0.7}),
            ("backends/p/a/heartbeat", {"status": "down", "reason": "y"}),
        ):
            await call(session, "PUT", path, body)
        await call(session, "POST", "pools/p/thaw?zone=example.com")
        await call(session, "PUT", "backends/plain/c/load", {"load": 11})
        await call(session, "GET", "status")

    with caplog.at_level(logging.DEBUG, "dnslb.audit"):
        played(tmp_path, scenario)
    lines = [(one.levelname, one.message) for one in caplog.records if one.name == "dnslb.audit"]
    path = "/api/v1/backends"
    assert lines == [
        ("INFO", f"PUT {path}/plain/c/state by 127.0.0.1: plain/c: state auto -> down: 'x'"),
        ("DEBUG", f"PUT {path}/plain/c/load by 127.0.0.1: load 0.7 for 60s"),
        ("DEBUG", f"PUT {path}/p/a/heartbeat by 127.0.0.1: heartbeat down: 'y'"),
        ("INFO", "POST /api/v1/pools/p/thaw?zone=example.com by 127.0.0.1: thaw: 0 backends go down"),
    ]  # fmt: skip


def test_reading_all_and_status(tmp_path):
    async def scenario(session):
        _, shown = await call(session, "GET", "backends")
        assert [one["name"] for one in shown["backends"]] == ["a", "b", "c"]
        _, shown = await call(session, "GET", "backends?zone=example.org")
        assert shown["backends"] == []
        _, shown = await call(session, "GET", "status")
        assert (shown["isolated"], shown["frozen"], shown["backends"]) == (False, [], 3)
        assert shown["results"]["ok"] == 0

    played(tmp_path, scenario)


def test_a_frozen_pool_is_shown_and_thawed(tmp_path):
    async def scenario(session):
        for name in ("a", "b"):
            await call(session, "PUT", f"backends/p/{name}/heartbeat", {})
        for name in ("a", "b"):
            await call(session, "PUT", f"backends/p/{name}/heartbeat", {"status": "down"})
        _, shown = await call(session, "GET", "status")
        assert shown["frozen"] == [{"zone": "example.com.", "pool": "p", "held": ["p/b"]}]
        _, shown = await call(session, "GET", "backends/p/b")
        assert (shown["held"], shown["verdict"]["ipv4"]) == (True, "up")
        async with session.get("/metrics") as response:
            text = await response.text()
        assert 'dnslb_pool_frozen{pool="p",zone="example.com."} 1.0' in text
        assert 'dnslb_check_results_total{result="status"} 2.0' in text
        assert 'dnslb_check_duration_seconds_count{backend="p/a",check="heartbeat of' in text
        assert 'dnslb_backend_weight{backend="c",pool="plain",zone="example.com."} 1.0' in text
        assert "dnslb_isolated 0.0" in text
        status, shown = await call(session, "POST", "pools/p/thaw")
        assert (status, shown) == (200, {"down": ["p/b"]})
        _, shown = await call(session, "GET", "backends/p/b")
        assert shown["verdict"] == {"ipv4": "down", "ipv6": "down"}
        status, shown = await call(session, "POST", "pools/plain/thaw")
        assert (status, shown["error"]["code"]) == (409, "no-max-down")

    played(tmp_path, scenario)


def test_explaining_what_is_so_now(tmp_path):
    async def scenario(session):
        await call(session, "PUT", "backends/p/a/heartbeat", {"status": "down", "reason": "off"})
        await call(session, "PUT", "backends/p/b/heartbeat", {})
        _, shown = await call(session, "GET", "explain?name=www.example.com&client=192.0.2.9")
        assert shown["service"]["name"] == "www.example.com."
        members = {one["name"]: one for one in shown["pool"]["members"]}
        assert "status: it says down: off" in members["a"]["why"]
        assert members["b"]["chance"] == 1
        assert shown["answers"][0]["records"] == ["A 192.0.2.2"]
        _, shown = await call(session, "GET", "explain?name=nowhere.test")
        assert shown["zone"] is None

    played(tmp_path, scenario)


@pytest.mark.parametrize(
    ("method", "path", "body", "status", "says"),
    [
        ("GET", "backends/p/x", None, 404, "unknown backend"),
        ("PUT", "backends/p/a/load", {"load": 11}, 400, "load"),
        ("PUT", "backends/p/a/load", {"load": "1"}, 400, "load"),
        ("PUT", "backends/p/a/load", {"load": 1, "age": 3}, 400, "age"),
        ("PUT", "backends/p/a/load", [], 400, "body"),
        ("PUT", "backends/p/a/state", {"state": "off"}, 400, "state"),
        ("PUT", "backends/p/a/state", {"state": "drain", "until": "soon"}, 400, "until"),
        ("PUT", "backends/p/a/state", {"state": "drain", "until": "2001-01-01T00:00:00Z"}, 400, "over"),
        ("PUT", "backends/p/a/state", {"state": "drain", "reason": "x" * 300}, 400, "reason"),
        ("PUT", "backends/p/a/state", {"state": "drain", "reason": "a\nb"}, 400, "one line"),
        ("PUT", "backends/p/a/state", {"state": "drain", "until": "2040-01-01T00:00:00"}, 400, "until"),
        ("PUT", "backends/p/a/state", {"state": "drain", "until": "999999999d"}, 400, "ten years"),
        ("PUT", "backends/p/a/state", {"state": "drain", "until": "9999-12-31T23:59:59Z"}, 400, "ten years"),
        ("PUT", "backends/p/a/state", {"state": "drain", "until": "0s"}, 400, "over"),
        ("PUT", "backends/p/a/state", {"state": "auto", "until": "1h"}, 400, "no end"),
        ("PUT", "backends/p/a/heartbeat", {"status": "down", "reason": "\x1b[31m"}, 400, "one line"),
        ("POST", "pools/q/thaw", None, 404, "unknown pool"),
        ("GET", "explain", None, 400, "name"),
        ("GET", "explain?name=a..b", None, 400, "no domain name"),
        ("GET", "explain?name=a&type=NO", None, 400, "no record type"),
        ("GET", "explain?name=a&client=x", None, 400, "no address"),
        ("GET", "nothing", None, 404, "Not Found"),
        ("DELETE", "backends", None, 405, "Not Allowed"),
    ],
)  # fmt: skip
def test_requests_that_are_refused(tmp_path, method, path, body, status, says):
    async def scenario(session):
        found, shown = await call(session, method, path, body)
        assert found == status
        assert says in shown["error"]["message"]

    played(tmp_path, scenario)


def test_bodies_that_are_none(tmp_path):
    async def scenario(session):
        url = "/api/v1/backends/p/a/load"
        json_type = {"Content-Type": "application/json"}
        for data, headers, status in (
            (b"{", json_type, 400),
            (b"", json_type, 400),
            (b'{"load": NaN}', json_type, 400),
            (b'{"load": 1%s}' % (b"0" * 400), json_type, 400),
            (b'{"load": 11}', {"Content-Type": "application/json; charset=none"}, 400),
            (b"\xff", json_type, 400),
            (b"[" * 10_000, json_type, 400),
            (b" " * 20_000, json_type, 413),
            (json.dumps({"load": 1}).encode(), {"Content-Type": "text/plain"}, 415),
        ):
            async with session.put(url, data=data, headers=headers) as response:
                assert response.status == status
                assert (await response.json())["error"]["message"]

    played(tmp_path, scenario)


def test_a_heartbeat_needs_no_body_and_its_load_lasts_until_the_next(tmp_path):
    async def scenario(session):
        url = "/api/v1/backends/p/a/heartbeat"
        async with session.put(url) as response:
            assert (await response.json())["verdict"] == {"ipv4": "up"}

    played(tmp_path, scenario)
    history = History(PushCheck(deadline=300.0))
    history.add(Result(Outcome.OK, load=0.5), 1000.0)
    assert history.load_until == 1300.0


def test_no_two_metrics_have_the_same_labels(tmp_path):
    async def scenario(session):
        async with session.get("/metrics") as response:
            lines = (await response.text()).splitlines()
        series = [line.rpartition(" ")[0] for line in lines if not line.startswith("#")]
        assert len(series) == len(set(series))
        labels = 'backend="w/d",check="127.0.0.1:1",zone="example.%s."'
        for zone in ("com", "org"):
            assert f"dnslb_check_duration_seconds_count{{{labels % zone}}}" in series

    twice = "{type: all, checks: [{type: tcp, port: 1}, {type: tcp, port: 1, send: x}]}"
    more = f"  w: {{check: {twice}, members: [{{name: d, address: 127.0.0.1}}]}}\n"
    played(tmp_path, scenario, zones=("example.com", "example.org"), services=more)


def test_a_reload_is_followed(tmp_path):
    async def run():
        async with serving(tmp_path) as (session, server):
            status, _ = await call(
                session, "PUT", "backends/plain/c/state", {"state": "drain", "force": True}
            )
            assert status == 200
            file = tmp_path / "zones" / "example.com.yaml"
            file.write_text(ZONE.replace("name: a,", "name: fresh,"))
            assert await server.reload()
            for name, found in (("fresh", 200), ("a", 404)):
                status, _ = await call(session, "GET", f"backends/p/{name}")
                assert status == found
            _, shown = await call(session, "GET", "backends/plain/c")
            assert shown["state"] == "drain"

    asyncio.run(run())


def test_one_name_in_two_zones(tmp_path):
    async def scenario(session):
        status, shown = await call(session, "GET", "backends/p/a")
        assert (status, shown["error"]["code"]) == (409, "ambiguous")
        assert "?zone=" in shown["error"]["message"]
        status, shown = await call(session, "GET", "backends/p/a?zone=example.org")
        assert (status, shown["zone"]) == (200, "example.org.")
        status, shown = await call(session, "POST", "pools/p/thaw")
        assert (status, shown["error"]["code"]) == (409, "ambiguous")

    played(tmp_path, scenario, zones=("example.com", "example.org"))


def test_a_host_that_is_a_name_is_refused_without_a_token(tmp_path):
    async def scenario(session):
        for host, status in (
            ("evil.example", 403),
            ("evil.example:80", 403),
            ("", 403),
            ("localhost:1", 200),
            ("[::1]:8053", 200),
            ("127.0.0.1", 200),
        ):
            found, _ = await call(session, "GET", "status", headers={"Host": host})
            assert found == status, host
        found, _ = await call(session, "POST", "pools/p/thaw", headers={"Origin": "http://x"})
        assert found == 403

    played(tmp_path, scenario)


def test_with_a_token_file_all_needs_the_token(tmp_path):
    async def scenario(session):
        for headers, status in (
            ({}, 401),
            ({"Authorization": "Bearer wrong"}, 401),
            ({"Authorization": "Bearer secret"}, 200),
            ({"Authorization": "Bearer secret", "Host": "api.example.com"}, 200),
        ):
            found, _ = await call(session, "GET", "status", headers=headers)
            assert found == status
            async with session.get("/metrics", headers=headers) as response:
                assert response.status == status
        async with session.get("/healthz") as response:
            assert response.status == 200

    played(tmp_path, scenario, token=TOKEN)
