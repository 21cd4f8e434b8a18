"""`dnslb undrain`: have checks decide again on a backend or pool."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from dnslb.cli.client import running
from dnslb.cli.completing import pools
from dnslb.cli.states import change

if TYPE_CHECKING:
    from dnslb.cli.client import Client

__all__ = ["command"]


@click.command("undrain", short_help="Have checks decide again on a backend or pool.")
@click.argument("what", metavar="BACKEND|POOL...", nargs=-1, required=True, shell_complete=pools)
@click.option("--dry-run", is_flag=True, help="Only show what it would do to the shares.")
@click.option("--zone", help="The zone that is meant, where a name stands in several.")
@running
def command(
    client: Client,
    what: tuple[str, ...],
    dry_run: bool,  # noqa: FBT001 - click's way
    zone: str | None,
) -> None:
    """End what the operator wanted of BACKEND (pool/name) or POOL, globs allowed."""
    change(client, what, {"state": "auto", "dry_run": dry_run}, zone)
