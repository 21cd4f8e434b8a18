"""Logs: one line an event on standard error, for people or, as JSON, for machines.

A message that repeats itself is suppressed for a while, and counted: neither a disk nor a reader
should drown in what a fault says thousands of times.
"""

from __future__ import annotations

import asyncio
import json
import logging
import sys
import threading
import time
from datetime import datetime, timezone
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Literal

__all__ = ["Repeats", "configure", "summarize"]

WINDOW: Final = 10.0
"""Seconds within which messages count as repeated."""

SAME: Final = 20
"""How often the same text is logged within that time."""

ALIKE: Final = 500
"""How many messages are that differ only in what they are about: a rack of backends that goes down
is told one by one."""

UNBOUND: Final = "dnslb.audit"
"""The logger of what operators do, of which nothing is left out."""


def configure(
    level: Literal["debug", "info", "warning", "error"] = "info",
    form: Literal["text", "json"] = "text",
) -> None:
    """Send dnslb's logs, from `level` on, to standard error; a second call replaces the first."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(_Json() if form == "json" else _Text())
    logger = logging.getLogger("dnslb")
    for old in logger.handlers:
        _tell(old)
    if level != "debug":
        handler.addFilter(Repeats())
    logger.handlers[:] = [handler]
    logger.setLevel(level.upper())
    logger.propagate = False


async def summarize() -> None:
    """Say again and again what was left out, until cancelled."""
    while True:
        await asyncio.sleep(WINDOW)
        for handler in logging.getLogger("dnslb").handlers:
            _tell(handler)


def _tell(handler: logging.Handler) -> None:
    for one in handler.filters:
        if isinstance(one, Repeats):
            for record in one.summaries():
                handler.handle(record)


class Repeats(logging.Filter):
    """Lets a message through so often within a window, and counts the others."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        super().__init__()
        self._clock = clock
        self._lock = threading.Lock()
        self._began = clock()
        self._alike: dict[tuple[str, int, str], int] = {}
        self._same: dict[tuple[str, int, str], int] = {}
        self._left_out: dict[tuple[str, int, str], int] = {}

    def filter(self, record: logging.LogRecord) -> bool:
        """Whether `record` is logged."""
        if record.name == UNBOUND or getattr(record, "is_summary", False):
            return True
        template = record.name, record.levelno, str(record.msg)
        text = record.name, record.levelno, record.getMessage()
        with self._lock:
            if self._clock() - self._began >= WINDOW:
                self._began = self._clock()
                self._alike.clear()
                self._same.clear()
            alike = self._alike[template] = self._alike.get(template, 0) + 1
            same = self._same.get(text, 0) + 1
            if alike <= ALIKE:  # so that what is remembered is bounded too
                self._same[text] = same
            if alike <= ALIKE and same <= SAME:
                return True
            key = text if same > SAME else template
            self._left_out[key] = self._left_out.get(key, 0) + 1
            return False

    def summaries(self) -> list[logging.LogRecord]:
        """What was left out since the last call."""
        with self._lock:
            left_out, self._left_out = self._left_out, {}
        return [
            _summary(name, level, text, count) for (name, level, text), count in left_out.items()
        ]


def _summary(name: str, level: int, text: str, count: int) -> logging.LogRecord:
    message = "%d more times: %s"
    record = logging.LogRecord(name, level, "", 0, message, (count, text), None)
    record.is_summary = True
    return record


def _time(record: logging.LogRecord) -> str:
    moment = datetime.fromtimestamp(record.created, timezone.utc)
    return moment.strftime("%Y-%m-%dT%H:%M:%S.") + f"{int(record.msecs):03d}Z"


class _Text(logging.Formatter):
    def format(self, record: logging.LogRecord) -> str:
        line = f"{_time(record)} {record.levelname.lower():7} {record.getMessage()}"
        if record.exc_info:
            line += "\n" + self.formatException(record.exc_info)
        return line


class _Json(logging.Formatter):
    def format(self, record: logging.LogRecord) -> str:
        event = {
            "time": _time(record),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": record.getMessage(),
        }
        if record.exc_info:
            event["traceback"] = self.formatException(record.exc_info)
        return json.dumps(event, ensure_ascii=False)
