"""Files that only the server should read."""

from __future__ import annotations

import stat
from contextlib import suppress
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

    from dnslb.config.spot import Spot

__all__ = ["check_mode"]


def check_mode(file: Path, spot: Spot, danger: str) -> None:
    """Warn of a file of secrets that everybody may read, and of the `danger` in that."""
    with suppress(OSError):  # it has gone meanwhile
        if file.stat().st_mode & stat.S_IROTH:
            spot.warning(f"everybody may read {file.name}; {danger}")
