"""When probes run: one task for each distinct probe.

    first probe ─▶ 0.1 to 1 interval ─▶ probe ─▶ 0.9 to 1 interval ─▶ probe ─▶ …

The first probes run as soon as there is room, so that serving can begin. The pause after them
spreads probes that began together, and the smaller one keeps those of several servers from marching
in step. No pause is longer than the interval: a backend that dies is found out after `fall`
intervals at most. Pauses count from when a probe was to begin, so that lateness does not add up.
"""

from __future__ import annotations

import asyncio
import logging
import random
import resource
import time
from functools import partial
from typing import TYPE_CHECKING, Final

from dnslb.health.gate import Gate
from dnslb.health.probe import Probe
from dnslb.health.wheel import Wheel
from dnslb.histogram import Histogram

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterable

    from dnslb.health.checks.base import Check, Result

__all__ = ["ProbeKey", "Scheduler", "room"]

LEAST_ROOM: Final = 400
"""Probes at once however few files may be open: a process usually has 1024, and 400 that all wait
out a timeout of 3 s still make 1300 within an interval of 10 s."""

MOST_ROOM: Final = 10_000
"""Probes at once at the most, each of which takes some 15 KB: enough for 30,000 backends that all
time out after 3 of 10 s."""

OTHER_FILES: Final = 17_000
"""Files that probes leave alone: the most TCP clients that the server has unless told otherwise,
sockets, zones, logs."""

log = logging.getLogger("dnslb.health")


class ProbeKey:
    """What makes a probe distinct: backends that agree in both share it. Never changes.

    It is the key of many tables, and the hash of a check takes its time: it is kept.
    """

    __slots__ = ("_hash", "address", "check")

    def __init__(self, check: Check, address: str) -> None:
        self.check = check
        self.address = address
        self._hash = hash((check, address))

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, ProbeKey):
            return NotImplemented
        return self.address == other.address and self.check == other.check

    def __hash__(self) -> int:
        return self._hash

    def __repr__(self) -> str:
        return f"ProbeKey({self.check!r}, {self.address!r})"

    def __str__(self) -> str:
        return self.check.where(self.address)


def room(others: int = OTHER_FILES) -> int:
    """How many probes may run at once in a process that leaves `others` of its files alone."""
    limit, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    spare = MOST_ROOM if limit == resource.RLIM_INFINITY else limit - others
    return max(LEAST_ROOM, min(spare, MOST_ROOM))


class Scheduler:
    """Runs the probes that it is told to, and hands each result to `on_result`.

    `concurrent` is how many may run at once, as many as `room` says by default. `sleep`, `clock`
    (seconds) and `uniform` (a number between two) are there for tests.
    """

    def __init__(
        self,
        on_result: Callable[[ProbeKey, Result], None],
        *,
        concurrent: int | None = None,
        sleep: Callable[[float], Awaitable[object]] | None = None,
        clock: Callable[[], float] = time.monotonic,
        uniform: Callable[[float, float], float] = random.uniform,
    ) -> None:
        self.lateness = Histogram()  # of all probes but first ones, which are never too late
        self._on_result = on_result
        self._concurrent = concurrent
        self._gate: Gate | None = None
        self._sleep = sleep or Wheel().sleep
        self._clock = clock
        self._uniform = uniform
        self._probes: dict[ProbeKey, Probe] = {}
        self._ending: set[asyncio.Task[None]] = set()

    def schedule(self, keys: Iterable[ProbeKey]) -> None:
        """Start the probes that are new, keep those that run, end all others."""
        if self._gate is None:  # not sooner: the server raises its limit of files when it starts
            self._gate = Gate(room() if self._concurrent is None else self._concurrent)
        run = partial(self._run, self._gate)
        wanted = dict.fromkeys(keys)
        for key in [key for key in self._probes if key not in wanted]:
            task = self._probes.pop(key).end()
            self._ending.add(task)
            task.add_done_callback(self._ending.discard)
        for key in wanted:
            if key not in self._probes:
                self._probes[key] = Probe(key, run)

    async def close(self) -> None:
        """End all probes."""
        self.schedule(())
        await asyncio.gather(*self._ending, return_exceptions=True)

    async def _run(self, gate: Gate, probe: Probe) -> None:
        key = probe.key
        interval = key.check.interval
        due: float | None = None  # the first probe is never too late
        while True:
            async with gate:
                began = self._clock()
                if due is not None:
                    self.lateness.add(max(0.0, began - due))
                result = await probe.result()
            try:
                self._on_result(key, result)
            except Exception:
                log.exception("the result of %s (%s) was lost", key, result)
            if due is None:
                due = began + interval * self._uniform(0.1, 1.0)
            else:
                due = min(due, began) + interval * self._uniform(0.9, 1.0)
            now = self._clock()
            if now - due > interval:
                due = now  # what was missed is not made up for
            await self._sleep(max(0.0, due - now))
