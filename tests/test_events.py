from __future__ import annotations

import asyncio
import threading

from dnslb import events as module
from dnslb.events import Events


def played(scenario):
    asyncio.run(asyncio.wait_for(scenario(Events()), 30))


async def ids(subscription):
    events, missed = await subscription.next()
    return [event.id for event in events], missed


def test_a_subscriber_gets_what_comes_in_order():
    async def scenario(events):
        events.tell("reload", ok=True)
        with events.subscribed() as subscription:
            events.tell("verdict", backend="a")
            events.tell("service", up=False)
            got, missed = await subscription.next()
        assert [(one.id, one.kind, one.data) for one in got] == [
            (2, "verdict", {"backend": "a"}),
            (3, "service", {"up": False}),
        ]
        assert missed == 0
        events.tell("verdict")
        assert await ids_of_nothing(subscription)

    played(scenario)


async def ids_of_nothing(subscription):
    waiting = asyncio.ensure_future(subscription.next())
    await asyncio.wait((waiting,), timeout=0.02)
    nothing = not waiting.done()
    waiting.cancel()
    return nothing


def test_kinds_are_picked():
    async def scenario(events):
        with events.subscribed({"reload"}) as subscription:
            events.tell("verdict")
            events.tell("reload", ok=False)
            assert await ids(subscription) == ([2], 0)

    played(scenario)


def test_who_comes_back_gets_what_came_meanwhile():
    async def scenario(events):
        for _ in range(5):
            events.tell("verdict")
        with events.subscribed(after=3) as subscription:
            assert await ids(subscription) == ([4, 5], 0)
        with events.subscribed(after=5) as subscription:
            assert await ids_of_nothing(subscription)
        # of a server before this one
        with events.subscribed(after=77) as subscription:
            assert await ids_of_nothing(subscription)

    played(scenario)


def test_what_is_too_long_ago_was_missed(monkeypatch):
    monkeypatch.setattr(module, "KEPT", 1000)

    async def scenario(events):
        for _ in range(1_500):
            events.tell("verdict")
        with events.subscribed(after=100) as subscription:
            got, missed = await ids(subscription)
        assert (got[0], got[-1], missed) == (501, 1500, 400)

    played(scenario)


def test_who_does_not_keep_up_is_told_how_much_was_missed():
    async def scenario(events):
        with events.subscribed() as subscription:
            for _ in range(module.QUEUED + 7):
                events.tell("verdict")
            got, missed = await ids(subscription)
            assert (len(got), missed) == (module.QUEUED, 7)
            events.tell("verdict")
            assert await ids(subscription) == ([module.QUEUED + 8], 0)

    played(scenario)


def test_any_thread_may_tell():
    async def scenario(events):
        with events.subscribed() as subscription:
            threads = [
                threading.Thread(target=lambda: [events.tell("verdict") for _ in range(50)])
                for _ in range(4)
            ]
            for thread in threads:
                thread.start()
            got = []
            while len(got) < 200:
                got += (await ids(subscription))[0]
            for thread in threads:
                thread.join()
        assert got == list(range(1, 201))

    played(scenario)
