"""Problems of a configuration, each with its place."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

__all__ = ["Problem", "Report", "Signature", "shown"]

Signature = tuple[int, ...] | None
"""What tells one content of a file from another; None: it cannot be looked at."""


@dataclass(frozen=True, slots=True, order=True)
class Problem:
    """What is wrong, where, and what to do. Problems sort by file, line and column."""

    path: Path
    line: int  # from 1
    column: int  # from 1, in characters
    message: str
    key: str = ""  # the path of keys that leads there: `pools.europe.members[1].weight`

    def __str__(self) -> str:
        """`file:line:column: key: message`, the file relative to the current folder if inside."""
        key = f"{self.key}: " if self.key else ""
        return f"{self.where}: {key}{self.message}"

    @property
    def where(self) -> str:
        """`file:line:column`, as editors and compilers write it."""
        return f"{shown(self.path)}:{self.line}:{self.column}"

    def as_warning(self) -> str:
        """As `str` gives it, marked as a warning."""
        key = f"{self.key}: " if self.key else ""
        return f"{self.where}: warning: {key}{self.message}"


@dataclass(slots=True)
class Report:
    """Where readers put what they find; the same finding twice counts once."""

    problems: dict[Problem, None] = field(default_factory=dict)
    warnings: dict[Problem, None] = field(default_factory=dict)
    read: dict[Path, Signature] = field(default_factory=dict)  # files and folders, as they were

    def problem(
        self, path: Path, message: str, line: int = 1, column: int = 1, key: str = ""
    ) -> None:
        """Add what keeps the configuration from being used."""
        self.problems[Problem(path, line, column, message, key)] = None

    def warning(
        self, path: Path, message: str, line: int = 1, column: int = 1, key: str = ""
    ) -> None:
        """Add what the operator should know, though it can be used."""
        self.warnings[Problem(path, line, column, message, key)] = None


def shown(path: Path) -> str:
    """`path` as people read it: relative to the current folder when it is inside."""
    try:
        return str(path.absolute().relative_to(Path.cwd()))
    except (OSError, ValueError):
        return str(path)
