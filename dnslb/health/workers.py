"""Probes in processes of their own, when one core is not enough for them.

    server ─▶ Workers ─▶ process 0 ─▶ Scheduler        a key's process is decided by what it probes,
                  │  └─▶ process 1 ─▶ Scheduler        so a reload moves none
                  └────▶ Scheduler in the server       what no other process can do

A process that ends is started anew, at first soon and then less and less so. Its probes meanwhile
have the result `error`, which leaves verdicts alone.
"""

from __future__ import annotations

import asyncio
import logging
import os
import pickle
import random
import socket
import sys
import time
import zlib
from contextlib import suppress
from typing import TYPE_CHECKING, Final

from dnslb.health.checks.base import Outcome, Result
from dnslb.health.link import Add, Begin, Change, Link, Record, Report
from dnslb.health.scheduler import ProbeKey, Scheduler
from dnslb.histogram import Histogram
from dnslb.waiting import happens

if TYPE_CHECKING:
    from asyncio.subprocess import Process
    from collections.abc import Awaitable, Callable, Iterable, Mapping

    from dnslb.health.checks.base import Check

__all__ = ["Workers", "scheduler"]

FIRST_PAUSE: Final = 0.5
"""Seconds until a process that ended is started anew; twice as many each time."""

MOST_PAUSE: Final = 30.0
"""Seconds at the most."""

CALM: Final = 60.0
"""Seconds that a process has to run for the pause to be the first one again."""

SILENT: Final = 30.0
"""Seconds without a word after which a process counts as stuck and is killed."""

PATIENCE: Final = 3.0
"""Seconds that a process has to end by itself, once told."""

AT_ONCE: Final = 200
"""Results that are handed on in one turn of the loop, when a process with thousands ends."""

log = logging.getLogger("dnslb.health")


def scheduler(
    on_result: Callable[[ProbeKey, Result], None],
    *,
    processes: int = 1,
    concurrent: int | None = None,
    sleep: Callable[[float], Awaitable[object]] | None = None,
    clock: Callable[[], float] = time.monotonic,
    uniform: Callable[[float, float], float] = random.uniform,
) -> Scheduler | Workers:
    """What runs the probes: in this process, or with 2 and more `processes` in so many others.

    The other arguments are the scheduler's in this process.
    """
    here = Scheduler(on_result, concurrent=concurrent, sleep=sleep, clock=clock, uniform=uniform)
    return here if processes < 2 else Workers(on_result, here, processes)


class Workers:
    """As `Scheduler`, with the probes in `processes` others; `here` runs those that cannot be."""

    def __init__(
        self,
        on_result: Callable[[ProbeKey, Result], None],
        here: Scheduler,
        processes: int,
    ) -> None:
        self._lateness = Histogram()
        self._here = here
        self._workers = [_Worker(at, on_result, self._lateness) for at in range(processes)]
        self._packed: dict[Check, bytes | None] = {}

    @property
    def lateness(self) -> Histogram:
        """How late probes began, in all processes."""
        if late := self._here.lateness.take():
            self._lateness.merge(late)
        return self._lateness

    @property
    def pids(self) -> list[int]:
        """The processes that run."""
        return [worker.pid for worker in self._workers if worker.pid is not None]

    def schedule(self, keys: Iterable[ProbeKey]) -> None:
        """Start the probes that are new, keep those that run, end all others."""
        here: list[ProbeKey] = []
        there: list[dict[ProbeKey, bytes]] = [{} for _ in self._workers]
        packed: dict[Check, bytes | None] = {}
        for key in keys:
            check = key.check
            if check not in packed:
                packed[check] = self._packed[check] if check in self._packed else _pack(check)
            data = packed[check]
            if data is None:
                here.append(key)
            else:
                there[place(key, len(self._workers))][key] = data
        self._packed = packed
        self._here.schedule(here)
        for worker, part in zip(self._workers, there, strict=True):
            worker.schedule(part)

    async def close(self) -> None:
        """End all probes and all processes."""
        await asyncio.gather(self._here.close(), *(worker.close() for worker in self._workers))


def place(key: ProbeKey, processes: int) -> int:
    """Which of `processes` makes a probe: the same in every run, and under every configuration."""
    return zlib.crc32(str(key).encode()) % processes


def _pack(check: Check) -> bytes | None:
    """`check` for another process; None if it can only be made in this one."""
    try:
        return pickle.dumps(check, pickle.HIGHEST_PROTOCOL)
    except Exception as error:  # noqa: BLE001 # the operator's own class may fail in any way
        log.warning("a check runs in the server's own process, since %s", error)
        return None


class _Worker:
    """One process and its probes, from the server's side."""

    def __init__(
        self, at: int, on_result: Callable[[ProbeKey, Result], None], lateness: Histogram
    ) -> None:
        self._at = at
        self._on_result = on_result
        self._lateness = lateness
        self._packed: Mapping[ProbeKey, bytes] = {}
        self._keys: dict[int, ProbeKey] = {}
        self._numbers: dict[ProbeKey, int] = {}
        self._next = 0
        self._link: Link | None = None
        self._heard = 0.0
        self._process: Process | None = None
        self._task: asyncio.Task[None] | None = None

    @property
    def pid(self) -> int | None:
        """The process that runs."""
        return self._process.pid if self._process else None

    def schedule(self, packed: Mapping[ProbeKey, bytes]) -> None:
        """Probe exactly these keys, whose checks are packed for the process."""
        removes = [number for number, key in self._keys.items() if key not in packed]
        for number in removes:
            del self._numbers[self._keys.pop(number)]
        adds = [key for key in packed if key not in self._numbers]
        for key in adds:
            self._keys[self._next] = key
            self._numbers[key] = self._next
            self._next += 1
        self._packed = packed
        if adds or removes:
            self._send(adds, removes)
        if self._task is None and adds:
            self._task = asyncio.create_task(self._run(), name=f"probe process {self._at}")

    async def close(self) -> None:
        """End the process."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
            self._task = None

    def _send(self, adds: Iterable[ProbeKey], removes: Iterable[int]) -> None:
        if self._link is None:
            return  # a process that starts gets them all
        places: dict[bytes, list[tuple[int, str]]] = {}
        for key in adds:
            places.setdefault(self._packed[key], []).append((self._numbers[key], key.address))
        self._link.send(
            Change([Add(check, where) for check, where in places.items()], list(removes))
        )

    async def _run(self) -> None:
        """Keep a process running."""
        pause = FIRST_PAUSE
        while True:
            began = time.monotonic()
            try:
                how = await self._live()
            except OSError as error:
                how = f"cannot be started: {error.strerror or error}"
            if time.monotonic() - began > CALM:
                pause = FIRST_PAUSE
            log.error("probe process %d %s; starting it anew in %gs", self._at, how, pause)
            await self._tell_all(Result(Outcome.ERROR, f"the probe process {how}"))
            await asyncio.sleep(pause)
            pause = min(2 * pause, MOST_PAUSE)

    async def _live(self) -> str:
        """Start a process, give it its probes, and wait until it ends; returns how it did."""
        loop = asyncio.get_running_loop()
        ended = asyncio.Event()
        ours, theirs = socket.socketpair()
        link = Link(self._on_message, ended.set)
        process: Process | None = None
        try:
            with theirs:
                process = await _start(theirs)
            ours.setblocking(False)  # noqa: FBT003
            await loop.create_unix_connection(lambda: link, sock=ours)
            link.send(Begin(dict(os.environ), logging.getLogger("dnslb").getEffectiveLevel()))
            self._link, self._process, self._heard = link, process, time.monotonic()
            self._send(self._numbers, ())
            stuck = await self._silence(ended)
        finally:
            self._link = self._process = None
            link.close()
            ours.close()
            if process is not None:
                await _end(process)
        if stuck:
            return f"was silent for {SILENT:g}s and was killed"
        code = process.returncode
        return f"ended (signal {-code})" if code and code < 0 else f"ended (exit status {code})"

    async def _silence(self, ended: asyncio.Event) -> bool:
        """Wait until the process has ended (False), or says nothing any more (True)."""
        while not ended.is_set():
            left = self._heard + SILENT - time.monotonic()
            if left <= 0:
                return True
            await happens(ended, left)
        return False

    def _on_message(self, message: object) -> None:
        self._heard = time.monotonic()
        if isinstance(message, Report):
            for number, result in message.results:
                self._tell(number, result)
            if message.late is not None:
                self._lateness.merge(message.late)
        elif isinstance(message, Record):
            logging.getLogger(message.record.name).handle(message.record)

    async def _tell_all(self, result: Result) -> None:
        for count, number in enumerate(list(self._keys)):
            self._tell(number, result)
            if count % AT_ONCE == AT_ONCE - 1:
                await asyncio.sleep(0)

    def _tell(self, number: int, result: Result) -> None:
        key = self._keys.get(number)
        if key is None:  # it was ended while the result was on its way
            return
        try:
            self._on_result(key, result)
        except Exception:
            log.exception("the result of %s (%s) was lost", key, result)


async def _start(theirs: socket.socket) -> Process:
    # it has to find what this process finds; `Begin` brings its real environment
    path = os.pathsep.join(entry or os.getcwd() for entry in sys.path)  # noqa: PTH109
    return await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "dnslb.health.worker", str(theirs.fileno())),
        stdin=asyncio.subprocess.DEVNULL,
        stdout=2,  # what checks print must not be taken for what the server prints
        pass_fds=(theirs.fileno(),),
        env=os.environ | {"PYTHONPATH": path, "PYTHONSAFEPATH": "1"},
    )


async def _end(process: Process) -> None:
    """Wait until the process has ended, which its closed link tells it to, and see to it."""
    try:
        await asyncio.wait_for(process.wait(), PATIENCE)
    except (asyncio.TimeoutError, TimeoutError):
        pass
    finally:
        if process.returncode is None:
            with suppress(ProcessLookupError):
                process.kill()
            await process.wait()
