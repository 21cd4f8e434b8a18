from __future__ import annotations

import asyncio

import pytest
from health_script import OK, Backends, ScriptedCheck, Time, longest, settle, shortest

from dnslb.health import probe as module
from dnslb.health.checks.base import Outcome, Result
from dnslb.health.gate import Gate
from dnslb.health.probe import probe_once
from dnslb.health.scheduler import ProbeKey, Scheduler


def run(scenario, *, uniform=longest, **options):
    """Run a scenario with a scheduler, its backends, its time and the results it hands on."""

    async def play():
        there, time, results = Backends(), Time(), []
        scheduler = Scheduler(
            lambda key, result: results.append((key.address, result)),
            sleep=time.sleep,
            clock=time.clock,
            uniform=uniform,
            **options,
        )
        try:
            await scenario(scheduler, there, time, results)
        finally:
            await scheduler.close()
        assert there.busy == 0
        assert asyncio.all_tasks() == {asyncio.current_task()}

    asyncio.run(play())


def key(there, address="192.0.2.1", **options):
    return ProbeKey(ScriptedCheck(backends=there, **options), address)


def test_the_first_round_is_at_once():
    async def scenario(scheduler, there, time, results):
        scheduler.schedule(key(there, f"192.0.2.{index}") for index in range(20))
        await settle()
        assert len(results) == 20
        assert len(time.pauses) == 20

    run(scenario)


def test_equal_keys_share_a_probe():
    async def scenario(scheduler, there, _, results):
        scheduler.schedule([key(there), key(there), key(there, interval=5.0)])
        await settle()
        assert len(results) == 2

    run(scenario)


@pytest.mark.parametrize(
    ("uniform", "expected"),
    [(longest, [10.0, 10.0, 10.0]), (shortest, [1.0, 9.0, 9.0])],
    ids=["latest", "earliest"],
)
def test_pauses_spread_once_and_are_never_longer_than_the_interval(uniform, expected):
    async def scenario(scheduler, there, time, _):
        scheduler.schedule([key(there, interval=10.0)])
        await settle()
        await time.pass_by()
        await time.pass_by()
        assert time.pauses == expected

    run(scenario, uniform=uniform)


@pytest.mark.parametrize(
    ("lasts", "pause"), [(2.5, 7.5), (10.0, 0.0), (25.0, 0.0)], ids=["short", "even", "long"]
)
def test_what_a_probe_lasts_is_no_part_of_the_pause(lasts, pause):
    async def scenario(scheduler, there, time, _):
        there.meanwhile = lambda: time.advance(lasts)
        scheduler.schedule([key(there, interval=10.0)])
        await settle()
        assert time.pauses == [pause]

    run(scenario)


def test_neither_is_waiting_for_room():
    async def scenario(scheduler, there, time, _):
        there.meanwhile = lambda: time.advance(2.0)
        scheduler.schedule(key(there, f"192.0.2.{index}", interval=10.0) for index in range(3))
        await settle()
        # the first has no time at which it should have begun
        assert time.pauses == [8.0, 8.0, 8.0]
        assert scheduler.lateness.count == 0
        time.advance(4.0)
        await time.pass_by()
        # due at 10, 12 and 14, where the clock stood at 10: ends at 12, 14 and 16
        assert time.pauses[3:] == [8.0, 8.0, 8.0]
        assert scheduler.lateness.count == 3
        assert scheduler.lateness.most == 0.0

    run(scenario, concurrent=1)


def test_lateness_is_what_a_probe_begins_after_its_time():
    async def scenario(scheduler, there, time, _):
        scheduler.schedule(key(there, f"192.0.2.{index}", interval=10.0) for index in range(3))
        await settle()
        time.advance(10.5)
        there.meanwhile = lambda: time.advance(2.0)
        await time.pass_by()
        lateness = scheduler.lateness
        assert lateness.count == 3
        assert lateness.most == pytest.approx(4.5)
        assert lateness.total == pytest.approx(0.5 + 2.5 + 4.5)
        # the next ones are due at 20: half a second late does not put them off
        assert time.pauses[3:] == pytest.approx([7.5, 5.5, 3.5])

    run(scenario, concurrent=1)


def test_what_is_missed_is_not_made_up_for():
    async def scenario(scheduler, there, time, _):
        scheduler.schedule([key(there, interval=10.0)])
        await settle()
        time.advance(45.0)
        await time.pass_by()
        await time.pass_by()
        assert len(there.asked) == 3
        assert time.pauses == [10.0, 0.0, 10.0]

    run(scenario)


LOST = Result(Outcome.RESET, "it resets")
SLOW = Result(Outcome.SLOW, "it drips")
ODD = Result(Outcome.OK, note="it is odd")


@pytest.mark.parametrize(
    ("results", "retries", "outcome", "attempts", "note"),
    [
        ([OK], 2, Outcome.OK, 1, ""),
        ([LOST], 0, Outcome.RESET, 1, ""),
        ([LOST, OK], 2, Outcome.OK, 2, "only at attempt 2, after reset: it resets"),
        ([LOST, ODD], 1, Outcome.OK, 2, "only at attempt 2, after reset: it resets; it is odd"),
        ([LOST, LOST, OK], 2, Outcome.OK, 3, "only at attempt 3, after reset: it resets"),
        ([LOST, LOST, LOST], 2, Outcome.RESET, 3, ""),
        ([SLOW], 2, Outcome.SLOW, 1, ""),
        ([LOST, SLOW], 2, Outcome.SLOW, 2, ""),
    ],
    ids=["pass", "none", "second", "odd", "third", "all", "other", "then-other"],
)
def test_retries(results, retries, outcome, attempts, note):
    async def scenario(scheduler, there, _, given):
        left = list(results)
        there.meanwhile = lambda: there.results.update({"192.0.2.1": left.pop(0)})
        scheduler.schedule([key(there, retries=retries)])
        await settle()
        ((_, result),) = given
        assert (result.outcome, result.attempts, result.note) == (outcome, attempts, note)
        assert left == []

    run(scenario)


def test_what_a_probe_keeps_is_there_for_the_next_and_closed_at_the_end():
    class Connection:
        closed = False

        def close(self):
            self.closed = True

    async def scenario(scheduler, there, time, _):
        there.keeps = Connection()
        one, other = key(there, reuse=True), key(there, "192.0.2.2")
        scheduler.schedule([one, other])
        await settle()
        await time.pass_by()
        assert there.found == {"192.0.2.1": [None, there.keeps], "192.0.2.2": [None, None]}
        assert not there.keeps.closed
        scheduler.schedule([other])
        await settle()
        assert there.keeps.closed

    run(scenario)


def test_one_probe_beside_the_schedule():
    async def play():
        there = Backends(results={"192.0.2.1": LOST})
        result = await probe_once(key(there, retries=1))
        assert (result.outcome, result.attempts) == (Outcome.RESET, 2)
        there.stuck.add("192.0.2.1")
        waiting = asyncio.create_task(probe_once(key(there)))
        await settle()
        assert there.busy == 1
        waiting.cancel()
        await asyncio.gather(waiting, return_exceptions=True)
        assert there.busy == 0
        assert waiting.cancelled()

    asyncio.run(play())


def test_a_turn_of_the_loop_starts_a_few():
    async def play():
        gate, inside = Gate(room=100, starts=3), []

        async def one(number):
            async with gate:
                inside.append(number)
                await asyncio.Event().wait()

        tasks = [asyncio.create_task(one(number)) for number in range(10)]
        seen = []
        while len(inside) < 10:
            await asyncio.sleep(0)
            seen.append(len(inside))
        assert inside == list(range(10))
        assert max(after - before for before, after in zip([0, *seen], seen, strict=False)) == 3
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    asyncio.run(play())


def test_who_is_cancelled_while_let_in_gives_the_place_back():
    async def play():
        gate, inside = Gate(room=1), []

        async def one(number, until):
            async with gate:
                inside.append(number)
                await until.wait()

        first, rest = asyncio.Event(), asyncio.Event()
        tasks = [
            asyncio.create_task(one(number, first if not number else rest)) for number in (0, 1, 2)
        ]
        await settle()
        assert inside == [0]
        first.set()
        await asyncio.sleep(0)  # the first leaves, which lets the second in
        tasks[1].cancel()
        await settle()
        assert inside == [0, 2]
        rest.set()
        await asyncio.gather(*tasks, return_exceptions=True)

    asyncio.run(play())


def test_a_probe_that_outlasts_its_timeout_is_given_up(monkeypatch):
    monkeypatch.setattr(module, "GRACE", 0.01)

    async def play():
        there, given = Backends(stuck={"192.0.2.1"}), asyncio.get_running_loop().create_future()
        scheduler = Scheduler(lambda _, result: given.set_result(result), sleep=Time().sleep)
        scheduler.schedule([key(there, timeout=0.0)])
        result = await asyncio.wait_for(given, 30)
        await scheduler.close()
        assert there.busy == 0
        return result

    assert asyncio.run(play()).outcome is Outcome.ERROR


def test_what_is_wanted_still_is_not_disturbed():
    async def scenario(scheduler, there, time, results):
        keeps, goes, comes = (key(there, f"192.0.2.{index}") for index in (1, 2, 3))
        scheduler.schedule([keeps, goes])
        await settle()
        scheduler.schedule([keeps, comes])
        await settle()
        assert [address for address, _ in results] == ["192.0.2.1", "192.0.2.2", "192.0.2.3"]
        await time.pass_by()
        assert [address for address, _ in results[3:]] == ["192.0.2.1", "192.0.2.3"]

    run(scenario)


def test_a_probe_that_fails_is_told_and_ends_nothing(caplog):
    async def scenario(scheduler, there, time, results):
        there.results["192.0.2.1"] = RuntimeError("a fault of the check")
        scheduler.schedule([key(there, "192.0.2.1"), key(there, "192.0.2.2")])
        await settle()
        there.results["192.0.2.1"] = OK
        await time.pass_by()
        by_address = {
            address: [result.outcome for at, result in results if at == address]
            for address in ("192.0.2.1", "192.0.2.2")
        }
        assert by_address == {
            "192.0.2.1": [Outcome.ERROR, Outcome.OK],
            "192.0.2.2": [Outcome.OK, Outcome.OK],
        }

    run(scenario)
    assert "192.0.2.1 failed" in caplog.text
    assert "a fault of the check" in caplog.text


def test_a_result_that_cannot_be_handled_is_told_and_ends_nothing(caplog):
    async def play():
        there, time = Backends(), Time()

        def fail(*_):
            raise RuntimeError("a fault of the receiver")

        scheduler = Scheduler(fail, sleep=time.sleep, clock=time.clock)
        scheduler.schedule([key(there)])
        await settle()
        await time.pass_by()
        assert len(there.asked) == 2
        await scheduler.close()

    asyncio.run(play())
    assert [record.exc_info is not None for record in caplog.records] == [True, True]


def test_no_more_probes_at_once_than_there_is_room_for():
    async def scenario(scheduler, there, _, results):
        scheduler.schedule(key(there, f"192.0.2.{index}") for index in range(10))
        await settle()
        assert there.busiest == 3
        assert len(results) == 10

    run(scenario, concurrent=3)


def test_a_probe_that_is_ended_makes_room():
    async def scenario(scheduler, there, _, results):
        there.stuck.add("192.0.2.1")
        stuck, waits = key(there, "192.0.2.1"), key(there, "192.0.2.2")
        scheduler.schedule([stuck, waits])
        await settle()
        assert results == []
        scheduler.schedule([waits])
        await settle()
        assert [address for address, _ in results] == ["192.0.2.2"]

    run(scenario, concurrent=1)
