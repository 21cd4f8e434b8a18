"""Scheduling: one task for each distinct probe, spread in time, bounded in number at once.

    first probe    at once, so that serving can begin
    second probe   at a random moment within one interval: all checks spread out
    then           every interval, up to a tenth early, so that they stay spread

Never late: a backend that dies is out after `fall` intervals at most.
"""

from __future__ import annotations

import asyncio
import logging
import random
from typing import TYPE_CHECKING, Final, NamedTuple

from dnslb.health.checks.base import Outcome, Result

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterable

    from dnslb.health.checks.base import Check

__all__ = ["ProbeKey", "Scheduler"]

MAX_AT_ONCE: Final = 512
"""Probes in flight: half of the file descriptors that a process has by default."""

GRACE: Final = 1.0
"""Seconds beyond its own timeout after which a probe is given up from outside."""

log = logging.getLogger("dnslb.health")


class ProbeKey(NamedTuple):
    """What is probed and how; equal keys share one probe."""

    check: Check
    address: str


class Scheduler:
    """Runs the probes that are wanted and hands on their results."""

    def __init__(
        self,
        on_result: Callable[[ProbeKey, Result], None],
        *,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
        uniform: Callable[[float, float], float] = random.uniform,
    ) -> None:
        self._on_result = on_result
        self._sleep = sleep
        self._uniform = uniform
        self._slots = asyncio.Semaphore(MAX_AT_ONCE)
        self._tasks: dict[ProbeKey, asyncio.Task[None]] = {}
        self._ending: set[asyncio.Task[None]] = set()

    def want(self, keys: Iterable[ProbeKey]) -> None:
        """Probe `keys` and nothing else; those that run already go on undisturbed."""
        wanted = dict.fromkeys(keys)
        for key in [key for key in self._tasks if key not in wanted]:
            task = self._tasks.pop(key)
            task.cancel()
            self._ending.add(task)
            task.add_done_callback(self._ending.discard)
        for key in wanted:
            if key not in self._tasks:
                task = asyncio.get_running_loop().create_task(self._run(key))
                self._tasks[key] = task

    async def close(self) -> None:
        """End every probe."""
        self.want(())
        await asyncio.gather(*self._ending, return_exceptions=True)

    async def _run(self, key: ProbeKey) -> None:
        clock = asyncio.get_running_loop().time
        earliest = 0.1
        while True:
            async with self._slots:
                start = clock()
                result = await _probe(key)
            try:
                self._on_result(key, result)
            except Exception:
                log.exception("a result of the check of %s was lost", key.address)
            pause = key.check.interval * self._uniform(earliest, 1.0)
            earliest = 0.9
            await self._sleep(max(0.0, pause - (clock() - start)))


async def _probe(key: ProbeKey) -> Result:
    """One probe, which ends in a result whatever happens."""
    limit = key.check.timeout + GRACE
    try:
        return await asyncio.wait_for(key.check.probe(key.address), limit)
    except (asyncio.TimeoutError, TimeoutError):
        return Result(Outcome.ERROR, f"the check of {key.address} did not end within {limit:g} s")
    except Exception as error:  # a check's own fault may be of any kind
        log.exception("the check of %s failed", key.address)
        return Result(Outcome.ERROR, f"the check of {key.address} failed: {error!r}")
