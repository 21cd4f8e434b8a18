"""What the API tells of zones, services, pools and backends."""

from __future__ import annotations

import asyncio
import socket

from dnslib import DNSRecord
from serving import call, played, serving


def tree(folder):
    """Give the zone a pool of pools, which `www` then has."""
    file = folder / "zones" / "example.com.yaml"
    text = file.read_text().replace("services:", "  both: {strategy: failover, "
        "members: [{pool: p}, {pool: plain}]}\nservices:").replace("pool: p,", "pool: both,")  # fmt: skip
    file.write_text(text)


def test_zones_and_pools(tmp_path):
    async def scenario(session):
        _, shown = await call(session, "GET", "zones")
        assert shown["zones"] == [
            {"zone": zone, "services": ["www", "other"], "pools": ["p", "plain"], "backends": 3}
            for zone in ("example.com.", "example.org.")
        ]
        _, shown = await call(session, "GET", "pools?zone=example.org")
        assert [(one["zone"], one["name"]) for one in shown["pools"]] == [
            ("example.org.", "p"),
            ("example.org.", "plain"),
        ]
        status, shown = await call(session, "GET", "pools/p?zone=example.com")
        assert (status, shown["up"], shown["members_up"], shown["min_up"]) == (200, False, 0, 1)
        assert shown["services"] == ["www.example.com."]
        assert [one["name"] for one in shown["members"]] == ["p/a", "p/b"]
        assert (await call(session, "GET", "pools/p"))[0] == 409
        assert (await call(session, "GET", "pools/none"))[0] == 404

    played(tmp_path, scenario, zones=("example.com", "example.org"))


def test_a_service_has_its_tree(tmp_path):
    async def run():
        async with serving(tmp_path) as (session, server):
            tree(tmp_path)
            assert await server.reload()
            for beat in ("p/a", "p/b"):
                await call(session, "PUT", f"backends/{beat}/heartbeat", {})
            status, shown = await call(session, "GET", "services/www")
            assert (status, shown["up"], shown["strategy"]) == (200, True, "failover")
            first, second = shown["tree"]["members"]
            assert (first["name"], first["share"], second["share"]) == ("p", 1, 0)
            assert [one["share"] for one in first["members"]] == [0.5, 0.5]
            await call(session, "PUT", "backends/p/a/heartbeat", {"status": "down"})
            _, shown = await call(session, "GET", "services/www.example.com")
            out, stays = shown["tree"]["members"][0]["members"]
            assert (out["up"], out["share"], stays["share"]) == (False, 0, 1)
            assert "it says down" in out["out"]
            assert (await call(session, "GET", "services/none"))[0] == 404
            _, shown = await call(session, "GET", "services")
            assert [one["name"] for one in shown["services"]] == ["www", "other"]

    asyncio.run(run())


def test_what_was_answered_is_counted(tmp_path):
    async def run():
        async with serving(tmp_path) as (session, server):
            server.traffic.sample()
            port = server.listening[0].port
            for _ in range(4):
                await asyncio.to_thread(ask, port)
            server.traffic.sample()
            _, shown = await call(session, "GET", "services/other")
            assert shown["tree"]["answers"] == 4
            (only,) = shown["tree"]["members"]
            assert (only["answers"], only["achieved"], only["share"]) == (4, 1, 1)
            _, shown = await call(session, "GET", "backends/plain/c")
            assert shown["last_answer"]
            assert shown["rate"] > 0
            _, shown = await call(session, "GET", "status")
            assert shown["queries"]["NOERROR"] > 0

    asyncio.run(run())


def ask(port):
    query = DNSRecord.question("other.example.com", "A").pack()
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as client:
        client.settimeout(20)
        client.sendto(query, ("127.0.0.1", port))
        assert DNSRecord.parse(client.recv(4096)).rr


def test_backends_page_by_page(tmp_path):
    async def scenario(session):
        names, after = [], ""
        while True:
            _, shown = await call(session, "GET", f"backends?limit=1{after}")
            names += [one["name"] for one in shown["backends"]]
            if "next" not in shown:
                break
            after = f"&after={shown['next']}"
        assert names == ["a", "b", "c"]
        _, shown = await call(session, "GET", "backends?down=true")
        assert [one["name"] for one in shown["backends"]] == ["a", "b"]
        _, shown = await call(session, "GET", "backends?pool=plain&down=false&limit=9")
        assert [one["name"] for one in shown["backends"]] == ["c"]
        assert "next" not in shown

    played(tmp_path, scenario)


def test_a_reload_tells_what_changed_or_why_nothing_does(tmp_path):
    async def run():
        async with serving(tmp_path) as (session, _):
            file = tmp_path / "zones" / "example.com.yaml"
            assert await call(session, "POST", "reload") == (200, {"ok": True, "changes": []})
            file.write_text(file.read_text().replace("when_down: nodata", "ttl: 5"))
            status, shown = await call(session, "POST", "reload")
            assert (status, shown["ok"]) == (200, True)
            (change,) = shown["changes"]
            assert (change["kind"], change["happened"]) == ("service", "changed")
            assert "www" in change["name"]
            assert "ttl 30" in change["detail"]
            file.write_text("services: {www: {pool: none}}\n")
            status, shown = await call(session, "POST", "reload")
            assert (status, shown["error"]["code"]) == (422, "config")
            assert any('unknown pool "none"' in one for one in shown["error"]["problems"])
            _, shown = await call(session, "GET", "services/www")
            assert shown["ttl"] == 5

    asyncio.run(run())
