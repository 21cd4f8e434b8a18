"""`dnslb check`: is the configuration fine?"""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import click

from dnslb.cli.arguments import CONFIG, DEFAULT_CONFIG
from dnslb.config.describe import counted, describe
from dnslb.config.load import examine
from dnslb.config.problem import shown

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["command"]


@click.command("check", short_help="Validate the configuration; tell every problem.")
@click.argument("config", type=CONFIG, default=DEFAULT_CONFIG, metavar="[CONFIG]")
def command(config: Path) -> None:
    """Check CONFIG (default dnslb.yaml) and its zones; print every problem with its place.

    Exits with 0 when the configuration can be used, and with 2 when it cannot.
    """
    examined = examine(config)
    lines = [(problem, str(problem)) for problem in examined.problems]
    lines += [(warning, warning.as_warning()) for warning in examined.warnings]
    for _, line in sorted(lines):
        click.echo(line)
    found = []
    if examined.problems:
        found.append(counted(len(examined.problems), "problem"))
    if examined.warnings:
        found.append(counted(len(examined.warnings), "warning"))
    holds = f"{describe(examined.config)}; " if examined.config else ""
    click.echo(f"{shown(config)}: {holds}{', '.join(found) or 'no problems'}")
    if examined.config is None:
        sys.exit(2)
