"""Running the demo: backends, server, a client that keeps asking, and the screen."""

from __future__ import annotations

import asyncio
import logging
import signal
import socket
import tempfile
from collections import deque
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Final

from dnslib import DNSError, DNSRecord
from rich.console import Console
from rich.live import Live

from dnslb.config.load import load
from dnslb.config.model import BackendId
from dnslb.demo.backends import make_backends
from dnslb.demo.files import ZONE, write
from dnslb.demo.screen import Events, Row, dig_lines, keys, render, summary
from dnslb.errors import ListenError
from dnslb.server import Server
from dnslb.waiting import happens

if TYPE_CHECKING:
    from collections.abc import Coroutine, Sequence

    from rich.console import RenderableType

    from dnslb.demo.backends import DemoBackend

__all__ = ["run"]

PORT: Final = 5300
"""Where the demo answers, unless something else does."""

API_PORT: Final = 8053
"""Where its dashboard is, likewise."""

ASK_EVERY: Final = 0.2
"""Seconds between two queries of the demo's own."""

REFRESH: Final = 0.25
"""Seconds between two looks of the screen at what happens."""

WINDOW: Final = 10.0
"""Seconds over which shares are shown."""

SUMMARY_EVERY: Final = 2.0
"""Seconds between two lines where output is no terminal."""


async def run(seconds: float | None) -> None:
    """Run the demo for `seconds`, or until q, SIGINT or SIGTERM."""
    with tempfile.TemporaryDirectory(prefix="dnslb-demo-") as folder:
        demo = _Demo(make_backends())
        try:
            await demo.start(Path(folder))
            await demo.show(seconds)
        finally:
            await demo.stop()


class _Demo:
    def __init__(self, backends: Sequence[DemoBackend]) -> None:
        self._backends = backends
        self._server: Server | None = None
        self._config = Path()
        self._done = asyncio.Event()
        self._recent: deque[str] = deque(maxlen=9)
        self._tasks: set[asyncio.Task[object]] = set()
        self._events = Events(6)
        self._past: deque[dict[str, int]] = deque(maxlen=round(WINDOW / REFRESH))

    async def start(self, folder: Path) -> None:
        """Start backends and server; returns when it answers."""
        logger = logging.getLogger("dnslb")
        logger.addHandler(self._events)
        logger.setLevel(logging.INFO)
        for backend in self._backends:
            await backend.start()
        try:
            self._server = await self._serve(folder, PORT, API_PORT)
        except ListenError:
            self._server = await self._serve(folder, 0, 0)
        loop = asyncio.get_running_loop()
        for number in (signal.SIGINT, signal.SIGTERM):
            loop.add_signal_handler(number, self._done.set)

    async def _serve(self, folder: Path, port: int, api: int) -> Server:
        self._config = write(folder, port, api, self._backends)
        config, _ = load(self._config)
        server = Server(config)
        try:
            server.bind()
            await server.start()
        except BaseException:
            await server.stop()
            raise
        return server

    async def show(self, seconds: float | None) -> None:
        """Show what happens until it is to end."""
        console = Console()
        if seconds is not None:
            asyncio.get_running_loop().call_later(seconds, self._done.set)
        self._spawn(self._ask())
        with keys(self._pressed):
            if console.is_terminal:
                await self._live(console)
            else:
                await self._lines(console)

    async def stop(self) -> None:
        """End everything that was started."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        if self._server:
            await self._server.stop()
        for backend in self._backends:
            await backend.stop()
        logging.getLogger("dnslb").removeHandler(self._events)

    async def _live(self, console: Console) -> None:
        with Live(self._screen(), console=console, screen=True, auto_refresh=False) as live:
            while not self._done.is_set():
                live.update(self._screen(), refresh=True)
                await self._pause(REFRESH)

    async def _lines(self, console: Console) -> None:
        for line, what in dig_lines(self._port):
            console.print(f"{line}  # {what}", soft_wrap=True, highlight=False)
        console.print(f"{self._page}  # the dashboard", soft_wrap=True, highlight=False)
        console.print(f"ready: 127.0.0.1:{self._port}: type 1, 2 or 3 to stop or start a backend")
        before: dict[str, int] = {}
        while not self._done.is_set():
            await self._pause(SUMMARY_EVERY)
            rows = self._rows()
            console.print(summary(rows, before), soft_wrap=True, highlight=False)
            before = {row.backend.name: row.answers for row in rows}

    async def _pause(self, seconds: float) -> None:
        await happens(self._done, seconds)

    @property
    def _port(self) -> int:
        return self._server.listening[0].port if self._server else 0

    @property
    def _page(self) -> str:
        """Where the dashboard is."""
        return f"http://{self._server.api}/" if self._server else ""

    def _screen(self) -> RenderableType:
        zone = str(self._config.parent / "zones" / f"{ZONE}.yaml")
        rows = self._rows()
        return render(rows, self._recent, self._events.lines, self._port, self._page, zone)

    def _rows(self) -> list[Row]:
        if self._server is None:
            return []
        standings = self._server.monitor.standings()
        answers = self._server.stats()["answers"]
        counts = {
            backend.name: answers.get((f"{ZONE}.", "www", "www", backend.name), 0)
            for backend in self._backends
        }
        self._past.append(counts)
        rows = []
        for backend in self._backends:
            standing = standings.get(BackendId(f"{ZONE}.", "www", backend.name))
            rows.append(
                Row(
                    backend,
                    up=not (standing and standing.down),
                    reason=standing.reason if standing else "",
                    answers=counts[backend.name],
                    lately=counts[backend.name] - self._past[0][backend.name],
                )
            )
        return rows

    def _pressed(self, key: str) -> None:
        if key in {"q", "\x03", "\x04"}:
            self._done.set()
        elif key == "r" and self._server:
            self._spawn(self._server.reload())
        elif key.isdigit() and 1 <= int(key) <= len(self._backends):
            backend = self._backends[int(key) - 1]
            self._spawn(backend.stop() if backend.running else backend.start())

    def _spawn(self, work: Coroutine[object, object, object]) -> None:
        task = asyncio.ensure_future(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _ask(self) -> None:
        """Ask for www over and over, with real packets, and keep the answers."""
        loop = asyncio.get_running_loop()
        names = {backend.host: backend.name for backend in self._backends}
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as client:
            client.settimeout(0)
            client.connect(("127.0.0.1", self._port))
            while True:
                await loop.sock_sendall(client, DNSRecord.question(f"www.{ZONE}").pack())
                with suppress(asyncio.TimeoutError, OSError, DNSError):
                    reply = await asyncio.wait_for(loop.sock_recv(client, 4096), 1)
                    found = [str(record.rdata) for record in DNSRecord.parse(reply).rr]
                    self._recent.append(names.get(found[0], found[0]) if found else "nothing")
                await asyncio.sleep(ASK_EVERY)
