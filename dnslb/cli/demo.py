"""`dnslb demo`: see it work, on loopback, without any set-up."""

from __future__ import annotations

import click
import uvloop

from dnslb.demo.run import run

__all__ = ["command"]


SECONDS = click.FloatRange(min=0.1)
SECONDS.name = "number"  # in messages; click's own word is for programmers


@click.command("demo", short_help="See it work: backends and server on loopback.")
@click.option("--seconds", type=SECONDS, help="End by itself after so many seconds.")
def command(seconds: float | None) -> None:
    """Start three real web servers and a name server in front of them, on loopback.

    Shows the `dig` lines to try, the answers and the verdicts as they come. Stop and start a
    backend with its key and watch the answers change.
    """
    uvloop.run(run(seconds))
