"""What several verbs take."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Final

import click

from dnslb.cli.completing import backends
from dnslb.config.model import Family
from dnslb.health.standing import Standing
from dnslb.policy.explain import matching
from dnslb.zone.names import from_text
from dnslb.zone.types import type_number

if TYPE_CHECKING:
    from dnslb.config.model import Config, Subject

__all__ = ["CONFIG", "DEFAULT_CONFIG", "DOWN", "question", "standings"]

CONFIG: Final = click.Path(path_type=Path, readable=False)
"""The server's file. That it cannot be read is told by the loader, with its place."""

DEFAULT_CONFIG: Final = Path("dnslb.yaml")

DOWN: Final = click.option(
    "--down",
    multiple=True,
    metavar="POOL/NAME",
    shell_complete=backends,
    help="Take this backend as down; may be given several times, globs allowed.",
)


def question(name: str, rtype: str, hint: str = "NAME") -> tuple[bytes, int]:
    """NAME in wire format, and TYPE as a number; `hint` is what the command calls the name.

    Raises:
        click.BadParameter: one of them is none.
    """
    try:
        wire = from_text(name.rstrip(".") + ".")
    except ValueError as error:
        raise click.BadParameter(f"{name!r} is no domain name: {error}", param_hint=hint) from error
    number = type_number(rtype)
    if number is None:
        raise click.BadParameter(f"{rtype!r} is no record type", param_hint="TYPE")
    return wire, number


def standings(config: Config, patterns: tuple[str, ...]) -> dict[Subject, Standing]:
    """Those of backends that --down names; all others are up.

    Raises:
        click.BadParameter: a pattern matches nothing.
    """
    down = Standing(down=frozenset(Family), reason="taken as down (--down)")
    known_down: dict[Subject, Standing] = {}
    for pattern in patterns:
        backends = matching(config, pattern)
        if not backends:
            known = ", ".join(sorted({str(backend.id) for backend in config.backends()}))
            raise click.BadParameter(
                f"no backend matches {pattern!r}; there are {known}", param_hint="--down"
            )
        known_down.update({backend.id: down for backend in backends})
    return known_down
