"""What happens, as clients of the API see it happen."""

from __future__ import annotations

import asyncio
import json

from serving import ZONE, call, played, serving

from dnslb.web.routes import events


async def heard(response, count):
    """The next `count` events: number, kind, data."""
    found, fields = [], {}
    while len(found) < count:
        line = (await asyncio.wait_for(response.content.readline(), 30)).decode().rstrip("\n")
        name, _, value = line.partition(": ")
        if not line and "data" in fields:
            data = json.loads(fields["data"])
            found.append((fields.get("id"), fields["event"], data))
        fields = fields | {name: value} if line else {}
    return found


def test_everything_that_changes_is_told(tmp_path):
    async def run():
        async with serving(tmp_path) as (session, server):
            for beat in ("a", "b"):
                await call(session, "PUT", f"backends/p/{beat}/heartbeat", {})
            kinds = "state,verdict,frozen,thawed,reload"
            async with session.get(f"/api/v1/events?kind={kinds}") as response:
                assert response.content_type == "text/event-stream"
                await call(
                    session,
                    "PUT",
                    "backends/plain/c/state",
                    {"state": "drain", "reason": "x", "force": True},
                )
                await call(
                    session, "PUT", "backends/p/a/heartbeat", {"status": "down", "reason": "off"}
                )
                await call(session, "PUT", "backends/p/b/heartbeat", {"status": "down"})
                await call(session, "POST", "pools/p/thaw")
                told = await heard(response, 5)
                (tmp_path / "zones" / "example.com.yaml").write_text("services: 1\n")
                await server.reload()
                (tmp_path / "zones" / "example.com.yaml").write_text(ZONE)
                await server.reload()
                told += await heard(response, 2)
            where = {"zone": "example.com.", "pool": "p"}
            for _, _, data in told:
                assert data.pop("at").endswith("+00:00")
            assert [(kind, data) for _, kind, data in told] == [
                ("state", {"zone": "example.com.", "pool": "plain", "backend": "c", "state": "drain", "reason": "x", "until": None}),
                ("verdict", {**where, "backend": "a", "down": ["ipv4"], "reason": told[1][2]["reason"]}),
                ("frozen", {**where, "most": 1}),
                ("thawed", {**where, "down": ["b"]}),
                ("verdict", {**where, "backend": "b", "down": ["ipv4", "ipv6"], "reason": told[4][2]["reason"]}),
                ("reload", {"ok": False, "problems": told[-2][2]["problems"], "changes": []}),
                ("reload", {"ok": True, "problems": [], "changes": []}),
            ]  # fmt: skip
            assert "it says down: off" in told[1][2]["reason"]
            assert "services" in told[-2][2]["problems"][1]

    asyncio.run(run())


def test_a_service_that_goes_down(tmp_path):
    async def run():
        async with serving(tmp_path) as (session, server):
            async with session.get("/api/v1/events?kind=service") as response:
                await call(
                    session, "PUT", "backends/plain/c/state", {"state": "down", "force": True}
                )
                ((_, _, down),) = await heard(response, 1)
                await call(session, "PUT", "backends/plain/c/state", {"state": "auto"})
                ((number, _, up),) = await heard(response, 1)
            assert (down["service"], down["up"], up["up"]) == ("other", False, True)
            assert server.events.recent()[-1].id == int(number)

    asyncio.run(run())


def test_who_comes_back_misses_nothing(tmp_path):
    async def scenario(session):
        async with session.get("/api/v1/events?kind=state") as response:
            await call(session, "PUT", "backends/plain/c/state", {"state": "drain", "force": True})
            ((last, _, _),) = await heard(response, 1)
        for state in ("up", "auto"):
            await call(session, "PUT", "backends/plain/c/state", {"state": state})
        for options in (
            {"headers": {"Last-Event-ID": last}},
            {"params": {"after": last}},
        ):
            async with session.get("/api/v1/events?kind=state", **options) as response:
                told = await heard(response, 2)
            assert [data["state"] for _, _, data in told] == ["up", "auto"]

    played(tmp_path, scenario)


def test_a_silent_stream_has_a_heartbeat(tmp_path, monkeypatch):
    monkeypatch.setattr(events, "BEAT", 0.05)

    async def scenario(session):
        async with session.get("/api/v1/events") as response:
            lines = [await asyncio.wait_for(response.content.readline(), 30) for _ in range(4)]
        assert lines[0] == b"retry: 2000\n"
        assert lines[2] == b": nothing new\n"

    played(tmp_path, scenario)


def test_what_is_refused(tmp_path, monkeypatch):
    monkeypatch.setattr(events, "STREAMS", 1)

    async def scenario(session):
        status, shown = await call(session, "GET", "events?kind=verdit")
        assert (status, "did you mean" in shown["error"]["message"]) == (400, True)
        async with session.get("/api/v1/events") as first:
            assert first.status == 200
            status, shown = await call(session, "GET", "events")
            assert (status, shown["error"]["code"]) == (503, "streams")

    played(tmp_path, scenario)
