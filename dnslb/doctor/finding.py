"""What the doctor found: a subject, how bad it is, and what to do."""

from __future__ import annotations

import enum
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

__all__ = ["Finding", "Level", "error", "exit_code", "note", "ok", "warning"]


class Level(enum.IntEnum):
    """How bad it is; the exit code follows from the worst."""

    OK = 0
    NOTE = 1  # nothing is wrong, or it could not be told
    WARNING = 2  # it works, until something else fails
    ERROR = 3  # some clients get no answer, or a wrong one


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that was looked at."""

    level: Level
    subject: str  # the group: `delegation`, `servers`, `ecs`, ...
    looked: str  # what was looked at, a few words
    found: str  # what there is
    do: str = ""  # what to do about it; empty where there is nothing to do

    def as_json(self) -> dict[str, str]:
        """The finding for scripts."""
        return {
            "level": self.level.name.lower(),
            "subject": self.subject,
            "looked": self.looked,
            "found": self.found,
            "do": self.do,
        }


def ok(subject: str, looked: str, found: str) -> Finding:
    """It is as it should be."""
    return Finding(Level.OK, subject, looked, found)


def note(subject: str, looked: str, found: str, do: str = "") -> Finding:
    """Worth knowing, or not to be told from here."""
    return Finding(Level.NOTE, subject, looked, found, do)


def warning(subject: str, looked: str, found: str, do: str) -> Finding:
    """It works, until something else fails."""
    return Finding(Level.WARNING, subject, looked, found, do)


def error(subject: str, looked: str, found: str, do: str) -> Finding:
    """Some clients get no answer, or a wrong one."""
    return Finding(Level.ERROR, subject, looked, found, do)


def exit_code(findings: Iterable[Finding]) -> int:
    """0: nothing to do; 1: warnings; 2: errors."""
    return max(0, max((finding.level for finding in findings), default=Level.OK) - Level.NOTE)
