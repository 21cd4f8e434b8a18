"""A probe process: runs the probes that the server tells it, until the server is gone.

`python -m dnslb.health.worker SOCKET`, started by `dnslb.health.workers` with its end of a pair of
sockets as that descriptor.
"""

from __future__ import annotations

import asyncio
import logging
import logging.handlers
import os
import pickle
import select
import signal
import socket
import sys
import threading
import time
from contextlib import suppress
from typing import TYPE_CHECKING, Final

import uvloop

from dnslb.descriptors import raise_file_limit
from dnslb.garbage import settle
from dnslb.health.checks.base import Outcome, Result
from dnslb.health.link import Begin, Change, Link, Record, Report
from dnslb.health.scheduler import ProbeKey, Scheduler, room

if TYPE_CHECKING:
    from dnslb.health.checks.base import Check

__all__ = ["main"]

COALESCE: Final = 0.02
"""Seconds that results wait for others: one message then carries what came meanwhile."""

BEAT: Final = 1.0
"""Seconds after which a report goes out even if it is empty."""

OTHER_FILES: Final = 200
"""Files that are not for probes: what libraries open, connections that are being closed."""

LAST: Final = 3.0
"""Seconds after the server's end within which the process ends even when a check holds it up."""


class Worker:
    """The process's part: a scheduler, and the link to the server."""

    def __init__(self) -> None:
        self.ended = asyncio.Event()
        self.link = Link(self._on_message, self.ended.set)
        self._scheduler = Scheduler(self._on_result, concurrent=room(OTHER_FILES))
        self._keys: dict[int, ProbeKey] = {}
        self._numbers: dict[ProbeKey, int] = {}
        self._results: list[tuple[int, Result]] = []
        self._flushing = False

    async def run(self, sock: socket.socket) -> None:
        """Work until the server is gone."""
        loop = asyncio.get_running_loop()
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            # meant for the server when they come to all of its processes. Not ignored: programs
            # that checks start would inherit that
            loop.add_signal_handler(number, lambda: None)
        await loop.create_unix_connection(lambda: self.link, sock=sock)
        beat = asyncio.create_task(self._beat())
        await self.ended.wait()
        beat.cancel()
        await self._scheduler.close()

    def _on_message(self, message: object) -> None:
        if isinstance(message, Begin):
            os.environ.clear()
            os.environ.update(message.environment)
            log_to(self.link, message.level)
        elif isinstance(message, Change):
            self._change(message)

    def _change(self, change: Change) -> None:
        for number in change.removes:
            key = self._keys.pop(number, None)
            if key is not None and self._numbers.get(key) == number:
                del self._numbers[key]
        for add in change.adds:
            try:
                check: Check = pickle.loads(add.check)  # noqa: S301 # from our own server
            except Exception as error:  # noqa: BLE001 # the operator's own class may fail in any way
                detail = f"a probe process cannot take the check: {type(error).__name__}: {error}"
                for number, _ in add.places:
                    self._tell(number, Result(Outcome.ERROR, detail))
                continue
            for number, address in add.places:
                key = self._keys[number] = ProbeKey(check, address)
                self._numbers[key] = number
        self._scheduler.schedule(self._keys.values())
        settle()

    def _on_result(self, key: ProbeKey, result: Result) -> None:
        self._tell(self._numbers[key], result)

    def _tell(self, number: int, result: Result) -> None:
        self._results.append((number, result))
        if not self._flushing:
            self._flushing = True
            asyncio.get_running_loop().call_later(COALESCE, self._flush)

    def _flush(self) -> None:
        self._flushing = False
        results, self._results = self._results, []
        self.link.send(Report(results, self._scheduler.lateness.take()))

    async def _beat(self) -> None:
        while True:
            self._flush()
            await asyncio.sleep(BEAT)


class _ToServer(logging.handlers.QueueHandler):
    """Sends records to the server; formats them here, since arguments may be anything."""

    def __init__(self, link: Link) -> None:
        super().__init__(None)  # type: ignore[arg-type] # there is no queue
        self._link = link

    def enqueue(self, record: logging.LogRecord) -> None:
        self._link.send(Record(record))


def log_to(link: Link, level: int) -> None:
    """Send dnslb's logs, from `level` on, over `link`."""
    logger = logging.getLogger("dnslb")
    logger.handlers[:] = [_ToServer(link)]
    logger.setLevel(level)
    logger.propagate = False


def end_with(sock: socket.socket) -> None:
    """End the process soon after the other end of `sock` is closed, whatever its loop does."""
    poll = select.poll()
    poll.register(sock, select.POLLHUP)

    def watch() -> None:
        poll.poll()
        time.sleep(LAST)
        os._exit(1)

    threading.Thread(target=watch, name="server's end", daemon=True).start()


def main() -> None:
    """Run the process."""
    sock = socket.socket(fileno=int(sys.argv[1]))
    sock.set_inheritable(False)  # the programs of checks have no business with it
    sock.setblocking(False)  # noqa: FBT003
    end_with(sock)
    raise_file_limit()
    with suppress(KeyboardInterrupt):
        uvloop.run(_run(sock))


async def _run(sock: socket.socket) -> None:
    await Worker().run(sock)


if __name__ == "__main__":
    main()
