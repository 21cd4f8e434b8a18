"""`dnslb top`: live queries, who asks for what, and what happens."""

from __future__ import annotations

import threading
import time
from collections import deque
from typing import TYPE_CHECKING, Any, Final

import click
from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.markup import escape
from rich.table import Table
from rich.text import Text

from dnslb.cli.client import RefusedError, running
from dnslb.errors import DnslbError

if TYPE_CHECKING:
    from dnslb.cli.client import Client

__all__ = ["command"]

EVERY: Final = 2.0
"""Seconds between two looks."""

SHOWN: Final = 8
"""Lines of each kind."""


@click.command("top", short_help="Show live queries, answers and verdicts.")
@click.option("--times", type=click.IntRange(1), help="Look so often and end; default no end.")
@running
def command(client: Client, times: int | None) -> None:
    """Show live queries by rcode, busiest names, networks and backends, and what happens."""
    console = Console(highlight=False)
    happened: deque[str] = deque(maxlen=SHOWN)
    client.get("status")  # an error is told before the screen is cleared
    threading.Thread(target=_listen, args=(client, happened), daemon=True).start()
    with Live(console=console, auto_refresh=False, screen=console.is_terminal) as live:
        looked = 0
        while times is None or looked < times:
            if looked:
                time.sleep(EVERY)
            live.update(_screen(client, list(happened)), refresh=True)
            looked += 1


def _listen(client: Client, happened: deque[str]) -> None:
    while True:
        try:
            for kind, data in client.events("verdict,service,state,frozen,thawed,isolated,reload"):
                happened.append(f"{data['at'][11:19]} {_event(kind, data)}")
        except DnslbError:
            pass  # the screen's own questions tell that it is gone
        time.sleep(EVERY)


def _event(kind: str, data: dict[str, Any]) -> str:
    if kind == "verdict":
        what = f"down over {' and '.join(data['down'])}: {data['reason']}" if data["down"] else "up"
        return f"{data['pool']}/{data['backend']} {what}"
    if kind == "service":
        return f"service {data['service']} {'up' if data['up'] else 'down'}"
    if kind == "state":
        name = data["pool"] if data["backend"] is None else f"{data['pool']}/{data['backend']}"
        return f"{name}: operator state {data['state']}"
    if kind in {"frozen", "thawed"}:
        return f"pool {data['pool']} {kind}"
    if kind == "isolated":
        return "isolated" if data["isolated"] else "no longer isolated"
    return "reloaded" if data["ok"] else "a reload was refused"


def _screen(client: Client, happened: list[str]) -> RenderableType:
    status = client.get("status")
    backends = client.get("backends")["backends"]
    queries = {rcode: rate for rcode, rate in status["queries"].items() if rate}
    rates = "  ".join(f"{rcode} {rate:.1f}" for rcode, rate in sorted(queries.items()))
    parts: list[RenderableType] = [Text(f"{sum(queries.values()):.1f} queries/s  {rates}"), Text()]
    busy = sorted(backends, key=lambda one: -one["rate"])[:SHOWN]
    table = Table("backend", "answers/s", box=None, pad_edge=False)
    for one in busy:
        table.add_row(escape(f"{one['pool']}/{one['name']}"), f"{one['rate']:.1f}")
    parts.append(table)
    try:
        top = client.get("top", limit=str(SHOWN))
    except RefusedError:
        pass  # it is not watched
    else:
        for kind in ("names", "networks", "countries"):
            table = Table(kind, "queries/s", "share", box=None, pad_edge=False)
            for one in top[kind]:
                name = f"{one['name']} {one['type']}" if "type" in one else one["name"]
                table.add_row(escape(name), f"{one['rate']:.1f}", f"{one['share'] * 100:.1f} %")
            if top[kind]:
                parts += [Text(), table]
    if happened:
        parts += [Text(), *map(Text, happened)]
    return Group(*parts)
