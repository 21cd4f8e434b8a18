"""Files of the configuration that change while the server runs.

A file that is being written, or one of several that are to change together, changes from look to
look; so nothing is told before all have stayed the same for one look.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Final

from dnslb.config.kinds import is_zone

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

    from dnslb.config.model import Config
    from dnslb.config.problem import Signature

__all__ = ["Changes", "signature"]

INTERVAL: Final = 1.0
"""Seconds between two looks."""


class Changes:
    """Tells when files are others than those that the configuration in force was read from."""

    def __init__(self, config: Callable[[], Config]) -> None:
        """`config` tells the configuration in force, and with it whether anybody wants to know."""
        self._config = config
        self._of: Config | None = None
        self._known: Mapping[Path, Signature] = {}

    async def next(self) -> None:
        """Wait for a change that was not told yet."""
        before = None
        while True:
            await asyncio.sleep(INTERVAL)
            config = self._config()
            if config is not self._of:
                self._of, self._known, before = config, config.files, None
            if config.reload != "on-change":
                continue
            found = await asyncio.to_thread(_signatures, self._known)
            if found != self._known and found == before:
                self._known = found
                return
            before = found


def _signatures(files: Mapping[Path, Signature]) -> dict[Path, Signature]:
    return {file: signature(file) for file in files}


def signature(path: Path) -> Signature:
    """What tells one content from another without reading it: of a folder, its zones' names."""
    try:
        status = path.stat()
        if path.is_dir():
            names = sorted(file.name for file in path.iterdir() if is_zone(file))
            return (status.st_ino, *(hash(name) for name in names))
    except (OSError, ValueError):  # a NUL in its name
        return None
    return status.st_ino, status.st_size, status.st_mtime_ns, status.st_ctime_ns
