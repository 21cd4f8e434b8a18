"""Checks and time that a test writes out beforehand."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from dnslb.health.checks.base import Check, Kept, Outcome, Result

if TYPE_CHECKING:
    from collections.abc import Callable

OK = Result(Outcome.OK, milliseconds=10.0)
REFUSED = Result(Outcome.REFUSED, "it refuses")
ERROR = Result(Outcome.ERROR, "this machine: too many open files")


@dataclass(eq=False)
class Backends:
    """What is at each address: a result, or an exception that the probe ends with."""

    results: dict[str, Result | Exception] = field(default_factory=dict)
    asked: list[str] = field(default_factory=list)
    stuck: set[str] = field(default_factory=set)  # addresses whose probes never end
    meanwhile: Callable[[], None] = lambda: None  # happens while a probe waits
    keeps: Any = None  # what a probe with `reuse` leaves open
    found: dict[str, list[Any]] = field(default_factory=dict)  # and what each found
    busy: int = 0
    busiest: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class ScriptedCheck(Check):
    """Asks a `Backends` instead of the network."""

    backends: Backends = field(repr=False)  # and so no part of what is saved

    async def probe(self, address: str, kept: Kept) -> Result:
        there = self.backends
        there.found.setdefault(address, []).append(kept.take())
        there.asked.append(address)
        there.busy += 1
        there.busiest = max(there.busiest, there.busy)
        try:
            await asyncio.sleep(0)
            there.meanwhile()
            if address in there.stuck:
                await asyncio.Event().wait()
        finally:
            there.busy -= 1
        if self.reuse and there.keeps is not None:
            kept.put(there.keeps)
        result = there.results.get(address, OK)
        if isinstance(result, Exception):
            raise result
        return result


class Timer:
    """What `later` gives: something to happen at its time."""

    def __init__(self, at: float, act: Callable[[], None]) -> None:
        self.at = at
        self.act = act
        self.is_on = True

    def cancel(self) -> None:
        self.is_on = False


class Time:
    """A `sleep` that lasts until the test says so, and a clock that stands still."""

    def __init__(self) -> None:
        self.now = 1000.0
        self._timers: list[Timer] = []
        self.pauses: list[float] = []
        self._sleepers: list[asyncio.Event] = []

    async def sleep(self, seconds: float) -> None:
        self.pauses.append(seconds)
        event = asyncio.Event()
        self._sleepers.append(event)
        await event.wait()

    def clock(self) -> float:
        return self.now

    def later(self, seconds: float, act: Callable[[], None]) -> Timer:
        timer = Timer(self.now + seconds, act)
        self._timers.append(timer)
        return timer

    def advance(self, seconds: float) -> None:
        """Let time pass, and what is due happen in its order."""
        end = self.now + seconds
        while due := [timer for timer in self._timers if timer.is_on and timer.at <= end]:
            first = min(due, key=lambda timer: timer.at)
            self._timers = [timer for timer in self._timers if timer.is_on and timer is not first]
            self.now = max(self.now, first.at)
            first.act()
        self.now = end

    async def pass_by(self) -> None:
        """Let everyone who sleeps wake, and wait until all sleep again."""
        sleepers, self._sleepers = self._sleepers, []
        for event in sleepers:
            event.set()
        await settle()


async def settle() -> None:
    """Let every task run until it waits for something that only the test brings."""
    for _ in range(50):
        await asyncio.sleep(0)


def longest(_: float, most: float) -> float:
    """A `uniform` that always draws the most."""
    return most


def shortest(least: float, _: float) -> float:
    """A `uniform` that always draws the least."""
    return least
