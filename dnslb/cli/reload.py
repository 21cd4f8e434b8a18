"""`dnslb reload`: have the running server read its configuration anew."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import click

from dnslb.cli.client import RefusedError, running
from dnslb.config.describe import counted

if TYPE_CHECKING:
    from dnslb.cli.client import Client

__all__ = ["command"]


@click.command("reload", short_help="Have the running server read its configuration anew.")
@running
def command(client: Client) -> None:
    """Have the running server read its configuration anew: all of it, or nothing changes.

    Prints what changed. Exits with 2 when the configuration has problems, which it prints.
    """
    try:
        done = client.send("POST", "reload")
    except RefusedError as error:
        if error.code != "config":
            raise
        for problem in error.problems:
            click.echo(problem, err=True)
        click.echo(f"dnslb: {error}", err=True)
        sys.exit(2)
    for change in done["changes"]:
        detail = f": {change['detail']}" if change["detail"] else ""
        click.echo(f"{change['kind']} {change['happened']}: {change['name']}{detail}")
    click.echo(f"reloaded: {counted(len(done['changes']), 'change')}")
