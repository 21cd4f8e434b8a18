"""How many files the process may have open."""

from __future__ import annotations

import resource
from contextlib import suppress
from typing import Final

__all__ = ["raise_file_limit"]

MAX_FILES: Final = 65_536
"""Open files that are asked for, at the most."""


def raise_file_limit() -> None:
    """Allow ourselves as many open files as the system does.

    Each TCP client and each probe in flight has one, and the usual soft limit of 1,024 is there for
    programs that use select(2).
    """
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = MAX_FILES if hard == resource.RLIM_INFINITY else min(hard, MAX_FILES)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        with suppress(ValueError, OSError):
            resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
