"""`dnslb status`: how the running server is, its services and its backends."""

from __future__ import annotations

import json
import time
from datetime import datetime, timezone
from typing import TYPE_CHECKING, Any, Final

import click
from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.markup import escape
from rich.table import Table
from rich.text import Text

from dnslb.cli.client import running
from dnslb.cli.completing import pools

if TYPE_CHECKING:
    from dnslb.cli.client import Client

__all__ = ["command", "duration"]

EVERY: Final = 2.0
"""Seconds between two looks."""


@click.command("status", short_help="Show the running server, its services and backends.")
@click.argument("pool", required=False, shell_complete=pools)
@click.option("--down", is_flag=True, help="Only backends that are not in answers.")
@click.option("--json", "as_json", is_flag=True, help="Everything, for programs.")
@click.option("--watch", is_flag=True, help="Go on showing it, until you stop it.")
@running
def command(
    client: Client,
    pool: str | None,
    down: bool,  # noqa: FBT001 - click's way
    as_json: bool,  # noqa: FBT001
    watch: bool,  # noqa: FBT001
) -> None:
    """Show the running server, its services, and its backends, or those of POOL."""
    if as_json:
        click.echo(json.dumps(_all(client, pool), indent=2))
        return
    console = Console(highlight=False)
    if not watch:
        console.print(_screen(_all(client, pool), down=down))
        return
    with Live(console=console, auto_refresh=False, screen=console.is_terminal) as live:
        while True:
            live.update(_screen(_all(client, pool), down=down), refresh=True)
            time.sleep(EVERY)


def _all(client: Client, pool: str | None) -> dict[str, Any]:
    return {
        "status": client.get("status"),
        "services": client.get("services")["services"],
        "backends": client.get("backends", pool=pool)["backends"],
    }


def _screen(told: dict[str, Any], *, down: bool) -> RenderableType:
    status = told["status"]
    rate = sum(status["queries"].values())
    head = [
        Text(
            f"dnslb {status['version']}, answering for {duration(status['since'])}: "
            f"{rate:.0f} queries/s, {status['backends']} backends, {status['down']} down"
        )
    ]
    if status["isolated"]:
        head.append(Text("isolated: all canaries fail, so verdicts stay as they are", "bold red"))
    for one in status["frozen"]:
        words = f"pool {one['pool']} frozen: {', '.join(one['held'])} held up"
        head.append(Text(words, "bold yellow"))
    return Group(*head, Text(), _services(told["services"]), Text(), _backends(told, down=down))


def _services(services: list[dict[str, Any]]) -> Table:
    table = Table("service", "", "strategy", "ttl", "answers/s", box=None, pad_edge=False)
    table.columns[3].justify = table.columns[4].justify = "right"
    for one in services:
        name = f"{one['name']}.{one['zone']}" if one["name"] != "@" else one["zone"]
        table.add_row(
            escape(name),
            _up(one["up"]),
            f"{one['pool']} {one['strategy']}",
            str(one["ttl"]),
            f"{one['rate']:.1f}",
        )
    return table


def _backends(told: dict[str, Any], *, down: bool) -> Table:
    table = Table("backend", "", "since", "answers/s", "why", box=None, pad_edge=False)
    table.columns[3].justify = "right"
    for one in told["backends"]:
        serves = set(one["serves"]) == set(one["verdict"])
        if down and serves:
            continue
        table.add_row(
            escape(f"{one['pool']}/{one['name']}"),
            _verdict(one, serves=serves),
            duration(one["since"]) if one["since"] else "",
            f"{one['rate']:.1f}",
            escape(_why(one)),
        )
    return table


def _up(up: bool) -> str:  # noqa: FBT001 - one of two
    return "[green]up[/]" if up else "[red]down[/]"


def _verdict(one: dict[str, Any], *, serves: bool) -> str:
    if one["state"] != "auto":
        return f"[yellow]{one['state']}[/]"
    if serves:
        return _up(up=True)
    up = [family for family in one["verdict"] if family in one["serves"]]
    return f"[yellow]{up[0]} only[/]" if up else _up(up=False)


def _why(one: dict[str, Any]) -> str:
    words = [one["state_reason"], one["reason"]]
    if one["finish"] and one["finish"]["seconds"]:
        words.insert(0, f"cached for {one['finish']['seconds']:.0f}s more")
    return "; ".join(word for word in words if word)


def duration(since: str | None) -> str:
    """How long ago `since`, in ISO 8601, is: `5s`, `3m`, `7h`, `12d`."""
    if since is None:
        return "no time"
    passed = (datetime.now(timezone.utc) - datetime.fromisoformat(since)).total_seconds()
    for size, unit in ((86_400, "d"), (3_600, "h"), (60, "m")):
        if passed >= 2 * size:
            return f"{passed / size:.0f}{unit}"
    return f"{max(0.0, passed):.0f}s"
