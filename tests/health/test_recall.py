"""What a monitor knows again after a restart."""

from __future__ import annotations

import time
from dataclasses import replace

import pytest
from health_script import OK, REFUSED
from health_stage import V4, Stage, play, pool, scene, watch

from dnslb.config.model import BackendId, Family, MaxDown
from dnslb.health.checks.base import HoldDown
from dnslb.health.standing import OperatorState
from dnslb.health.store import Saved, SavedBackend


def later(saved, seconds):
    """`saved` as a clock that goes ahead by so much would have told it."""

    def told(pair):
        return pair and (pair[0], pair[1] + seconds)

    def at(one):
        return one and one + seconds

    return replace(
        saved,
        at=saved.at + seconds,
        probes={
            key: replace(one, since=at(one.since), load=told(one.load))
            for key, one in saved.probes.items()
        },
        backends={
            name: replace(one, returned=at(one.returned), pushed=told(one.pushed))
            for name, one in saved.backends.items()
        },
    )


class Again:
    """A monitor, and another that goes on from what it saved, before any result."""

    def __init__(self, stage):
        self.stage = stage

    async def __aenter__(self):
        self.second = Stage()
        # equal checks are equal probes: both stages ask the same backends
        self.second.there = self.stage.there
        self.stage.there.stuck.add(V4)
        self.second.monitor.restore(self.stage.monitor.saved())
        return self.second

    async def __aexit__(self, *_):
        await self.second.monitor.close()


@scene
async def test_verdicts_and_their_age_survive(stage):
    backend = stage.backend(fall=1)
    await watch(stage, [backend])
    await stage.results(REFUSED)
    before = stage.standing()
    async with Again(stage) as second:
        second.monitor.configure([backend])
        assert await second.monitor.first_round(0), "nobody waits for what is known"
        assert second.standing().down == {Family.IPV4}
        assert second.standing().since == before.since
        assert "it refuses" in second.standing().reason


@scene
async def test_after_a_restart_rise_and_fall_go_on(stage):
    backend = stage.backend(fall=3)
    await watch(stage, [backend])
    async with Again(stage) as second:
        stage.there.stuck.clear()
        stage.there.results[V4] = REFUSED
        second.monitor.configure([backend])
        await second.time.pass_by()
        assert not second.standing().down, "one failure is not three"
        await second.time.pass_by()
        await second.time.pass_by()
        assert second.standing().down


@pytest.mark.parametrize(("ended", "falls"), [(True, True), (False, False)], ids=["end", "kill"])
def test_failures_before_an_end_count_and_those_before_a_kill_do_not(ended, falls):
    async def scenario(stage):
        backend = stage.backend(fall=3)
        await watch(stage, [backend])
        await stage.results(REFUSED, REFUSED)
        async with Again(stage) as second:
            second.monitor.restore(replace(stage.monitor.saved(), ended=ended))
            stage.there.stuck.clear()
            second.monitor.configure([backend])
            await second.time.pass_by()
            assert bool(second.standing().down) is falls

    play(scenario)


@scene
async def test_a_clock_that_was_set_back_makes_nothing_last_longer(stage):
    backend = stage.backend(rise=1, fall=1)
    told = replace(stage.backend("b", "192.0.2.2"), check=None)
    pools = [pool(slow_start=100.0)]
    await watch(stage, [backend, told], pools)
    await stage.results(REFUSED, OK)
    assert stage.standing().weight == 0.1
    stage.monitor.push_load(told.id, 0.9, 60.0)
    saved = later(stage.monitor.saved(), 86_400.0)  # as if it were a day earlier now
    async with Again(stage) as second:
        second.monitor.restore(saved)
        second.monitor.configure([backend, told], pools)
        assert (second.standing().weight, second.standing("b").load) == (0.1, 0.9)
        second.time.advance(61)
        assert second.standing("b").load is None
        assert second.standing().weight == 0.7


@pytest.mark.parametrize("back", [0.0, 86_400.0], ids=["on", "back"])
def test_after_falls_it_is_held_down_for_as_long_as_before(back):
    async def scenario(stage):
        backend = stage.backend(rise=1, fall=1, hold_down=HoldDown(40.0, 600.0, 3600.0))
        await watch(stage, [backend])
        await stage.results(REFUSED, OK, REFUSED)
        (history,) = stage.monitor.histories(backend.id).values()
        left = history.held_until - stage.monitor.now()
        assert left > 0
        async with Again(stage) as second:
            second.monitor.restore(later(stage.monitor.saved(), back))
            second.monitor.configure([backend])
            (history,) = second.monitor.histories(backend.id).values()
            if not back:
                assert history.held_until - second.monitor.now() == pytest.approx(left, abs=0.5)
            else:
                assert history.verdict is None, "nobody knows how old it is"
                assert second.standing().down == {Family.IPV4}

    play(scenario)


@scene
async def test_an_old_state_is_kept_until_the_first_result_decides(stage):
    backend = stage.backend(fall=3)
    await watch(stage, [backend])
    async with Again(stage) as second:
        saved = stage.monitor.saved()
        second.monitor.restore(replace(saved, at=saved.at - 3600))
        second.monitor.configure([backend])
        assert not second.standing().down
        stage.there.stuck.clear()
        stage.there.results[V4] = REFUSED
        await second.monitor.close()
        second.monitor.configure([backend])
        await second.time.pass_by()
        assert second.standing().down


@scene
async def test_what_the_operator_set_survives_until_its_time(stage):
    backend = stage.backend()
    await watch(stage, [backend])
    stage.monitor.set_state(backend.id, OperatorState.DRAIN, "maintenance", time.time() + 60)
    async with Again(stage) as second:
        second.monitor.configure([backend])
        assert second.standing().state is OperatorState.DRAIN
        assert second.monitor.wish(backend.id).reason == "maintenance"
        second.time.advance(61)
    stage.monitor.set_state(backend.id, OperatorState.DRAIN, "over", time.time() - 1)
    async with Again(stage) as second:
        second.monitor.configure([backend])
        assert second.standing().state is OperatorState.AUTO


@scene
async def test_load_latency_and_slow_start_survive(stage):
    backend = stage.backend(rise=1, fall=1)
    await watch(stage, [backend], [pool(slow_start=100.0)])
    await stage.results(REFUSED, replace(OK, load=0.4))
    before = stage.standing()
    assert before.weight == 0.1
    async with Again(stage) as second:
        second.monitor.configure([backend], [pool(slow_start=100.0)])
        after = second.standing()
        assert (after.load, after.latency, after.weight) == (0.4, before.latency, 0.1)


@scene
async def test_an_agents_weight_is_kept_until_the_first_result_however_old(stage):
    backend = stage.backend()
    await watch(stage, [backend])
    await stage.results(replace(OK, weight=0.5))
    assert stage.standing().weight == 0.5
    async with Again(stage) as second:
        saved = stage.monitor.saved()
        second.monitor.restore(replace(saved, at=saved.at - 3600))
        second.monitor.configure([backend])
        assert second.standing().weight == 0.5


@scene
async def test_one_slow_answer_moves_no_latency_after_a_restart_either(stage):
    backend = stage.backend()
    await watch(stage, [backend])
    before = stage.standing().latency
    async with Again(stage) as second:
        stage.there.stuck.clear()
        stage.there.results[V4] = replace(OK, milliseconds=before + 900)
        second.monitor.configure([backend])
        await second.time.pass_by()
        assert second.standing().latency == before


@scene
async def test_a_backend_that_was_gone_before_the_start_is_forgotten_after_a_day(stage):
    name = BackendId("example.com.", "p", "gone")
    stage.monitor.restore(
        Saved(time.time(), {}, {name: SavedBackend(state=OperatorState.DRAIN, gone=1.0)})
    )
    stage.monitor.configure([stage.backend()])
    stage.monitor.configure([stage.backend()])
    assert stage.monitor.wish(name).state is OperatorState.AUTO


@scene
async def test_a_load_that_was_told_survives(stage):
    told, silent = replace(stage.backend(), check=None), stage.backend("b", "192.0.2.2")
    await watch(stage, [told, silent])
    stage.monitor.push_load(told.id, 0.5, 60.0)
    stage.monitor.push_load(silent.id, 0.7, 60.0)
    async with Again(stage) as second:
        second.monitor.configure([told, silent])
        assert (second.standing().load, second.standing("b").load) == (0.5, 0.7)
        second.time.advance(61)
        assert second.standing().load is None


@scene
async def test_a_frozen_pool_stays_frozen(stage):
    backends = [stage.backend("a", V4, fall=1), stage.backend("b", "192.0.2.2", fall=1)]
    pools = [pool(max_down=MaxDown(1))]
    await watch(stage, backends, pools)
    stage.there.results["192.0.2.2"] = REFUSED
    await stage.results(REFUSED)
    (held,) = stage.monitor.frozen()["example.com.", "p"]
    async with Again(stage) as second:
        stage.there.stuck.add("192.0.2.2")
        second.monitor.configure(backends, pools)
        assert second.monitor.frozen() == stage.monitor.frozen()
        assert (second.standing(held.name).held, second.standing(held.name).down) == (True, set())
        assert second.monitor.thaw("example.com.", "p") == {held}
        assert second.standing(held.name).down == {Family.IPV4}


@scene
async def test_what_the_operator_set_outlives_a_reload_without_the_backend(stage):
    backend, other = stage.backend(), stage.backend("b", "192.0.2.2")
    await watch(stage, [backend, other])
    stage.monitor.set_state(backend.id, OperatorState.DRAIN, "maintenance")
    stage.monitor.configure([other])
    stage.monitor.configure([backend, other])
    assert stage.monitor.wish(backend.id) == (OperatorState.DRAIN, "maintenance", None)
    assert stage.standing().state is OperatorState.DRAIN
    stage.monitor.set_state(backend.id, OperatorState.AUTO)
    stage.monitor.configure([other])
    stage.monitor.configure([backend, other])
    assert stage.standing().state is OperatorState.AUTO


@scene
async def test_a_check_that_changed_meanwhile_keeps_the_verdict_until_it_has_a_result(stage):
    backend = stage.backend(fall=1)
    await watch(stage, [backend])
    await stage.results(REFUSED)
    async with Again(stage) as second:
        second.monitor.configure([stage.backend(fall=1, interval=5.0)])
        assert second.standing().down


def test_nothing_is_saved_of_what_is_not_known():
    async def scenario(stage):
        stage.there.stuck.add(V4)
        stage.monitor.configure([stage.backend()])
        assert stage.monitor.saved().probes == {}

    play(scenario)
