"""What stands between verdicts and standings: guards, canaries, slow starts, heartbeats, groups."""

from __future__ import annotations

import time
from dataclasses import replace
from ipaddress import ip_address

import pytest
from health_script import OK, REFUSED, ScriptedCheck
from health_stage import V4, V6, pass_by, pool, scene, watch

from dnslb.config.model import Backend, BackendId, Family, MaxDown
from dnslb.health.checks.base import AgentMode, Outcome, Result
from dnslb.health.checks.group import Group
from dnslb.health.checks.push import PushCheck
from dnslb.health.standing import ALWAYS_UP, OperatorState

CANARY = "192.0.2.200"


def many(stage, count, **check):
    return [
        stage.backend(f"b{index}", f"192.0.2.{index}", **check) for index in range(1, count + 1)
    ]


def down(stage, *names):
    return {name for name in names if stage.standing(name).down}


@scene
async def test_beyond_max_down_a_pool_freezes_and_says_so(stage):
    names = ["b1", "b2", "b3", "b4"]
    await watch(stage, many(stage, 4, fall=1), [pool(max_down=MaxDown(2))])
    for index in (1, 2, 3, 4):
        stage.there.results[f"192.0.2.{index}"] = REFUSED
        await pass_by(stage)
    assert down(stage, *names) == {"b1", "b2"}
    held = stage.standing("b3")
    assert held.held
    assert "it refuses" in held.reason
    assert stage.monitor.frozen() == {
        ("example.com.", "p"): {BackendId("example.com.", "p", name) for name in ("b3", "b4")}
    }
    for index in (3, 4):
        stage.there.results[f"192.0.2.{index}"] = OK
    await pass_by(stage, 2)
    assert stage.monitor.frozen() == {}
    assert not stage.standing("b3").held
    assert stage.standing("b3").reason == ""


@scene
async def test_a_part_of_the_pool_as_max_down(stage):
    await watch(stage, many(stage, 4, fall=1), [pool(max_down=MaxDown(0.5))])
    for index in (1, 2, 3, 4):
        stage.there.results[f"192.0.2.{index}"] = REFUSED
    await pass_by(stage)
    assert len(down(stage, "b1", "b2", "b3", "b4")) == 2


@scene
async def test_thawing_lets_the_backends_go_down(stage):
    await watch(stage, many(stage, 3, fall=1), [pool(max_down=MaxDown(1))])
    for index in (1, 2, 3):
        stage.there.results[f"192.0.2.{index}"] = REFUSED
    await pass_by(stage)
    assert len(down(stage, "b1", "b2", "b3")) == 1
    stage.monitor.thaw("example.com.", "p")
    assert len(down(stage, "b1", "b2", "b3")) == 3
    assert stage.monitor.frozen() == {}
    await pass_by(stage)
    assert len(down(stage, "b1", "b2", "b3")) == 3
    with pytest.raises(KeyError):
        stage.monitor.thaw("example.com.", "other")


@scene
async def test_the_first_results_freeze_nothing(stage):
    for index in (1, 2, 3):
        stage.there.results[f"192.0.2.{index}"] = REFUSED
    await watch(stage, many(stage, 3), [pool(max_down=MaxDown(1))])
    assert len(down(stage, "b1", "b2", "b3")) == 3


def canary(stage):
    return ScriptedCheck(backends=stage.there, address=CANARY)


@scene
async def test_a_fall_counts_once_a_canary_has_passed(stage):
    await watch(stage, many(stage, 2, fall=2), canaries=[canary(stage)])
    stage.there.results["192.0.2.1"] = REFUSED
    asked = stage.there.asked.count(CANARY)
    await pass_by(stage, 2)
    assert down(stage, "b1", "b2") == {"b1"}
    assert stage.there.asked.count(CANARY) > asked + 2, "it was asked beside its schedule"
    assert not stage.monitor.isolated


@scene
async def test_a_reload_lets_no_fall_count_before_a_canary_has_passed(stage):
    backends, canaries = many(stage, 1, fall=1), [canary(stage)]
    await watch(stage, backends, canaries=canaries)
    (key,) = stage.monitor.histories(backends[0].id)
    stage.monitor._on_result(key, REFUSED)
    stage.monitor.configure(backends, canaries=canaries)
    assert not down(stage, "b1"), "no canary was asked yet"
    stage.there.results["192.0.2.1"] = REFUSED
    await pass_by(stage, 2)
    assert down(stage, "b1") == {"b1"}


@scene
async def test_when_all_canaries_fail_verdicts_stay(stage):
    await watch(stage, many(stage, 2, fall=1), canaries=[canary(stage)])
    for address in ("192.0.2.1", "192.0.2.2", CANARY):
        stage.there.results[address] = REFUSED
    await pass_by(stage, 5)
    assert stage.monitor.isolated
    assert down(stage, "b1", "b2") == set()
    assert stage.changes == []
    assert stage.monitor.results()["refused"] > 5, "results are counted all the same"
    stage.there.results[CANARY] = OK
    stage.there.results["192.0.2.2"] = OK
    await pass_by(stage)
    assert not stage.monitor.isolated
    await pass_by(stage, 2)
    assert down(stage, "b1", "b2") == {"b1"}


@scene
async def test_the_operator_is_heard_while_isolated(stage):
    await watch(stage, many(stage, 1), canaries=[canary(stage)])
    stage.there.results[CANARY] = REFUSED
    await pass_by(stage)
    assert stage.monitor.isolated
    stage.monitor.set_state(BackendId("example.com.", "p", "b1"), OperatorState.DRAIN)
    assert stage.standing("b1").state is OperatorState.DRAIN


@scene
async def test_a_canary_that_cannot_be_probed_isolates_nobody(stage):
    await watch(stage, many(stage, 1, fall=1), canaries=[canary(stage)])
    stage.there.results[CANARY] = Result(Outcome.ERROR, "no descriptor")
    stage.there.results["192.0.2.1"] = REFUSED
    await pass_by(stage, 2)
    assert not stage.monitor.isolated
    assert down(stage, "b1") == {"b1"}


@scene
async def test_a_backend_that_returns_starts_slowly(stage):
    await watch(stage, [stage.backend(rise=1, fall=1)], [pool(slow_start=100.0)])
    assert stage.standing().weight == 1.0, "the first start is none"
    await stage.results(REFUSED, OK)
    weights = [stage.standing().weight]
    for _ in range(10):
        stage.time.advance(10)
        weights.append(stage.standing().weight)
    assert weights == pytest.approx([0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 1.0, 1.0])
    assert len(stage.changes) == 2 + 9, "each step is a publish"


@scene
async def test_what_the_operator_lets_back_starts_slowly_too(stage):
    await watch(stage, [stage.backend()], [pool(slow_start=100.0)])
    name = stage.backend().id
    stage.monitor.set_state(name, OperatorState.DRAIN)
    stage.monitor.set_state(name, OperatorState.AUTO)
    assert stage.standing().weight == 0.1


@scene
async def test_a_state_ends_at_its_time(stage):
    await watch(stage, [stage.backend()])
    name = stage.backend().id
    stage.monitor.set_state(name, OperatorState.DOWN, "maintenance", time.time() - 1)
    assert stage.standing().state is OperatorState.DOWN
    stage.time.advance(1)
    assert stage.standing().state is OperatorState.AUTO


@scene
async def test_an_agent_drains_until_it_is_ready(stage):
    await watch(stage, [stage.backend()])
    await stage.results(replace(OK, mode=AgentMode.DRAIN))
    assert stage.standing().drained == "drain"
    assert not stage.standing().serves(Family.IPV4)
    assert stage.standing().withheld
    await stage.results(OK)
    assert stage.standing().drained == "drain", "a result without a word changes nothing"
    await stage.results(replace(OK, mode=AgentMode.MAINT))
    assert stage.standing().drained == "maint"
    await stage.results(replace(OK, mode=AgentMode.READY))
    assert stage.standing().serves(Family.IPV4)


@scene
async def test_an_agents_weight_counts(stage):
    await watch(stage, [stage.backend()])
    await stage.results(replace(OK, weight=0.25))
    assert stage.standing().weight == 0.25
    await stage.results(OK)
    assert stage.standing().weight == 0.25


@scene
async def test_flapping_is_held_down(stage):
    await watch(stage, [stage.backend(rise=1, fall=1, interval=10.0)])
    await stage.results(REFUSED, OK)
    assert not stage.standing().down
    await stage.results(REFUSED, OK)
    assert stage.standing().down, "its second fall within the calm time"
    stage.time.advance(10)
    await stage.results(OK)
    assert not stage.standing().down


@scene
async def test_pushed_loads_age(stage):
    plain = replace(stage.backend(), check=None)
    await watch(stage, [plain])
    stage.monitor.push_load(plain.id, 0.7, 30)
    assert stage.standing().load == 0.7
    stage.time.advance(29)
    assert stage.standing().load == 0.7
    stage.time.advance(2)
    assert stage.standing() == ALWAYS_UP
    assert stage.changes == [{"a"}, {"a"}]
    with pytest.raises(KeyError):
        stage.monitor.push_load(BackendId("example.com.", "p", "x"), 0.1, 1)


@scene
async def test_reports_are_damped(stage):
    stage.there.results[V4] = replace(OK, load=0.5)
    await watch(stage, [stage.backend(interval=10.0)])
    stage.time.advance(10)
    await stage.results(replace(OK, load=0.9))
    assert 0.5 < stage.standing().load < 0.6
    plain = replace(stage.backend("b"), check=None)
    await watch(stage, [plain])
    stage.monitor.push_load(plain.id, 0.5, 60)
    stage.time.advance(10)
    stage.monitor.push_load(plain.id, 0.9, 60)
    assert 0.5 < stage.standing("b").load < 0.6


@scene
async def test_heartbeats_and_silence(stage):
    pushed = replace(stage.backend(), check=PushCheck(deadline=30.0))
    await watch(stage, [pushed])
    assert stage.standing().down, "nothing was heard yet"
    assert await stage.monitor.first_round(0), "which nobody waits for"
    stage.monitor.heartbeat(pushed.id, Result(Outcome.OK, load=0.4))
    assert not stage.standing().down
    assert stage.standing().load == 0.4
    stage.time.advance(29)
    stage.monitor.heartbeat(pushed.id, Result(Outcome.OK))
    stage.time.advance(29)
    assert not stage.standing().down
    stage.time.advance(1)
    assert stage.standing().down
    assert "silent: no heartbeat within 30s; heartbeat of p/a" in stage.standing().reason
    stage.monitor.heartbeat(pushed.id, Result(Outcome.STATUS, "it says down"))
    assert stage.standing().down
    stage.monitor.heartbeat(pushed.id, Result(Outcome.OK))
    assert not stage.standing().down


@scene
async def test_only_push_checks_take_heartbeats(stage):
    await watch(stage, [stage.backend()])
    with pytest.raises(ValueError, match="push"):
        stage.monitor.heartbeat(stage.backend().id, OK)


def grouped(stage, need, *addresses):
    checks = tuple(
        ScriptedCheck(backends=stage.there, address=address, fall=1, rise=1)
        for address in addresses
    )
    made = Group(checks, need)
    return Backend(BackendId("example.com.", "p", "a"), (ip_address(V4),), None, made)


@pytest.mark.parametrize(
    ("need", "failing", "is_down"),
    [(3, 1, True), (3, 0, False), (1, 2, False), (1, 3, True), (2, 1, False), (2, 2, True)],
    ids=["all-but-one", "all", "any-left", "none-left", "quorum", "no-quorum"],
)
def test_groups_combine_verdicts(need, failing, is_down):
    addresses = ["192.0.2.11", "192.0.2.12", "192.0.2.13"]

    @scene
    async def played(stage):
        await watch(stage, [grouped(stage, need, *addresses)])
        for address in addresses[:failing]:
            stage.there.results[address] = REFUSED
        await pass_by(stage)
        assert bool(stage.standing().down) is is_down

    played()


@scene
async def test_a_groups_checks_share_their_probes_with_others(stage):
    alone = Backend(
        BackendId("example.com.", "p", "b"),
        (ip_address(V6),),
        None,
        ScriptedCheck(backends=stage.there, address="192.0.2.11", fall=1, rise=1),
    )
    await watch(stage, [grouped(stage, 1, "192.0.2.11", "192.0.2.12"), alone])
    before = stage.there.asked.count("192.0.2.11")
    await pass_by(stage)
    assert stage.there.asked.count("192.0.2.11") == before + 1


@scene
async def test_transitions_are_remembered(stage):
    await watch(stage, [stage.backend(rise=1, fall=1, hold_down=None)])
    await stage.results(REFUSED, OK)
    transitions = stage.monitor.transitions(stage.backend().id)
    assert [bool(one.down) for one in transitions] == [False, True, False]
    assert "it refuses" in transitions[1].reason
    assert stage.standing().since == transitions[-1].at
