"""Operator states through the API: tried first, refused when too little is left, and done."""

from __future__ import annotations

import asyncio
import time
from datetime import datetime

from hypothesis import given, settings
from hypothesis import strategies as st
from serving import call, played, serving

from dnslb.config.load import load
from dnslb.health.standing import OperatorState
from dnslb.policy.forecast import forecast, within
from dnslb.policy.whatif import what_if

MORE = """
  nested: {strategy: failover, members: [{pool: left}, {pool: right}]}
pools:
  left: {strategy: weighted, min_up: 2, members: [{name: a, address: 192.0.2.11, weight: 3}, {name: b, address: 192.0.2.12}, {name: c, address: 192.0.2.13}]}
  right: {members: [{name: a, address: 192.0.2.21}, {name: b, address: 192.0.2.22}]}
"""


def config(folder):
    """A configuration whose service is a failover of two pools without checks."""
    (folder / "zones").mkdir(exist_ok=True)
    (folder / "zones" / "example.com.yaml").write_text(
        "nameservers: [ns.example.net.]\nservices:" + MORE
    )
    (folder / "dnslb.yaml").write_text("listen: [127.0.0.1:0]\napi: {listen: 127.0.0.1:0}\n")
    return folder / "dnslb.yaml"


def scened(tmp_path, scenario):
    async def run():
        async with serving(tmp_path) as (session, server):
            config(tmp_path)
            assert await server.reload()
            await scenario(session, server)

    asyncio.run(run())


def test_a_dry_run_says_what_would_happen_and_changes_nothing(tmp_path):
    async def scenario(session, _):
        status, said = await call(
            session, "PUT", "backends/left/a/state", {"state": "drain", "dry_run": True}
        )
        assert status == 200
        assert [(one["backend"], one["before"], one["after"]) for one in said["effect"]] == [
            ("left/a", 0.6, 0),
            ("left/b", 0.2, 0.5),
            ("left/c", 0.2, 0.5),
        ]
        assert (said["changed"], said["refused"], said["state"]) == (["left/a"], None, "auto")
        _, shown = await call(session, "GET", "services/nested")
        assert shown["tree"]["members"][0]["members"][0]["share"] == 0.6

    scened(tmp_path, scenario)


def test_too_little_left_is_refused_unless_forced(tmp_path):
    async def scenario(session, _):
        await call(session, "PUT", "backends/left/a/state", {"state": "drain"})
        drain = {"state": "drain", "reason": "kernel"}
        _, said = await call(session, "PUT", "backends/left/b/state", {**drain, "dry_run": True})
        assert said["refused"] == "pool left would have 1 of 3 members up, min_up is 2"
        status, said = await call(session, "PUT", "backends/left/b/state", drain)
        assert (status, said["error"]["code"]) == (409, "min-up")
        assert "1 of 3 members up, min_up is 2: nothing changes" in said["error"]["message"]
        status, said = await call(session, "PUT", "backends/left/b/state", {**drain, "force": True})
        assert (status, said["state"]) == (200, "drain")
        assert {one["backend"]: one["after"] for one in said["effect"]} == {
            "left/b": 0, "left/c": 0, "right/a": 0.5, "right/b": 0.5,
        }  # fmt: skip
        # what gives more is never refused
        status, _ = await call(session, "PUT", "backends/left/b/state", {"state": "auto"})
        assert status == 200

    scened(tmp_path, scenario)


def test_a_pool_that_is_drained_passes_its_clients_on(tmp_path):
    async def scenario(session, server):
        status, said = await call(
            session, "PUT", "pools/left/state", {"state": "drain", "reason": "move", "until": "1h"}
        )
        assert (status, said["state"], said["state_reason"], said["up"]) == (
            200,
            "drain",
            "move",
            False,
        )
        assert said["finish"]["seconds"] > 0
        _, shown = await call(session, "GET", "services/nested")
        left, right = shown["tree"]["members"]
        assert (left["share"], left["out"], right["share"]) == (0, "drained by the operator", 1)
        _, shown = await call(session, "GET", "backends/left/a")
        assert (shown["state"], shown["finish"] is not None) == ("auto", True)
        status, said = await call(session, "PUT", "pools/right/state", {"state": "down"})
        assert (status, said["error"]["code"]) == (409, "min-up")
        assert [one.data["pool"] for one in server.events.recent({"state"})] == ["left"]
        await call(session, "PUT", "pools/left/state", {"state": "auto"})
        _, shown = await call(session, "GET", "pools/left")
        assert (shown["state"], shown["up"], shown["finish"]) == ("auto", True, None)

    scened(tmp_path, scenario)


def test_globs_are_for_all_or_nothing(tmp_path):
    async def scenario(session, server):
        body = {"state": "drain", "backends": "left/*"}
        status, _ = await call(session, "PUT", "states", body)
        assert status == 409
        assert not any(one.withheld for one in server.monitor.standings().values())
        status, said = await call(session, "PUT", "states", {**body, "backends": "*/a"})
        assert (status, said["changed"]) == (200, ["left/a", "right/a"])
        status, said = await call(
            session, "PUT", "states", {"state": "auto", "pools": "*", "backends": "*"}
        )
        assert len(said["changed"]) == 8
        status, said = await call(session, "PUT", "states", {"state": "drain", "backends": "x*"})
        assert (status, said["error"]["message"]) == (404, "no backend matches 'x*'")
        status, _ = await call(session, "PUT", "states", {"state": "drain"})
        assert status == 400
        status, _ = await call(session, "PUT", "states?zone=example.org", body)
        assert status == 404

    scened(tmp_path, scenario)


def test_the_finish_line_is_the_last_answer_and_the_ttl(tmp_path):
    async def scenario(session, server):
        server.traffic.sample()
        server._engine.answer(QUERY, "192.0.2.99")
        server.traffic.sample()
        _, said = await call(session, "PUT", "backends/left/a/state", {"state": "drain"})
        finish = said["finish"]
        last, at = (
            datetime.fromisoformat(finish[key]).timestamp() for key in ("last_answer", "at")
        )
        assert round(at - last) == 30
        assert at - time.time() - 1 < finish["seconds"] <= 30

    scened(tmp_path, scenario)


QUERY = bytes.fromhex("000101000001000000000000066e6573746564076578616d706c6503636f6d0000010001")


@settings(max_examples=60, deadline=None)
@given(
    st.lists(
        st.sampled_from(["left/a", "left/b", "left/c", "right/a", "right/b"]),
        min_size=1,
        unique=True,
    ),
    st.sampled_from(list(OperatorState)),
)
def test_what_is_foretold_is_what_comes(tmp_path_factory, names, state):
    folder = tmp_path_factory.mktemp("foretold")
    loaded, _ = load(config(folder))
    (service,) = loaded.services()
    subjects = [one.id for one in loaded.backends() if str(one.id) in names]
    found = what_if(loaded, {}, subjects, state)
    from dnslb.health.standing import Standing

    before = within(forecast(loaded, {}, service))
    after = within(forecast(loaded, {one: Standing(state=state) for one in subjects}, service))
    told = {one.backend: (one.before, one.after) for one in found.effects}
    for key in before:
        expected = before[key], after[key]
        assert told.get(str(key.backend), (before[key], before[key])) == expected


def test_what_is_refused(tmp_path):
    async def scenario(session):
        for path, body, status in (
            ("pools/none/state", {"state": "drain"}, 404),
            ("pools/p/state", {"state": "off"}, 400),
            ("pools/p/state", {"state": "auto", "until": "1h"}, 400),
            ("states", {"state": "drain", "backends": 1}, 400),
        ):
            assert (await call(session, "PUT", path, body))[0] == status

    played(tmp_path, scenario)
