from __future__ import annotations

import asyncio

from dnslb.health.limit import Limit


def test_limits_run_out_in_turn_and_those_that_ended_do_not():
    async def scenario():
        done, out = asyncio.Event(), []
        limits = [Limit(0.01, lambda at=at: out.append(at)) for at in range(4)]
        limits[0].end()
        limits[2].end()
        limits.append(Limit(0.02, done.set))
        await done.wait()
        assert out == [1, 3]
        assert [limit.over for limit in limits] == [False, True, False, True, True]

    asyncio.run(scenario())


def test_one_that_comes_while_another_runs_out_has_its_own_time():
    async def scenario():
        done, order = asyncio.Event(), []

        def again():
            order.append("first")
            Limit(0.01, lambda: (order.append("second"), done.set()))

        Limit(0.01, again)
        await done.wait()
        assert order == ["first", "second"]

    asyncio.run(scenario())


def test_one_that_comes_while_another_runs_out_does_not_put_off_those_before_it():
    async def scenario():
        loop, done, timers = asyncio.get_running_loop(), asyncio.Event(), []
        call_at = loop.call_at

        def recorded(at, *arguments, **options):
            timers.append(at)
            return call_at(at, *arguments, **options)

        loop.call_at = recorded
        Limit(0.05, lambda: Limit(0.05, done.set))
        await asyncio.sleep(0.02)
        second = Limit(0.05, lambda: None)
        timers.clear()
        await done.wait()
        assert timers[0] == second.at

    asyncio.run(scenario())


def test_a_limit_that_fails_holds_up_no_other():
    async def scenario():
        told, done = [], asyncio.Event()
        asyncio.get_running_loop().set_exception_handler(lambda _, about: told.append(about))

        def fail():
            raise ValueError

        Limit(0.01, fail)
        Limit(0.01, done.set)
        await done.wait()
        assert len(told) == 1

    asyncio.run(scenario())
