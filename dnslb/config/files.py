"""Reading text files, with one clear problem for each that cannot be read."""

from __future__ import annotations

import errno
from typing import TYPE_CHECKING, Final

from dnslb.config.watch import signature

if TYPE_CHECKING:
    from pathlib import Path

    from dnslb.config.problem import Report

__all__ = ["is_file", "is_folder", "read_text", "real", "why_unreadable"]

_REASONS: Final = {
    errno.ENOENT: "no such file; create it, or correct its name",
    errno.EISDIR: "is a folder; name a file",
    errno.EACCES: "may not be read; give this user the permission to read it",
    errno.ELOOP: "is a symbolic link that leads to itself",
    errno.ENOTDIR: "no such file; a part of its path is no folder",
}


def read_text(file: Path, report: Report, *, missing: str | None = None) -> str | None:
    """The UTF-8 text in `file`; None when its problem is told, `missing` if it is not there."""
    report.read[file] = signature(file)
    try:
        content = file.read_bytes()
    except OSError as error:
        reason = why_unreadable(error.errno, error.strerror or str(error))
        if error.errno == errno.ENOENT and missing:
            reason = missing
        report.problem(file, reason)
        return None
    except ValueError:  # a NUL in its name
        report.problem(file, "is no file name")
        return None
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        before = content[: error.start]
        line = before.count(b"\n") + 1
        column = len(before[before.rfind(b"\n") + 1 :].decode("utf-8-sig")) + 1
        message = f"is not UTF-8 text (octet {content[error.start]:#04x}); save it as UTF-8"
        report.problem(file, message, line, column)
        return None


def why_unreadable(number: int | None, words: str) -> str:
    """What to do about the system's error `number`, whose own words are `words`."""
    return _REASONS.get(number or 0, words.lower())


def is_folder(path: Path) -> bool:
    """Whether a folder is there; one that this user may not look at is not."""
    try:
        return path.is_dir()
    except OSError:
        return False


def is_file(path: Path) -> bool:
    """Whether a file is there; one that this user may not look at is not."""
    try:
        return path.is_file()
    except OSError:
        return False


def real(path: Path) -> Path:
    """`path` without symbolic links, as far as they lead somewhere."""
    try:
        return path.resolve()
    except (OSError, RuntimeError):  # links that lead to themselves
        return path.absolute()
