"""`dnslb doctor`: what is wrong with a domain and this machine, and what to do."""

from __future__ import annotations

import json
import sys
from typing import TYPE_CHECKING, Final

import click
from rich.console import Console

from dnslb.cli.arguments import CONFIG, DEFAULT_CONFIG, question
from dnslb.cli.completing import domains
from dnslb.config.load import load
from dnslb.config.problem import shown
from dnslb.doctor.asking import Endpoint
from dnslb.doctor.examine import Where, examine, zone_of
from dnslb.doctor.finding import exit_code, note, warning
from dnslb.doctor.show import show

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path

    from dnslb.config.model import Config
    from dnslb.config.problem import Problem
    from dnslb.doctor.finding import Finding

__all__ = ["command"]

GEO: Final = "geo."
"""How the keys of warnings begin that are about databases, which the doctor looks at itself."""


class _Server(click.ParamType[Endpoint]):
    """An address to ask, with an optional port."""

    name = "address"

    def convert(
        self, value: object, param: click.Parameter | None, ctx: click.Context | None
    ) -> Endpoint:
        if isinstance(value, Endpoint):
            return value
        try:
            return Endpoint.parse(str(value))
        except ValueError:
            self.fail(f"{value!r} is no address; write 192.0.2.1 or [2001:db8::1]:53", param, ctx)


SERVER = _Server()

PORT = click.IntRange(1, 65_535)
PORT.name = "number"  # in messages; click's own word is for programmers


@click.command("doctor", short_help="Find what is wrong with a domain, and what to do.")
@click.argument("domain", shell_complete=domains)
@click.option(
    "--config",
    type=CONFIG,
    help="The configuration to look at; default dnslb.yaml where there is one.",
)
@click.option(
    "--resolver",
    type=SERVER,
    multiple=True,
    metavar="ADDRESS[:PORT]",
    help="Find the parent zone by this resolver rather than the system's.",
)
@click.option(
    "--parent",
    type=SERVER,
    multiple=True,
    metavar="ADDRESS[:PORT]",
    help="A server of the parent zone, instead of those that are found.",
)
@click.option(
    "--root",
    type=SERVER,
    multiple=True,
    metavar="ADDRESS[:PORT]",
    help="Begin at this root server, without any resolver.",
)
@click.option(
    "--port",
    type=PORT,
    default=53,
    show_default=True,
    help="Ask name servers at this port.",
)
@click.option("--json", "as_json", is_flag=True, help="One JSON object with all findings.")
def command(
    domain: str,
    config: Path | None,
    resolver: tuple[Endpoint, ...],
    parent: tuple[Endpoint, ...],
    root: tuple[Endpoint, ...],
    port: int,
    as_json: bool,  # noqa: FBT001 - click calls it by name
) -> None:
    """Check DOMAIN from the parent zone down, and this machine as its server.

    Looks at the delegation and glue, asks every name server the same over UDP and TCP, and with a
    configuration compares time-to-live with detection, and looks at databases, clock, ports and
    privileges. It only asks; nothing is changed.

    Exits with 0 when nothing is to be done, with 1 after warnings, and with 2 after errors.
    """
    question(domain, "SOA", "DOMAIN")
    loaded: Config | None = None
    warnings: tuple[Problem, ...] = ()
    if config is not None or DEFAULT_CONFIG.exists():
        loaded, warnings = load(config or DEFAULT_CONFIG)
    where = Where(resolver, parent, root, port)
    findings = [*examine(domain, loaded, where), *told(warnings)]
    if loaded is None:
        text = "none was looked at, so nothing is told of this machine's server"
        findings.append(note("configuration", str(DEFAULT_CONFIG), text, "name it with --config"))
    elif zone_of(loaded, domain) is None:
        known = ", ".join(sorted(loaded.zones))
        text = f"{domain} is in none of its zones: {known}"
        findings.append(note("configuration", str(loaded.path), text, "add the zone, or its name"))
    code = exit_code(findings)
    if as_json:
        whole = {"domain": domain, "exit": code, "findings": [one.as_json() for one in findings]}
        print(json.dumps(whole, indent=2))
    else:
        show(findings, Console(highlight=False))
    sys.exit(code)


def told(warnings: Iterable[Problem]) -> Iterator[Finding]:
    """What the configuration itself warns of."""
    for one in warnings:
        if not one.key.startswith(GEO):
            yield warning("configuration", one.where, one.message, f"correct {shown(one.path)}")
