"""`dnslb serve`: run the server."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING

import click
import uvloop

from dnslb import log
from dnslb.cli.arguments import CONFIG, DEFAULT_CONFIG
from dnslb.serve import serve

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["command"]


@click.command("serve", short_help="Run the server.")
@click.argument("config", type=CONFIG, default=DEFAULT_CONFIG, metavar="[CONFIG]")
@click.option(
    "--replace", is_flag=True, help="Take over from the server that runs, without losing a query."
)
def command(config: Path, *, replace: bool) -> None:
    """Run the server that CONFIG (default dnslb.yaml) describes.

    Prints one `ready` line when it answers. SIGHUP reloads the configuration, all of it or nothing;
    SIGUSR2 replaces the process by a new one, of the program as it is then; SIGTERM answers what
    has been received and stops.
    """
    log.configure()
    uvloop.run(serve(config, _say, replace=replace))


def _say(line: str) -> None:
    # whoever reads the line may be gone, or their disk full: no reason to stop answering
    with contextlib.suppress(OSError):
        print(line, flush=True)
