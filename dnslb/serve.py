"""The process `dnslb serve`: signals, the service manager, replacing and being replaced.

SIGHUP            reloads
SIGUSR2           starts a new process from the program as it is now, which replaces this one
SIGTERM, SIGINT   answers what has been received, and stops
"""

from __future__ import annotations

import asyncio
import logging
import os
import signal
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Final

from dnslb import log as logs
from dnslb.config.describe import describe
from dnslb.config.load import load
from dnslb.config.watch import Changes
from dnslb.handover import Offer, Predecessor
from dnslb.listening import given_by_system
from dnslb.ready import Manager
from dnslb.server import Server
from dnslb.user import give_up, trusted

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine
    from pathlib import Path

    from dnslb.handover import Successor

__all__ = ["serve"]

REAP: Final = 0.2
"""Seconds between two looks at whether a new process has ended."""

log = logging.getLogger("dnslb.server")


async def serve(path: Path, ready: Callable[[str], None], *, replace: bool = False) -> None:
    """Run the configuration at `path` until it is stopped, or replaced.

    With `replace`, the server that runs on it hands over. `ready` is called with one line once the
    server answers.

    Raises:
        ConfigError: the configuration has problems.
        DnslbError: as `Server` says, or the one that runs does not hand over.
    """
    # who starts programs does so as this process was started: later its own thread is nicer
    with ThreadPoolExecutor(1, "start") as starter:
        await asyncio.get_running_loop().run_in_executor(starter, os.getpid)
        await _Process(path, ready, starter).run(replace=replace)


class _Process:
    """One `dnslb serve`."""

    def __init__(
        self, path: Path, ready: Callable[[str], None], starter: ThreadPoolExecutor
    ) -> None:
        config, warnings = load(path)
        logs.configure(config.log_level, config.log_format)
        for warning in warnings:
            log.warning("%s", warning)
        self._server = Server(config, owns_process=True)
        self._ready = ready
        self._starter = starter
        self._manager = Manager()
        self._stop = asyncio.Event()
        self._hung_up = False  # a reload was asked for before there is anything to reload
        self._tasks: set[asyncio.Task[None]] = set()

    async def run(self, *, replace: bool) -> None:
        server, config = self._server, self._server.config
        predecessor = None
        if replace:
            predecessor = await Predecessor.find(config.state, trusted(config.user))
            if predecessor is None:
                log.info("no server runs with state %s: nothing to replace", config.state)
        try:
            server.bind(predecessor.given if predecessor else given_by_system())
            give_up(config.user, config.group, config.state)
            self._on_signals()
            self._spawn(self._manager.beat(), "watchdog")
            starting = self._spawn(server.start(predecessor), "start")
            stopping = asyncio.ensure_future(self._stop.wait())
            await asyncio.wait((starting, stopping), return_when=asyncio.FIRST_COMPLETED)
            if starting.done():
                await starting
                await self._serve()
            stopping.cancel()
            log.info("stopping")
            self._manager.stopping()
        finally:
            if predecessor is not None:
                predecessor.close()
            tasks = tuple(self._tasks)
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            await server.stop()

    async def _serve(self) -> None:
        """Until it is stopped or replaced."""
        server = self._server
        loop = asyncio.get_running_loop()
        loop.add_signal_handler(signal.SIGHUP, lambda: self._spawn(self._reload(), "reload"))
        loop.add_signal_handler(signal.SIGUSR2, lambda: self._spawn(self._renew(), "renew"))
        self._spawn(self._watch(), "watch")
        self._spawn(logs.summarize(), "log")
        self._ready(f"ready: {', '.join(map(str, server.listening))}: {describe(server.config)}")
        self._manager.ready(describe(server.config))
        if self._hung_up:
            self._spawn(self._reload(), "reload")
        stopping = self._spawn(self._until_stopped(), "stop")
        ends = {stopping}
        if server.keeps:
            offer = Offer(server.config.state, self._hand_over)
            ends.add(self._spawn(self._until_replaced(offer), "replace"))
        await asyncio.wait(ends, return_when=asyncio.FIRST_COMPLETED)

    async def _until_stopped(self) -> None:
        await self._stop.wait()

    async def _until_replaced(self, offer: Offer) -> None:
        if not await offer.run():
            await self._stop.wait()
        log.info("replaced; TCP clients that are connected are served until they go")
        await self._server.linger()

    async def _hand_over(self, successor: Successor) -> None:
        def leaving() -> None:
            self._manager.succeeded_by(successor.pid)

        await self._server.hand_over(successor, leaving)

    async def _reload(self) -> None:
        self._manager.reloading()
        if await self._server.reload():
            logs.configure(self._server.config.log_level, self._server.config.log_format)
        self._manager.ready(describe(self._server.config))

    async def _watch(self) -> None:
        """Reload when files change, while the configuration says so."""
        changes = Changes(lambda: self._server.config)
        while True:
            await changes.next()
            log.info("the configuration has changed")
            await self._reload()

    async def _renew(self) -> None:
        """Start the program anew, as it is on the disk now, to replace this process."""
        command = [*sys.orig_argv]
        if "--replace" not in command:
            command.append("--replace")
        environment = {key: text for key, text in os.environ.items() if key != "WATCHDOG_PID"}
        log.info("starting %s", " ".join(command))
        loop = asyncio.get_running_loop()
        try:
            process = await loop.run_in_executor(
                self._starter,
                lambda: subprocess.Popen(command, env=environment),  # noqa: S603 - as this one was
            )
        except OSError as error:
            log.error("cannot start %s: %s", command[0], error.strerror)
            return
        while process.poll() is None:  # noqa: ASYNC110 - not every loop has child watchers
            await asyncio.sleep(REAP)
        log.error("process %d has ended (%d): this one goes on", process.pid, process.returncode)

    def _on_signals(self) -> None:
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self._stop.set)
        loop.add_signal_handler(signal.SIGHUP, self._hang_up)

    def _hang_up(self) -> None:
        self._hung_up = True

    def _spawn(self, work: Coroutine[None, None, None], name: str) -> asyncio.Task[None]:
        task = asyncio.get_running_loop().create_task(work, name=name)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task
