"""`dnslb ecs`: the networks that a service tells apart, as resolvers keep them."""

from __future__ import annotations

import json
import os
import sys
from ipaddress import ip_network
from typing import TYPE_CHECKING

import click

from dnslb.cli.arguments import CONFIG, DEFAULT_CONFIG, DOWN, question, standings
from dnslb.cli.completing import names, types
from dnslb.config.load import load
from dnslb.config.suggest import unknown
from dnslb.policy.compile import Compiler
from dnslb.policy.explain import service_at
from dnslb.policy.scopes import Scopes

if TYPE_CHECKING:
    from pathlib import Path

    from dnslb.config.model import Network, Service

__all__ = ["command"]


@click.command("ecs", short_help="Print the networks that a service tells apart.")
@click.argument("name", shell_complete=names)
@click.argument("rtype", metavar="[TYPE]", default="A", shell_complete=types)
@click.option("--client", metavar="NETWORK", help="Only networks within and around this one.")
@click.option("--summary", is_flag=True, help="Only how many networks there are.")
@click.option("--json", "as_json", is_flag=True, help="One JSON object a line.")
@DOWN
@click.option(
    "--config",
    type=CONFIG,
    default=DEFAULT_CONFIG,
    show_default=True,
    help="The configuration to look at.",
)
def command(
    name: str,
    rtype: str,
    client: str | None,
    summary: bool,  # noqa: FBT001 - click calls it by name
    as_json: bool,  # noqa: FBT001 - likewise
    down: tuple[str, ...],
    config: Path,
) -> None:
    """Print the compiled map of the service NAME for TYPE (default A).

    One line a network: the network, the ECS scope of its answers, and what is answered. Resolvers
    keep an answer for its scope. Reads the configuration and asks no running server.
    """
    near = _network(client)
    loaded, _ = load(config)
    wire, number = question(name, rtype)
    service = service_at(loaded, wire, number)
    if service is None:
        known = [str(one.id).rstrip(".") for one in loaded.services()]
        raise click.BadParameter(unknown("service", name, known), param_hint="NAME")
    root = Compiler(standings(loaded, down), loaded.atlas).service(service).of(number)
    if root is None:
        raise click.BadParameter(f"{service.id} has nothing for this type", param_hint="TYPE")
    scopes = Scopes(root)
    try:
        _print(service, rtype, scopes, near, summary=summary, as_json=as_json)
        sys.stdout.flush()
    except BrokenPipeError:
        # who reads has seen enough; nothing more is written when Python ends
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _network(text: str | None) -> Network | None:
    if text is None:
        return None
    try:
        return ip_network(text, strict=False)
    except ValueError:
        raise click.BadParameter(
            f"{text!r} is no address and no network; write 192.0.2.1 or 192.0.2.0/24",
            param_hint="--client",
        ) from None


def _print(
    service: Service,
    rtype: str,
    scopes: Scopes,
    near: Network | None,
    *,
    summary: bool,
    as_json: bool,
) -> None:
    v4, v6 = scopes.sizes
    words = [choice.words for choice in scopes.choices]
    if as_json:
        choices = [
            {
                "answers": choice.words,
                "ipv4_networks": choice.prefixes[0],
                "ipv6_networks": choice.prefixes[1],
                "ipv4_share": choice.share,
            }
            for choice in scopes.choices
        ]
        whole = {"service": str(service.id), "type": rtype.upper(), "octets": scopes.octets}
        print(json.dumps({**whole, "choices": choices}))
    else:
        print(f"# {service.id} {rtype.upper()}: {v4:,} networks of IPv4, {v6:,} of IPv6")
        print(f"# {len(words):,} choices, {scopes.octets:,} octets")
        print(f"# {'IPv4':>9} {'IPv6':>9}  addresses  choice")
        for choice in scopes.choices:
            counts = f"{choice.prefixes[0]:>9,} {choice.prefixes[1]:>9,}"
            print(f"# {counts}   {100 * choice.share:6.2f} %  {choice.words}")
    if summary:
        return
    for cell in scopes.cells(near):
        if as_json:
            line = {"network": str(cell.network), "scope": cell.scope, "choice": cell.choice}
            print(json.dumps(line))
        else:
            print(f"{cell.network!s:<24} /{cell.scope:<4} {words[cell.choice]}")
