"""`dnslb drain`: no new answers with a backend or pool; cached ones run out."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from dnslb.cli.client import running
from dnslb.cli.completing import pools
from dnslb.cli.states import change, wait

if TYPE_CHECKING:
    from dnslb.cli.client import Client

__all__ = ["command"]


@click.command("drain", short_help="Give out no new answers with a backend or pool.")
@click.argument("what", metavar="BACKEND|POOL...", nargs=-1, required=True, shell_complete=pools)
@click.option("--reason", default="", help="Why, for those who look at it later.")
@click.option("--until", metavar="TIME", help="When it ends by itself: 30m, 2026-01-31T12:00:00Z.")
@click.option("--dry-run", is_flag=True, help="Only show what it would do to the shares.")
@click.option("--force", is_flag=True, help="Also when less than `min_up` would be left.")
@click.option("--wait", "waits", is_flag=True, help="Wait until no cached answer is left.")
@click.option("--zone", help="The zone that is meant, where a name stands in several.")
@running
def command(
    client: Client,
    what: tuple[str, ...],
    reason: str,
    until: str | None,
    dry_run: bool,  # noqa: FBT001 - click's way
    force: bool,  # noqa: FBT001
    waits: bool,  # noqa: FBT001
    zone: str | None,
) -> None:
    """Give out no new answers with BACKEND (pool/name) or POOL, globs allowed: 'europe/*'.

    Answers that resolvers have cached run out by their TTL; --wait counts down to that.
    """
    body = {"state": "drain", "reason": reason, "dry_run": dry_run, "force": force}
    if until is not None:
        body["until"] = until
    change(client, what, body, zone)
    if waits and not dry_run:
        wait(client, what, zone)
