"""`dnslb schema`: what editors need to complete and check configuration files."""

from __future__ import annotations

import json
from typing import Literal

import click

from dnslb.config.schema import schema

__all__ = ["command"]


@click.command("schema", short_help="Print a JSON Schema, for editors.")
@click.argument("kind", type=click.Choice(["zone", "server"]), default="zone")
def command(kind: Literal["zone", "server"]) -> None:
    """Print the JSON Schema of zone files (default), or of dnslb.yaml with `server`."""
    click.echo(json.dumps(schema(kind), indent=2))
