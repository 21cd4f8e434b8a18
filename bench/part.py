"""What a part of the bench is, what it is told, and what it tells."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from servers import Server

__all__ = ["SKIPPED", "Part", "Report", "Settings", "SkipPart"]

SKIPPED: Final = 77
"""The exit status of a script that cannot measure here, and says why on its standard error."""


class SkipPart(Exception):  # noqa: N818 - nothing went wrong
    """A part that cannot be measured on this machine."""


@dataclass(frozen=True)
class Settings:
    """How a part is run."""

    rounds: int
    seconds: float  # of load for each server
    folder: Path  # for files of its own, and removed afterwards
    only: frozenset[str] | None = None  # servers by name; None: all that are here
    outstanding: int = 100  # queries at once

    def present(self, servers: Sequence[Server]) -> list[Server]:
        """Those to measure."""
        wanted = [one for one in servers if self.only is None or one.name in self.only]
        return [server for server in wanted if not server.missing()]


class Report(NamedTuple):
    """What came of a part."""

    text: str  # Markdown: what was done, tables
    verdicts: Sequence[str] = ()  # a line for each figure to reach


@dataclass(frozen=True)
class Part:
    """One section of the results."""

    name: str
    title: str
    about: str  # one line for `--list`
    run: Callable[[Settings], Report]
    servers: Sequence[Server] = ()  # whom it measures
    programs: Sequence[str] = field(default=("dnsperf", "taskset"))  # that it cannot do without
