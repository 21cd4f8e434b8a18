"""What happens, told to whoever listens: the API's streams, hooks, the dashboard.

    monitor, publisher, server ─▶ Events.tell ─▶ the last thousand, numbered
                                          └─▶ each subscriber's own queue, which is bounded

Whoever tells never waits: a subscriber that does not keep up misses events, and is told how many.
"""

from __future__ import annotations

import asyncio
import threading
import time
from collections import deque
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Final, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Mapping

__all__ = ["KINDS", "Event", "Events", "Subscription"]

KINDS: Final = {
    "verdict": "a backend went down or came up, in one family or both",
    "service": "everything under a service went down, or something is up again",
    "state": "the operator's state of a backend changed",
    "frozen": "a pool freezes: too many of its backends went down at once",
    "thawed": "a pool is no longer frozen",
    "isolated": "all canaries fail, or one passes again",
    "reload": "a configuration came into force, or was refused",
}
"""The kinds of events, and what each means."""

KEPT: Final = 1_000
"""Events that are remembered for those who come back."""

QUEUED: Final = 1_000
"""Events that wait for one subscriber at most."""


class Event(NamedTuple):
    """Something that happened."""

    id: int  # counted from 1
    at: float  # seconds since 1970
    kind: str  # one of KINDS
    data: Mapping[str, Any]  # what JSON can hold


class Events:
    """Tells what happens. May be used from any thread."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._last = 0
        self._kept: deque[Event] = deque(maxlen=KEPT)
        self._subscriptions: set[Subscription] = set()
        self._latest: dict[str, Event] = {}

    def tell(self, kind: str, **data: Any) -> None:
        """Tell everybody that something happened."""
        with self._lock:
            self._last += 1
            event = Event(self._last, time.time(), kind, data)
            self._kept.append(event)
            self._latest[kind] = event
            for one in self._subscriptions:
                one.offer(event)

    def recent(self, kinds: Collection[str] = KINDS) -> list[Event]:
        """What is remembered, oldest first."""
        with self._lock:
            return [event for event in self._kept if event.kind in kinds]

    def latest(self, kind: str) -> Event | None:
        """The last event of a kind, however many others have come since."""
        with self._lock:
            return self._latest.get(kind)

    @contextmanager
    def subscribed(
        self, kinds: Collection[str] = KINDS, after: int | None = None
    ) -> Iterator[Subscription]:
        """A subscription to `kinds`, in the running loop; with `after` also what came after it."""
        subscription = Subscription(asyncio.get_running_loop(), frozenset(kinds))
        with self._lock:
            if after is not None:
                kept = [event for event in self._kept if event.id > after]
                # the number may be that of a server before this one
                before = self._kept[0].id - 1 if self._kept else self._last
                missed = max(0, before - after) if after <= self._last else 0
                subscription.resume(kept, missed)
            self._subscriptions.add(subscription)
        try:
            yield subscription
        finally:
            with self._lock:
                self._subscriptions.discard(subscription)


class Subscription:
    """The events for one listener, in order."""

    def __init__(self, loop: asyncio.AbstractEventLoop, kinds: frozenset[str]) -> None:
        self._loop = loop
        self._kinds = kinds
        self._queue: deque[Event] = deque()
        self._missed = 0
        self._wake = asyncio.Event()

    def offer(self, event: Event) -> None:
        """Take in an event, from any thread, while the bus is locked."""
        if event.kind not in self._kinds:
            return
        if len(self._queue) >= QUEUED:
            self._missed += 1
        else:
            self._queue.append(event)
        if not self._loop.is_closed():
            self._loop.call_soon_threadsafe(self._wake.set)

    def resume(self, events: Collection[Event], missed: int) -> None:
        """Begin with what came meanwhile, of which `missed` are no longer known."""
        self._missed = missed
        self._queue.extend(event for event in events if event.kind in self._kinds)
        if self._queue or missed:
            self._wake.set()

    @property
    def waiting(self) -> bool:
        """Whether something has come that was not taken."""
        return bool(self._queue) or self._missed > 0

    async def next(self) -> tuple[list[Event], int]:
        """What has come since the last time, at least one event, and how many were missed."""
        await self._wake.wait()
        self._wake.clear()
        events: list[Event] = []
        while self._queue:  # whoever tells may add at the same time
            events.append(self._queue.popleft())
        missed, self._missed = self._missed, 0
        return events, missed
