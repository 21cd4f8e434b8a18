from __future__ import annotations

import asyncio

import pytest

from dnslb.waiting import happens

LONG = 60.0


def test_an_event_that_is_set_or_will_be():
    async def scenario():
        event = asyncio.Event()
        waiting = asyncio.create_task(happens(event, LONG))
        await asyncio.sleep(0)
        event.set()
        assert await waiting
        assert await happens(event, 0)

    asyncio.run(scenario())


def test_an_event_that_does_not_come():
    async def scenario():
        assert not await happens(asyncio.Event(), 0.01)
        await asyncio.sleep(0)
        assert asyncio.all_tasks() == {asyncio.current_task()}

    asyncio.run(scenario())


def test_a_cancellation_that_comes_with_the_event_counts():
    async def scenario():
        event = asyncio.Event()
        waiting = asyncio.create_task(happens(event, LONG))
        await asyncio.sleep(0)
        event.set()
        await asyncio.sleep(0)  # the event has woken its waiter, and not yet who waits for it
        waiting.cancel()
        with pytest.raises(asyncio.CancelledError):
            await waiting

    asyncio.run(scenario())
