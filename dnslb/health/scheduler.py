"""When probes run: one task for each distinct probe.

    first probe ─▶ 0.1 to 1 interval ─▶ probe ─▶ 0.9 to 1 interval ─▶ probe ─▶ …

The first probes run at once, so that serving can begin. The pause after them spreads probes that
began together, and the smaller one keeps those of several servers from marching in step. No pause
is longer than the interval: a backend that dies is found out after `fall` intervals at most.
"""

from __future__ import annotations

import asyncio
import logging
import random
import time
from typing import TYPE_CHECKING, Final, NamedTuple

from dnslb.health.checks.base import Check, Kept, Outcome, Result

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterable

__all__ = ["CONCURRENT", "ProbeKey", "Scheduler", "probe_once"]

CONCURRENT: Final = 400
"""Probes at once. Each holds a descriptor, of which a process usually has 1024; and 400 that all
wait out a timeout of 3 s still make 1300 within an interval of 10 s."""

GRACE: Final = 1.0
"""Seconds beyond its own timeout after which a probe is given up from outside."""

log = logging.getLogger("dnslb.health")


class ProbeKey(NamedTuple):
    """What makes a probe distinct: backends that agree in both share it."""

    check: Check
    address: str

    def __str__(self) -> str:
        return self.check.where(self.address)


class Scheduler:
    """Runs the probes that it is told to, and hands each result to `on_result`.

    `sleep`, `clock` (seconds) and `uniform` (a number between two) are there for tests.
    """

    def __init__(
        self,
        on_result: Callable[[ProbeKey, Result], None],
        *,
        concurrent: int = CONCURRENT,
        sleep: Callable[[float], Awaitable[object]] = asyncio.sleep,
        clock: Callable[[], float] = time.monotonic,
        uniform: Callable[[float, float], float] = random.uniform,
    ) -> None:
        self._on_result = on_result
        self._room = asyncio.Semaphore(concurrent)
        self._sleep = sleep
        self._clock = clock
        self._uniform = uniform
        self._tasks: dict[ProbeKey, asyncio.Task[None]] = {}
        self._ending: set[asyncio.Task[None]] = set()

    def schedule(self, keys: Iterable[ProbeKey]) -> None:
        """Start the probes that are new, keep those that run, end all others."""
        wanted = dict.fromkeys(keys)
        for key in [key for key in self._tasks if key not in wanted]:
            self._end(self._tasks.pop(key))
        for key in wanted:
            if key not in self._tasks:
                self._tasks[key] = asyncio.create_task(self._run(key), name=f"probe {key}")

    async def close(self) -> None:
        """End all probes."""
        self.schedule(())
        await asyncio.gather(*self._ending, return_exceptions=True)

    def _end(self, task: asyncio.Task[None]) -> None:
        task.cancel()
        self._ending.add(task)
        task.add_done_callback(self._ending.discard)

    async def _run(self, key: ProbeKey) -> None:
        least = 0.1
        kept = Kept()
        while True:
            # from here, so that waiting for room makes no interval longer
            started = self._clock()
            async with self._room:
                result = await _probe(key, kept)
            try:
                self._on_result(key, result)
            except Exception:
                log.exception("the result of %s (%s) was lost", key, result)
            pause = key.check.interval * self._uniform(least, 1.0)
            least = 0.9
            await self._sleep(max(0.0, pause - (self._clock() - started)))


async def _probe(key: ProbeKey, kept: Kept) -> Result:
    """One probe, which ends in a result whatever happens."""
    limit = key.check.timeout * (1 + key.check.reuse) + GRACE
    try:
        return await asyncio.wait_for(key.check.probe(key.address, kept), limit)
    except (asyncio.TimeoutError, TimeoutError):
        return Result(Outcome.ERROR, f"the probe did not end within {limit:g}s")
    except Exception as error:  # a check's own fault may be of any kind
        log.exception("the check of %s failed", key)
        return Result(Outcome.ERROR, f"{type(error).__name__}: {error}")


async def probe_once(key: ProbeKey) -> Result:
    """One probe beside those that are scheduled."""
    return await _probe(key, Kept())
