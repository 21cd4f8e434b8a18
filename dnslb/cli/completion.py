"""`dnslb completion`: what makes a shell complete commands, options and names."""

from __future__ import annotations

import click
from click.shell_completion import get_completion_class

__all__ = ["command"]


@click.command("completion", short_help="Print what makes a shell complete the command line.")
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]))
def command(shell: str) -> None:
    """Print a script with which SHELL completes commands, options, backends and names.

    \b
    bash: source <(dnslb completion bash)    in ~/.bashrc
    zsh:  source <(dnslb completion zsh)     in ~/.zshrc, after compinit
    fish: dnslb completion fish > ~/.config/fish/completions/dnslb.fish

    Backends and names are those of dnslb.yaml in the current folder, or of --config where the
    line has it.
    """  # noqa: D301 - click reads the backspace
    found = get_completion_class(shell)
    assert found is not None  # noqa: S101 - the choice is of those that there are
    root = click.get_current_context().find_root().command
    click.echo(found(root, {}, "dnslb", "_DNSLB_COMPLETE").source(), nl=False)
