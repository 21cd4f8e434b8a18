"""What `dnslb drain` and `dnslb undrain` share: patterns, effects in a table, the finish line."""

from __future__ import annotations

import fnmatch
import time
from typing import TYPE_CHECKING, Any

import click
from rich.console import Console
from rich.table import Table

from dnslb.cli.client import RefusedError
from dnslb.errors import DnslbError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from dnslb.cli.client import Client

__all__ = ["change", "wait"]


def change(client: Client, patterns: Sequence[str], body: dict[str, Any], zone: str | None) -> None:
    """Give what `patterns` match a state, or say what that would do."""
    verb = "would change" if body.get("dry_run") else "changed"
    for pattern in patterns:
        kind = "backends" if "/" in pattern else "pools"
        try:
            done = client.send("PUT", "states", {**body, kind: pattern}, zone=zone)
        except RefusedError as error:
            if error.code == "min-up":
                raise DnslbError(str(error).replace("force it", "say --force")) from None
            raise
        click.echo(f"{verb}: {', '.join(done['changed'])}")
        show_effect(done["effect"])
        if done["refused"]:
            click.echo(f"refused unless --force: {done['refused']}")


def show_effect(effects: list[dict[str, Any]]) -> None:
    """The shares before and after."""
    if not effects:
        click.echo("no share changes")
        return
    table = Table("service", "backend", "before", "after", box=None, pad_edge=False)
    table.columns[2].justify = table.columns[3].justify = "right"
    for one in effects:
        service = one["service"] + (f" ({one['within']})" if one["within"] else "")
        table.add_row(service, one["backend"], _percent(one["before"]), _percent(one["after"]))
    Console(highlight=False, soft_wrap=True).print(table)


def wait(client: Client, patterns: Sequence[str], zone: str | None) -> None:
    """Wait until the last cached answer with what `patterns` match runs out, counting down."""
    while True:
        backends = client.get("backends", zone=zone)["backends"]
        left = [
            (one["finish"]["seconds"], f"{one['pool']}/{one['name']}")
            for one in backends
            if one["finish"] and any(_matches(pattern, one) for pattern in patterns)
        ]
        seconds, name = max(left, default=(0.0, ""))
        if seconds <= 0:
            click.echo("finished: no answer is cached any more, as far as TTLs are kept to")
            return
        click.echo(f"{name}: the last cached answer runs out in {seconds:.0f}s")
        time.sleep(min(seconds + 0.1, 5.0))


def _matches(pattern: str, backend: dict[str, Any]) -> bool:
    name = f"{backend['pool']}/{backend['name']}" if "/" in pattern else backend["pool"]
    return fnmatch.fnmatchcase(name, pattern)


def _percent(share: float) -> str:
    return f"{share * 100:.4g} %"
