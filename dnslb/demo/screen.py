"""What the demo shows, and the keys it listens to."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import sys
import termios
import time
import tty
from collections import deque
from typing import TYPE_CHECKING, Final

from rich.console import Group
from rich.markup import escape
from rich.table import Table
from rich.text import Text

from dnslb.demo.files import POOLS, ZONE

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from rich.console import RenderableType

    from dnslb.demo.backends import DemoBackend

__all__ = ["Events", "Row", "dig_lines", "keys", "render", "summary"]

BAR: Final = 12
"""Cells of the bar that stands for all answers."""


class Row:
    """What is known of one backend now."""

    def __init__(
        self, backend: DemoBackend, *, up: bool, reason: str, answers: int, lately: int
    ) -> None:
        self.backend = backend
        self.up = up
        self.reason = reason
        self.answers = answers  # since the start
        self.lately = lately  # in the last seconds


class Events(logging.Handler):
    """Keeps the last log lines, for the screen."""

    def __init__(self, count: int) -> None:
        super().__init__(logging.INFO)
        self.lines: deque[str] = deque(maxlen=count)

    def emit(self, record: logging.LogRecord) -> None:
        """Keep one line; of the pools, which all have the same backends, that of www speaks."""
        if record.getMessage().startswith("backend ") and "backend www/" not in record.getMessage():
            return
        clock = time.strftime("%H:%M:%S", time.localtime(record.created))
        self.lines.append(f"{clock} {record.getMessage()}")


def dig_lines(port: int) -> list[tuple[str, str]]:
    """The lines to type, and what they show."""
    return [
        (f"dig @127.0.0.1 -p {port} +short {name}.{ZONE}", f"{strategy}: {what}")
        for name, (strategy, what) in POOLS.items()
    ]


def render(
    rows: Sequence[Row],
    recent: Sequence[str],
    events: Sequence[str],
    port: int,
    page: str,
    zone: str,
) -> RenderableType:
    """The whole screen; the dashboard is at `page`."""
    table = Table(box=None, pad_edge=False, header_style="bold")
    for heading in (
        "key",
        "backend",
        "address",
        "weight",
        "verdict",
        "last 10 s",
        "answers",
        "",
    ):
        table.add_column(heading, justify="right" if heading in {"weight", "answers"} else "left")
    total = sum(row.lately for row in rows) or 1
    for key, row in enumerate(rows, 1):
        backend = row.backend
        filled = round(BAR * row.lately / total)
        table.add_row(
            str(key),
            backend.name,
            f"{backend.host}:{backend.port}",
            str(backend.weight),
            Text("up", "green") if row.up else Text("down", "red"),
            Text("█" * filled, "cyan") + Text("░" * (BAR - filled), "dim"),
            str(row.answers),
            Text(row.reason.partition(":")[0], "red"),
        )
    digs = Table(box=None, pad_edge=False, show_header=False)
    digs.add_column(no_wrap=True, min_width=max(len(line) for line, _ in dig_lines(port)))
    digs.add_column(no_wrap=True, overflow="ellipsis")
    for line, what in dig_lines(port):
        digs.add_row(Text(line, "bold"), Text(f"# {what}", "dim"))
    return Group(
        Text("dnslb demo: keys 1 2 3 stop and start a backend, r reloads, q quits", "bold"),
        "",
        table,
        "",
        Text(f"www.{ZONE} answers  ", "bold") + Text(" ".join(recent)),
        "",
        Text("Try in another terminal", "bold"),
        digs,
        Text(f"{page:<{len(dig_lines(port)[0][0])}}", "bold") + Text("  # the dashboard", "dim"),
        Text(f"curl http://{rows[0].backend.host}:{rows[0].backend.port}/", "bold"),
        "",
        Text(f"The zone is {zone}: change it and press r", "dim"),
        *(escape(line) for line in events),
    )


def summary(rows: Sequence[Row], before: Mapping[str, int]) -> str:
    """One line about the answers since `before`, for output that is no terminal."""
    counts = {row.backend.name: row.answers - before.get(row.backend.name, 0) for row in rows}
    total = sum(counts.values()) or 1
    shares = ", ".join(f"{name} {100 * count / total:.0f} %" for name, count in counts.items())
    down = ", ".join(f"{row.backend.name} is down ({row.reason})" for row in rows if not row.up)
    return f"www.{ZONE}: {shares}" + (f"; {down}" if down else "")


@contextlib.contextmanager
def keys(pressed: Callable[[str], None]) -> Iterator[None]:
    """Call `pressed` with each key, or each character of an input that is no terminal.

    The end of standard input means nothing: a demo without a keyboard goes on.
    """
    loop = asyncio.get_running_loop()
    try:
        descriptor = sys.stdin.fileno()
    except (AttributeError, OSError, ValueError):
        yield
        return
    before = termios.tcgetattr(descriptor) if os.isatty(descriptor) else None

    def read() -> None:
        data = os.read(descriptor, 64)
        if not data:
            loop.remove_reader(descriptor)
        for key in data.decode(errors="replace"):
            pressed(key)

    if before:
        tty.setcbreak(descriptor)
    try:
        # a file or /dev/null cannot be waited for
        with contextlib.suppress(PermissionError, OSError):
            loop.add_reader(descriptor, read)
        yield
    finally:
        with contextlib.suppress(ValueError, OSError):
            loop.remove_reader(descriptor)
        if before:
            termios.tcsetattr(descriptor, termios.TCSADRAIN, before)
