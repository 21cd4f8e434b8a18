from __future__ import annotations

import asyncio

import pytest

from dnslb.health.wheel import Wheel


def test_nobody_goes_on_before_its_time():
    async def scenario():
        wheel, loop = Wheel(tick=0.005), asyncio.get_running_loop()
        pauses = [0.0, 0.001, 0.004, 0.0051, 0.012, 0.03]

        async def sleeper(seconds):
            began = loop.time()
            await wheel.sleep(seconds)
            return loop.time() - began

        slept = await asyncio.gather(*map(sleeper, pauses))
        # a loop may fire what is due within its clock's resolution
        assert all(took > wanted - 0.0011 for took, wanted in zip(slept, pauses, strict=True))

    asyncio.run(scenario())


def test_who_sleeps_until_one_tick_goes_on_in_one_turn():
    async def scenario():
        wheel, loop = Wheel(tick=0.2), asyncio.get_running_loop()
        woken = []

        async def sleeper(at):
            # the same tick for all, however long starting them takes
            await wheel.sleep(at - loop.time())
            woken.append(turn)

        turn = 0
        tick = (int(loop.time() / 0.2) + 2) * 0.2
        sleepers = [asyncio.create_task(sleeper(tick + part * 0.01)) for part in range(1, 15)]
        while not woken:
            turn += 1
            await asyncio.sleep(0.001)
        await asyncio.gather(*sleepers)
        assert len(set(woken)) == 1
        assert len(woken) == 14

    asyncio.run(scenario())


def test_one_that_is_cancelled_holds_up_nobody():
    async def scenario():
        wheel = Wheel(tick=0.01)
        gone, stays = (asyncio.create_task(wheel.sleep(0.001)) for _ in range(2))
        await asyncio.sleep(0)
        gone.cancel()
        await stays
        with pytest.raises(asyncio.CancelledError):
            await gone

    asyncio.run(scenario())


def test_who_sleeps_long_meets_others():
    async def scenario():
        wheel, loop = Wheel(), asyncio.get_running_loop()
        pauses = [9.0 + part / 1000 for part in range(1000)]
        sleepers = [asyncio.create_task(wheel.sleep(pause)) for pause in pauses]
        began = loop.time()
        await asyncio.sleep(0)
        waking = {at * 0.01: len(met) for at, met in wheel._sleepers.items()}
        started = loop.time() - began
        assert sum(waking.values()) == len(pauses)
        assert max(waking.values()) < 20  # a tick has ten of them anyway
        assert min(waking) - began > 9.0 * 0.98 - 0.02
        assert max(waking) - began < 10.0 + 0.02 + started
        for sleeper in sleepers:
            sleeper.cancel()
        await asyncio.gather(*sleepers, return_exceptions=True)

    asyncio.run(scenario())


def test_few_that_sleep_long_share_wakes():
    async def scenario():
        wheel, loop = Wheel(), asyncio.get_running_loop()
        began = loop.time()
        sleepers = [asyncio.create_task(wheel.sleep(9.0 + part / 100)) for part in range(100)]
        await asyncio.sleep(0)
        # a hundred in a second, eight at a time, and those begun later wake later
        assert len(wheel._sleepers) <= 14 + (loop.time() - began) * 100 / 8
        for sleeper in sleepers:
            sleeper.cancel()
        await asyncio.gather(*sleepers, return_exceptions=True)

    asyncio.run(scenario())
