"""`dnslb explain`: why a name gets the answers it gets."""

from __future__ import annotations

from ipaddress import ip_interface, ip_network
from typing import TYPE_CHECKING

import click
from rich.console import Console
from rich.markup import escape
from rich.table import Table
from rich.tree import Tree

from dnslb.cli.arguments import CONFIG, DEFAULT_CONFIG, DOWN, question, standings
from dnslb.cli.client import client_of
from dnslb.cli.completing import names, types
from dnslb.cli.told import explanation
from dnslb.config.load import load
from dnslb.policy.explain import explain
from dnslb.zone.lookup import Kind

if TYPE_CHECKING:
    from pathlib import Path

    from dnslb.config.model import Address
    from dnslb.policy.explain import Explanation, MemberView, PoolView

__all__ = ["command"]


@click.command("explain", short_help="Explain an answer, step by step.")
@click.argument("name", shell_complete=names)
@click.argument("rtype", metavar="[TYPE]", default="A", shell_complete=types)
@click.option(
    "--client",
    metavar="ADDRESS[/LEN]",
    help="Explain what this client, or client network, gets.",
)
@DOWN
@click.option(
    "--config",
    type=CONFIG,
    default=DEFAULT_CONFIG,
    show_default=True,
    help="The configuration to explain.",
)
@click.option("--live", is_flag=True, help="As the running server answers now.")
def command(
    name: str,
    rtype: str,
    client: str | None,
    down: tuple[str, ...],
    config: Path,
    live: bool,  # noqa: FBT001 - click's way
) -> None:
    """Explain the answers to a question for NAME and TYPE (default A), step by step.

    Reads the configuration and asks no running server: all backends count as up, but for those
    named with --down. With --live the running server explains what it answers now.
    """
    wire, number = question(name, rtype)
    if live:
        if down:
            raise click.UsageError("--live shows what is so, and --down what would be")
        told = client_of(config).get("explain", name=name, type=rtype, client=client)
        show(explanation(told), Console(highlight=False, soft_wrap=True, width=10_000))
        return
    loaded, _ = load(config)
    found = explain(loaded, wire, number, standings(loaded, down), _client(client))
    show(found, Console(highlight=False, soft_wrap=True, width=10_000))


def _client(text: str | None) -> Address | None:
    if text is None:
        return None
    try:
        return ip_interface(text).network.network_address
    except ValueError:
        raise click.BadParameter(
            f"{text!r} is no address and no network; write 192.0.2.1 or 192.0.2.0/24",
            param_hint="--client",
        ) from None


def show(explanation: Explanation, console: Console) -> None:
    """Write `explanation` for people."""
    question = explanation.question
    whom = f" for {question.client}" if question.client else ""
    console.print(f"[bold]{escape(question.name)} {question.type}[/]{whom}")
    if explanation.zone is None or explanation.kind is None:
        console.print("zone      none of ours: REFUSED")
        if escape(question.name).count(".") == 1:
            console.print("          names are absolute: www.example.com rather than www")
        return
    console.print(f"zone      {escape(explanation.zone)}")
    where = question.name if explanation.kind is Kind.NXDOMAIN else explanation.owner or ""
    console.print(f"found     {escape(where)}: {explanation.kind.value}")
    for record in explanation.records:
        console.print(f"          {escape(record)}")
    service, pool = explanation.service, explanation.pool
    if service is None or pool is None:
        return
    console.print(
        f"service   {escape(str(service.id))}: pool {escape(pool.name)}, "
        f"ttl {service.ttl}, answers {service.answers}"
    )
    if explanation.place:
        console.print(f"client    {escape(explanation.place)}")
    if explanation.when_down:
        console.print(f"[red]down[/]      everything is down: when_down {explanation.when_down}")
    console.print()
    console.print(_tree(pool))
    console.print()
    console.print(_answers(explanation))
    if explanation.scope is not None:
        console.print(
            f"\nECS scope /{explanation.scope}{_kept(question.client, explanation.scope)}"
        )
    elif explanation.by_network:
        console.print("\nchances are shares of all IPv4 addresses; --client ADDRESS is for one")


def _answers(explanation: Explanation) -> Table:
    table = Table(box=None, pad_edge=False, header_style="bold")
    for heading in ("chance", "answer", "backends"):
        table.add_column(heading, justify="right" if heading == "chance" else "left")
    for answer in explanation.answers:
        records = ", ".join(answer.records) or ("NODATA" if answer.rcode == "NOERROR" else "")
        text = " ".join(filter(None, (answer.rcode.replace("NOERROR", ""), records)))
        table.add_row(_percent(answer.chance), escape(text), escape(", ".join(answer.backends)))
    if not explanation.answers:
        table.add_row(_percent(1), "NODATA", "")
    return table


def _kept(client: str | None, scope: int) -> str:
    """For whom resolvers keep the answer."""
    if client is None or not scope:
        return ""
    return f": resolvers keep the answer for {ip_network(f'{client}/{scope}', strict=False)}"


def _tree(pool: PoolView) -> Tree:
    return _grow(Tree(_label(pool)), pool)


def _grow(tree: Tree, pool: PoolView) -> Tree:
    for member in pool.members:
        branch = tree.add(_member(member))
        if member.pool:
            _grow(branch, member.pool)
    return tree


def _label(pool: PoolView) -> str:
    state = "" if pool.up else " [red]down[/]"
    if pool.state != "auto":
        state += f" [yellow]{pool.state} by the operator[/]"
    return (
        f"pool [bold]{escape(pool.name)}[/] {escape(pool.strategy)}, "
        f"{pool.members_up} of {len(pool.members)} members up{state}"
    )


def _member(member: MemberView) -> str:
    head = _label(member.pool) if member.pool else escape(member.name)
    why = f"  [{'red' if member.out else 'dim'}]{escape(member.why)}[/]" if member.why else ""
    note = f"  [italic]{escape(member.note)}[/]" if member.note else ""
    return f"{_percent(member.chance)}  {head}  [dim]weight {member.weight}[/]{why}{note}"


def _percent(chance: float) -> str:
    return f"{100 * chance:5.1f} %"
