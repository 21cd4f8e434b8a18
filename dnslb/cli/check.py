"""`dnslb check`: is the configuration fine?"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

from dnslb.config.load import examine
from dnslb.config.problem import shown

if TYPE_CHECKING:
    from dnslb.config.model import Config

__all__ = ["command"]


@click.command("check")
@click.argument(
    "config", type=click.Path(path_type=Path), default=Path("dnslb.yaml"), metavar="[CONFIG]"
)
def command(config: Path) -> None:
    """Check CONFIG (default dnslb.yaml) and its zones; print every problem with its place.

    Exits with 0 when the configuration can be used, and with 2 when it cannot.
    """
    examined = examine(config)
    lines = [(problem, str(problem)) for problem in examined.problems]
    lines += [(warning, warning.as_warning()) for warning in examined.warnings]
    for _, line in sorted(lines):
        click.echo(line, err=True)
    found = []
    if examined.problems:
        found.append(_count(len(examined.problems), "problem"))
    if examined.warnings:
        found.append(_count(len(examined.warnings), "warning"))
    holds = f"{_holds(examined.config)}; " if examined.config else ""
    click.echo(f"{shown(config)}: {holds}{', '.join(found) or 'no problems'}")
    if examined.config is None:
        sys.exit(2)


def _holds(config: Config) -> str:
    counts = (
        (len(config.zones), "zone"),
        (sum(1 for _ in config.services()), "service"),
        (sum(len(zone.pools) for zone in config.zones.values()), "pool"),
        (sum(1 for _ in config.backends()), "backend"),
    )
    return ", ".join(_count(count, word) for count, word in counts)


def _count(count: int, word: str) -> str:
    return f"{count} {word}{'' if count == 1 else 's'}"
