"""The command line: one verb a file, no logic of its own."""

from __future__ import annotations

import importlib
import os
import sys
from typing import Final

import click

from dnslb import __version__
from dnslb.config.describe import counted
from dnslb.config.suggest import unknown
from dnslb.errors import ConfigError, DnslbError

__all__ = ["main"]

VERBS: Final = (
    *("serve", "check", "explain", "ecs", "demo", "schema"),
    *("status", "top", "drain", "undrain", "reload"),
    *("doctor", "completion", "man"),
)


class _Verbs(click.Group):
    """Loads a verb's module when it is asked for, so that `dnslb check` need not load a server."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002 - click's signature
        return list(VERBS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002 - click's signature
        if cmd_name not in VERBS:
            return None
        command: click.Command = importlib.import_module(f"dnslb.cli.{cmd_name}").command
        return command

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """The verb that `args` begin with; a near miss is told with the one that was meant."""
        if args and args[0] not in VERBS and not ctx.resilient_parsing:
            raise click.UsageError(unknown("command", args[0], VERBS), ctx)
        return super().resolve_command(ctx, args)

    def invoke(self, ctx: click.Context) -> object:
        """Run the verb; what an operator can act on is told in one line, without a traceback."""
        try:
            return super().invoke(ctx)
        except ConfigError as error:
            click.echo(str(error), err=True)
            count = counted(len(error.problems), "problem")
            click.echo(f"dnslb: the configuration has {count}", err=True)
            sys.exit(2)
        except DnslbError as error:
            click.echo(f"dnslb: {error}", err=True)
            sys.exit(1)


@click.group(cls=_Verbs, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="dnslb")
def main() -> None:
    """An authoritative DNS server that balances load."""
    _fill_standard_files()


def _fill_standard_files() -> None:
    """Open what of standard input, output and error is closed.

    Otherwise the next file to be opened, a socket perhaps, takes its place.
    """
    for number in range(3):
        try:
            os.fstat(number)
        except OSError:
            os.open(os.devnull, os.O_RDWR)  # the lowest number that is free
