"""Files of the configuration that change while the server runs.

A file that is being written, or one of several that are to change together, changes from look to
look; so nothing is told before all have stayed the same for one look.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from pathlib import Path

    from dnslb.config.model import Config

__all__ = ["changed", "signatures"]

INTERVAL: Final = 1.0
"""Seconds between two looks."""

Signature = tuple[int, ...] | None
"""What tells one content from another, as far as the system knows without reading it."""


async def changed(config: Callable[[], Config]) -> None:
    """Wait until files have changed since this call, while `config` wants to hear of it.

    Those of a configuration that is put in force meanwhile count as they are at that time.
    """
    current = None
    known: dict[Path, Signature] = {}
    before: dict[Path, Signature] | None = None
    while True:
        now = config()
        if now is not current:
            current, before = now, None
            known = await asyncio.to_thread(signatures, now.files)
        await asyncio.sleep(INTERVAL)
        if config() is not current or now.reload != "on-change":
            continue
        found = await asyncio.to_thread(signatures, now.files)
        if found != known and found == before:
            return
        before = found


def signatures(files: Iterable[Path]) -> dict[Path, Signature]:
    """The signature of each of `files`, and of what is in those that are folders."""
    found: dict[Path, Signature] = {}
    for file in files:
        found[file] = _signature(file)
        try:
            inside = [*file.iterdir()]
        except OSError:
            continue
        found.update((path, _signature(path)) for path in inside)
    return found


def _signature(file: Path) -> Signature:
    try:
        status = file.stat()
    except OSError:
        return None
    return status.st_ino, status.st_size, status.st_mtime_ns, status.st_ctime_ns
