"""One probe, made again and again: its attempts, and what it keeps between two times.

attempt ─▶ passed, or `retries` are used up, or not one of `retry_on`? ── yes ─▶ result
   ▲                                  │ no
   └──────────────────────────────────┘
"""

from __future__ import annotations

import asyncio
import logging
import sys
from dataclasses import replace
from typing import TYPE_CHECKING, Final

from dnslb.health.checks.base import Kept, Outcome, Result
from dnslb.health.limit import Limit

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine
    from typing import Any

    from dnslb.health.scheduler import ProbeKey

__all__ = ["Probe", "probe_once"]

GRACE: Final = 1.0
"""Seconds beyond its own timeout after which an attempt is given up from outside."""

log = logging.getLogger("dnslb.health")


class Probe:
    """The probe of `key`, and the task that makes it: `run`, which asks for a `result` each time.

    What is kept is closed when the task ends.
    """

    __slots__ = ("_ended", "_kept", "_over", "key", "task")

    def __init__(self, key: ProbeKey, run: Callable[[Probe], Coroutine[Any, Any, None]]) -> None:
        self.key = key
        self._kept = Kept()
        self._ended = False
        self._over = False  # the attempt's time
        self.task = asyncio.create_task(self._work(run), name=f"probe {key}")

    def end(self) -> asyncio.Task[None]:
        """Cancel the task, which is returned."""
        self._ended = True
        self.task.cancel()
        return self.task

    async def result(self) -> Result:
        """One result, of as many attempts as it takes and the check allows."""
        check = self.key.check
        result, attempts = await self._attempt(), 1
        failed = result
        while attempts <= check.retries and result.outcome in check.retry_on:
            failed = result
            result = await self._attempt()
            attempts += 1
        if attempts == 1:
            return result
        if not result.ok:
            return replace(result, attempts=attempts)
        notes = (f"only at attempt {attempts}, after {failed}", result.note)
        return replace(result, attempts=attempts, note="; ".join(filter(None, notes)))

    async def _work(self, run: Callable[[Probe], Coroutine[Any, Any, None]]) -> None:
        try:
            await run(self)
        finally:
            self._kept.close()

    async def _attempt(self) -> Result:
        """One attempt, which ends in a result whatever happens."""
        check, address = self.key.check, self.key.address
        seconds = check.timeout * (1 + check.reuse) + GRACE
        # not wait_for, which makes one more task for each attempt in older versions of Python
        limit = Limit(seconds, self._give_up)
        try:
            return await check.probe(address, self._kept)
        except asyncio.CancelledError:
            if self._over and not self._ended:
                return Result(Outcome.ERROR, f"the probe did not end within {seconds:g}s")
            if sys.version_info >= (3, 11) and not self.task.cancelling():
                return Result(Outcome.ERROR, "the probe was cancelled from inside")
            raise
        except Exception as error:  # a check's own fault may be of any kind
            log.exception("the check of %s failed", self.key)
            return Result(Outcome.ERROR, f"{type(error).__name__}: {error}")
        finally:
            limit.end()
            if self._over:
                self._over = False
                if sys.version_info >= (3, 11):
                    self.task.uncancel()

    def _give_up(self) -> None:
        if not self._ended:
            self._over = True
            self.task.cancel()


async def probe_once(key: ProbeKey) -> Result:
    """The result of `key`, beside the probes that are scheduled."""
    results: list[Result] = []

    async def run(probe: Probe) -> None:
        results.append(await probe.result())

    await Probe(key, run).task
    return results[0]
