"""`dnslb serve`: run the server."""

from __future__ import annotations

from pathlib import Path

import click
import uvloop

from dnslb import log, server

__all__ = ["command"]


@click.command("serve")
@click.argument(
    "config", type=click.Path(path_type=Path), default=Path("dnslb.yaml"), metavar="[CONFIG]"
)
def command(config: Path) -> None:
    """Run the server that CONFIG (default dnslb.yaml) describes.

    Prints one `ready` line when it answers. SIGHUP reloads the configuration, all of it or nothing;
    SIGTERM answers what has been received and stops.
    """
    log.configure()
    uvloop.run(server.serve(config, click.echo))
