"""`dnslb serve`: run the server."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING

import click
import uvloop

from dnslb import log, server
from dnslb.cli.arguments import CONFIG, DEFAULT_CONFIG

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["command"]


@click.command("serve", short_help="Run the server.")
@click.argument("config", type=CONFIG, default=DEFAULT_CONFIG, metavar="[CONFIG]")
def command(config: Path) -> None:
    """Run the server that CONFIG (default dnslb.yaml) describes.

    Prints one `ready` line when it answers. SIGHUP reloads the configuration, all of it or nothing;
    SIGTERM answers what has been received and stops.
    """
    log.configure()
    uvloop.run(server.serve(config, _say))


def _say(line: str) -> None:
    # whoever reads the line may be gone, or their disk full: no reason to stop answering
    with contextlib.suppress(OSError):
        print(line, flush=True)
