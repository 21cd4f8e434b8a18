"""Verdicts: what results, reloads and the operator make of them."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from ipaddress import ip_address

import pytest
from health_script import ERROR, OK, REFUSED, settle
from health_stage import V4, V6, play, pool, scene

from dnslb.config.model import BackendId, Family, MaxDown
from dnslb.health.checks.base import Outcome, Result
from dnslb.health.standing import ALWAYS_UP, OperatorState

BOTH = frozenset(Family)


@scene
async def test_the_first_result_decides(stage):
    stage.there.results["192.0.2.2"] = REFUSED
    up, dead = stage.backend("up", V4), stage.backend("dead", "192.0.2.2")
    stage.monitor.configure([up, dead])
    assert stage.standing("up").down == {Family.IPV4}
    assert stage.standing("up").reason == "no result yet; 192.0.2.1"
    assert await stage.monitor.first_round(30)
    assert stage.standing("up").down == set()
    assert stage.standing("up").reason == ""
    assert stage.standing("dead").down == {Family.IPV4}
    assert "it refuses" in stage.standing("dead").reason


@scene
async def test_without_a_check_a_backend_is_up(stage):
    await stage.configure(replace(stage.backend(), check=None))
    assert stage.standing().down == set()
    assert await stage.monitor.first_round(0)
    assert stage.there.asked == []


@scene
async def test_the_first_round_ends_with_its_grace(stage):
    stage.there.stuck.add("192.0.2.2")
    stage.monitor.configure([stage.backend("up"), stage.backend("late", "192.0.2.2")])
    await settle()
    assert not await stage.monitor.first_round(0)
    assert not stage.standing("up").down
    assert stage.standing("late").down == {Family.IPV4}
    assert stage.standing("late").reason


@scene
async def test_verdicts_follow_rise_and_fall(stage):
    await stage.configure(stage.backend(rise=2, fall=3))
    await stage.results(REFUSED, REFUSED)
    assert stage.changes == []
    assert not stage.standing().down
    await stage.results(REFUSED)
    assert stage.changes == [{"a"}]
    assert stage.standing().down == {Family.IPV4}
    await stage.results(OK)
    assert stage.standing().down == {Family.IPV4}
    await stage.results(OK)
    assert stage.changes == [{"a"}, {"a"}]
    assert not stage.standing().down


@scene
async def test_families_are_judged_apart(stage):
    await stage.configure(stage.backend("a", V4, V6, fall=1))
    await stage.results(REFUSED, at=V6)
    assert stage.standing().down == {Family.IPV6}
    await stage.results(REFUSED, at=V4)
    assert stage.standing().down == BOTH


@scene
async def test_one_dead_address_takes_its_family_down(stage):
    await stage.configure(stage.backend("a", V4, "192.0.2.2", V6, fall=1))
    await stage.results(REFUSED, at="192.0.2.2")
    assert stage.standing().down == {Family.IPV4}


@scene
async def test_a_target_has_one_probe_for_both_families(stage):
    await stage.configure(stage.backend(target="cdn.example.net.", fall=1))
    (asked,) = stage.there.asked
    await stage.results(REFUSED, at=asked)
    assert stage.standing().down == BOTH


@scene
async def test_a_checks_own_address_replaces_all(stage):
    await stage.configure(stage.backend("a", V4, V6, address="198.51.100.1", fall=1))
    assert stage.there.asked == ["198.51.100.1"]
    await stage.results(REFUSED, at="198.51.100.1")
    assert stage.standing().down == BOTH


@scene
async def test_backends_with_the_same_check_share_a_probe(stage):
    await stage.configure(stage.backend("a", fall=1), stage.backend("b", fall=1))
    assert stage.there.asked == [V4]
    await stage.results(REFUSED)
    assert stage.changes == [{"a", "b"}]


@scene
async def test_a_reload_keeps_what_did_not_change(stage):
    await stage.configure(stage.backend("a", fall=2), stage.backend("gone", "192.0.2.2"))
    await stage.results(REFUSED)
    asked = len(stage.there.asked)
    await stage.configure(stage.backend("a", fall=2), stage.backend("new", "192.0.2.3"))
    assert stage.there.asked[asked:] == ["192.0.2.3"]
    await stage.results(REFUSED)
    assert stage.standing().down == {Family.IPV4}, "the first failure still counts"
    assert len(stage.monitor.standings()) == 2


@scene
async def test_a_reload_of_the_same_leaves_a_backend_as_it_stands(stage):
    same, other = stage.backend("a", V4), stage.backend("b", "192.0.2.2")
    await stage.configure(same, other)
    before = stage.standing("a"), stage.standing("b")
    again = replace(same, host="elsewhere.example."), replace(other)
    assert again[1] == other
    await stage.configure(*again)
    assert stage.standing("b") is before[1]
    assert stage.standing("a") == before[0]
    watched = {
        item.backend.id.name: item.backend for item in stage.monitor._roster.watched.values()
    }
    assert watched == {"a": again[0], "b": again[1]}
    assert watched["b"] is again[1]  # so nothing of the old configuration stays
    await stage.results(REFUSED, REFUSED, REFUSED, at="192.0.2.2")
    assert stage.standing("b").down == {Family.IPV4}


@scene
async def test_what_happens_while_a_reload_goes_on_is_not_lost(stage):
    where = [f"192.0.2.{last}" for last in range(1, 4)]
    await stage.configure(*(stage.backend(at, at) for at in where))
    for at in where:
        stage.there.stuck.add(at)
    changed = [stage.backend(at, at, interval=99.0) for at in where[:2]]
    old = stage.monitor._roster
    work = asyncio.create_task(
        stage.monitor.reconfigure([*changed, stage.backend(where[2], where[2])])
    )
    for _ in range(3):
        await asyncio.sleep(0)  # the backends are dealt with
    assert stage.monitor._roster is old
    first, _, last = (BackendId("example.com.", "p", at) for at in where)
    stage.monitor.push_load(first, 0.5, 60)
    stage.monitor.set_state(last, OperatorState.DRAIN)
    await work
    assert stage.monitor._roster is not old
    assert stage.standing(where[0]).load == 0.5
    assert stage.standing(where[2]).state is OperatorState.DRAIN


@scene
async def test_one_that_is_held_up_while_a_reload_removes_the_guard_is_let_go(stage):
    where = [f"192.0.2.{last}" for last in range(1, 3)]
    backends = [stage.backend(at, at, fall=1) for at in where]
    guarded = pool(max_down=MaxDown(1))
    stage.monitor.configure(backends, [guarded])
    await settle()
    await stage.results(REFUSED, at=where[0])
    work = asyncio.create_task(
        stage.monitor.reconfigure(backends, [replace(guarded, max_down=None)])
    )
    for _ in range(3):
        await asyncio.sleep(0)  # the backends are dealt with
    (key,) = stage.monitor._roster.watched[backends[1].id].keys
    stage.monitor._on_result(key, REFUSED)
    assert stage.standing(where[1]).held
    await work
    assert not stage.standing(where[1]).held
    assert stage.standing(where[1]).down == {Family.IPV4}


@scene
async def test_a_changed_check_keeps_the_verdict_until_it_has_a_result(stage):
    await stage.configure(stage.backend("a"))
    stage.there.stuck.add("192.0.2.9")
    await stage.configure(stage.backend("a", address="192.0.2.9"))
    assert not stage.standing().down
    stage.there.results["192.0.2.8"] = REFUSED
    await stage.configure(stage.backend("a", address="192.0.2.8"))
    assert stage.standing().down


@scene
async def test_operator_state_stands_apart_from_the_verdict(stage):
    await stage.configure(stage.backend(fall=1))
    name = stage.backend().id
    stage.monitor.set_state(name, OperatorState.DRAIN)
    stage.monitor.set_state(name, OperatorState.DRAIN)
    assert stage.changes == [{"a"}]
    await stage.results(REFUSED)
    assert (stage.standing().state, stage.standing().down) == (OperatorState.DRAIN, {Family.IPV4})
    await stage.configure(stage.backend(fall=1))
    assert stage.standing().state is OperatorState.DRAIN


def loaded(load, milliseconds=10.0):
    return Result(Outcome.OK, milliseconds=milliseconds, load=load)


@pytest.mark.parametrize(
    ("before", "after", "changes"),
    [
        (loaded(0.5), loaded(0.51), 0),
        (loaded(0.5), loaded(0.53), 1),
        (loaded(0.995), loaded(1.005), 1),
        (loaded(None), loaded(0.5), 1),
    ],
    ids=["noise", "moved", "full", "known"],
)
def test_load_changes(before, after, changes):
    async def scenario(stage):
        stage.there.results[V4] = before
        # resolvers that keep answers for so long damp by themselves
        stage.monitor.configure([stage.backend()], ttls={stage.backend().id: 300.0})
        await settle()
        stage.changes.clear()
        await stage.results(after)
        assert len(stage.changes) == changes

    play(scenario)


@pytest.mark.parametrize(
    ("first", "then", "changes"),
    [(10.0, 10.8, 0), (10.0, 12.0, 1), (0.2, 0.6, 0)],
    ids=["noise", "moved", "small"],
)
def test_latency_changes(first, then, changes):
    async def scenario(stage):
        stage.there.results[V4] = loaded(None, first)
        await stage.configure(stage.backend())
        await stage.results(loaded(None, then))
        assert len(stage.changes) == changes

    play(scenario)


@scene
async def test_latency_is_the_median_of_eight_passes(stage):
    stage.there.results[V4] = loaded(None, 1000.0)
    await stage.configure(stage.backend())
    await stage.results(*(loaded(None, float(value)) for value in (10, 20, 30, 40, 50, 60, 70)))
    assert stage.standing().latency == 45.0
    await stage.results(loaded(None, 80.0))
    assert stage.standing().latency == 45.0


@scene
async def test_the_worst_of_several_probes_counts(stage):
    stage.there.results |= {V4: loaded(0.2, 30.0), V6: loaded(0.9, 10.0)}
    await stage.configure(stage.backend("a", V4, V6))
    assert (stage.standing().load, stage.standing().latency) == (0.9, 30.0)


@scene
async def test_a_load_that_is_reported_no_more_is_forgotten(stage):
    stage.there.results[V4] = loaded(0.7)
    await stage.configure(stage.backend(interval=10.0))
    stage.time.advance(29)
    await stage.results(OK)
    assert stage.standing().load == 0.7
    stage.time.advance(1)
    assert stage.standing().load is None
    assert stage.changes == [{"a"}]


@scene
async def test_results_are_counted_and_the_last_is_kept(stage):
    await stage.configure(stage.backend("a", V4, V6))
    await stage.results(REFUSED, at=V6)
    counted = stage.monitor.results()
    assert set(counted) == {outcome.value for outcome in Outcome}
    assert {word: count for word, count in counted.items() if count} == {"ok": 3, "refused": 1}
    last = {V4: OK, "[2001:db8::1]": REFUSED}
    assert stage.monitor.last(stage.backend().id) == last


@scene
async def test_a_probe_that_fails_from_the_start_leaves_its_backend_down(stage):
    stage.there.results[V4] = ERROR
    stage.monitor.configure([stage.backend("a")])
    assert await stage.monitor.first_round(30), "it has had its turn"
    assert stage.standing().down == {Family.IPV4}
    assert stage.standing().reason == f"error: this machine: too many open files; {V4}"
    await stage.results(OK)
    assert not stage.standing().down


@scene
async def test_errors_do_not_stand_between_failures_in_a_row(stage):
    await stage.configure(stage.backend("a", fall=2))
    await stage.results(REFUSED, ERROR, REFUSED)
    assert stage.standing().down == {Family.IPV4}


@scene
async def test_a_check_that_is_given_to_a_backend_takes_over_with_its_result(stage):
    await stage.configure(replace(stage.backend(), check=None))
    stage.there.stuck.add(V4)
    await stage.configure(stage.backend("a", V4))
    assert not stage.standing().down
    await stage.configure(replace(stage.backend(), check=None))
    assert stage.standing() is ALWAYS_UP


@scene
async def test_an_address_of_a_new_family_is_down_until_it_has_a_result(stage):
    await stage.configure(stage.backend("a", V4))
    stage.there.stuck.add(V6)
    await stage.configure(stage.backend("a", V4, V6))
    assert stage.standing().down == {Family.IPV6}


@scene
async def test_a_verdict_that_configuring_changes_is_announced(stage):
    stage.there.results["192.0.2.9"] = REFUSED
    await stage.configure(stage.backend("a"), stage.backend("b", address="192.0.2.9"))
    stage.monitor.configure(
        [stage.backend("a", address="192.0.2.9"), stage.backend("b", address="192.0.2.9")]
    )
    assert stage.changes == [{"a"}], "the probe it shares now has its verdict already"
    assert stage.standing().down == {Family.IPV4}


@scene
async def test_backends_without_a_check_cost_nothing(stage):
    many = [
        replace(stage.backend(f"b{index}"), check=None, addresses=(ip_address(index),))
        for index in range(10_000)
    ]
    stage.monitor.configure(many)
    assert await stage.monitor.first_round(0)
    standings = stage.monitor.standings()
    assert len(standings) == 10_000
    assert all(standing is ALWAYS_UP for standing in standings.values())
    assert stage.monitor.standings() is standings, "nothing is copied"
    stage.monitor.set_state(many[0].id, OperatorState.DRAIN)
    stage.monitor.configure(many)
    assert stage.standing("b0") == replace(ALWAYS_UP, state=OperatorState.DRAIN)


@scene
async def test_what_is_not_watched(stage):
    name = stage.backend().id
    assert stage.monitor.standing(name) is ALWAYS_UP
    with pytest.raises(KeyError):
        stage.monitor.set_state(name, OperatorState.DOWN)


@scene
async def test_close_ends_every_probe(stage):
    stage.there.stuck.add(V4)
    await stage.configure(stage.backend("a"))
    assert stage.there.busy == 1
    await stage.monitor.close()
    assert stage.there.busy == 0
    assert stage.standing().down, "the standings stay"
