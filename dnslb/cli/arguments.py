"""What several verbs take."""

from __future__ import annotations

from pathlib import Path
from typing import Final

import click

__all__ = ["CONFIG", "DEFAULT_CONFIG"]

CONFIG: Final = click.Path(path_type=Path, readable=False)
"""The server's file. That it cannot be read is told by the loader, with its place."""

DEFAULT_CONFIG: Final = Path("dnslb.yaml")
