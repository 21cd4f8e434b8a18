"""Kinds of files, told by their names."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["JSON", "MASTER", "ZONES", "is_zone"]

JSON: Final = {".json"}
MASTER: Final = {".zone"}
ZONES: Final = {".yaml", ".yml"} | JSON | MASTER

SCHEMA: Final = "schema.json"
"""Where `dnslb schema` is kept for editors, beside the zones that it is of."""


def is_zone(file: Path) -> bool:
    """Whether a file in a folder of zones is one."""
    name = file.name
    if name.startswith(".") or name == SCHEMA or name.endswith(f".{SCHEMA}"):
        return False
    return file.suffix in ZONES
