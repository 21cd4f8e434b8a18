"""What processes took: CPU time and memory, of a server with all that it started."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

__all__ = ["TICKS", "family", "peak", "ticks"]

TICKS: Final = os.sysconf("SC_CLK_TCK")


def family(pid: int) -> Iterator[int]:
    """A process and all below it."""
    yield pid
    for children in _texts(Path(f"/proc/{pid}/task").glob("*/children")):
        for child in children.split():
            yield from family(int(child))


def ticks(pid: int) -> tuple[int, int]:
    """Clock ticks that a family spent in user mode and in the kernel.

    The share of user mode is that of its threads: the kernel divides a process's time as it was
    over its whole life, and the start of an interpreter is not what answers cost. The time of
    threads that have ended counts as the kernel's.
    """
    user = total = 0
    for member in family(pid):
        there = Path(f"/proc/{member}")
        user += sum(_ticks(stat)[0] for stat in _texts(there.glob("task/*/stat")))
        total += sum(sum(_ticks(stat)) for stat in _texts([there / "stat"]))
    return user, total - user


def _texts(paths: Iterable[Path]) -> Iterator[str]:
    """What the files say, but for those of threads and processes that end meanwhile."""
    for path in paths:
        try:
            text = path.read_text()
        except (FileNotFoundError, ProcessLookupError):
            continue
        yield text


def _ticks(stat: str) -> tuple[int, int]:
    # proc_pid_stat(5): behind the command's name, which may hold anything, is field 3
    fields = stat.rpartition(")")[2].split()
    return int(fields[14 - 3]), int(fields[15 - 3])


def peak(pid: int) -> int:
    """The most memory that a process had, in octets."""
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    (line,) = [line for line in lines if line.startswith("VmHWM")]
    return int(line.split()[1]) * 1024
