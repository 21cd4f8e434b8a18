"""`dnslb man`: the manual page, made of what `--help` says."""

from __future__ import annotations

import inspect
import os
import re
import time
from datetime import datetime, timezone
from typing import TYPE_CHECKING

import click

from dnslb import __version__

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["command"]


@click.command("man", short_help="Print the manual page dnslb(1).")
def command() -> None:
    """Print the manual page dnslb(1), made of the text of each command's --help.

    Read it with `dnslb man | man -l -`, or install it as share/man/man1/dnslb.1.
    """
    root = click.get_current_context().find_root().command
    assert isinstance(root, click.Group)  # noqa: S101 - it is the one that found this command
    click.echo("\n".join(page(root)))


def page(root: click.Group) -> Iterator[str]:
    """The page in man(7)'s macros, line by line."""
    context = click.Context(root, info_name="dnslb")
    commands = [
        (name, command)
        for name in root.list_commands(context)
        if (command := root.get_command(context, name)) is not None
    ]
    yield f'.TH DNSLB 1 "{_date()}" "dnslb {__version__}" "User Commands"'
    yield ".SH NAME"
    yield "dnslb \\- an authoritative DNS server that balances load"
    yield ".SH SYNOPSIS"
    yield ".nf"
    for name, command in commands:
        pieces = command.collect_usage_pieces(click.Context(command, info_name=name))
        yield rf"\fBdnslb {_text(name)}\fR {_text(' '.join(pieces))}"
    yield ".fi"
    yield ".SH DESCRIPTION"
    yield from _paragraphs(root.help or "")
    yield ".PP"
    yield "Each command has its own help:"
    yield r"\fBdnslb\fR \fICOMMAND\fR \fB\-\-help\fR."
    yield ".SH COMMANDS"
    for name, command in commands:
        yield from _section(name, command)
    yield from _ending()


def _date() -> str:
    """Today, or the day that whoever builds the page says, so that two builds are the same."""
    epoch = os.environ.get("SOURCE_DATE_EPOCH")
    moment = float(epoch) if epoch else time.time()
    return datetime.fromtimestamp(moment, timezone.utc).strftime("%Y-%m-%d")


def _section(name: str, command: click.Command) -> Iterator[str]:
    context = click.Context(command, info_name=name)
    pieces = command.collect_usage_pieces(context)
    yield f'.SS "dnslb {_quoted(" ".join([name, *pieces]))}"'
    yield from _paragraphs(command.help or command.short_help or "")
    for parameter in command.get_params(context):
        record = parameter.get_help_record(context)
        if isinstance(parameter, click.Option) and record and "--help" not in parameter.opts:
            yield ".TP"
            yield rf"\fB{_text(record[0])}\fR"
            yield _line(record[1]) or "."


def _ending() -> Iterator[str]:
    yield ".SH EXIT STATUS"
    for status, meaning in (
        ("0", "It is as it should be, or was done."),
        ("1", "It could not be done; doctor: there are warnings."),
        ("2", "The command line or the configuration is wrong; doctor: there are errors."),
    ):
        yield from (".TP", rf"\fB{status}\fR", meaning)
    yield ".SH FILES"
    for file, meaning in (
        ("dnslb.yaml", "The server's file; where to listen, where the zones are. All is optional."),
        ("zones/*.yaml, *.json", "Zones: static records, checks, pools and services."),
        ("zones/*.zone", "Zones as master files (RFC 1035)."),
        (".dnslb/", "The state: verdicts and what operators set, kept over restarts."),
    ):
        yield from (".TP", rf"\fI{_text(file)}\fR", meaning)
    yield ".SH SIGNALS"
    yield from (".TP", r"\fBSIGHUP\fR", "Reload the configuration, all of it or nothing.")
    yield from (".TP", r"\fBSIGTERM\fR, \fBSIGINT\fR", "Answer what has been received, and stop.")
    yield ".SH SEE ALSO"
    yield r"\fBdig\fR(1), \fBsystemctl\fR(1)"


def _paragraphs(help_text: str) -> Iterator[str]:
    """Help as click has it: paragraphs, of which those that begin with a backspace keep lines."""
    for number, paragraph in enumerate(_cleaned(help_text).split("\n\n")):
        if number:
            yield ".PP"
        lines = paragraph.strip("\n").splitlines()
        if lines and lines[0].strip() == "\b":
            yield from (".nf", *(_line(line) for line in lines[1:]), ".fi")
        else:
            yield from (_line(line.strip()) for line in lines)


def _cleaned(help_text: str) -> str:
    return inspect.cleandoc(help_text).partition("\f")[0]


def _text(text: str) -> str:
    """`text` as roff takes it anywhere in a line; what stands in backquotes is bold."""
    escaped = text.replace("\\", "\\e").replace("-", "\\-").replace("'", "\\(aq")
    return re.sub(r"`([^`]*)`", r"\\fB\1\\fR", escaped)


def _line(text: str) -> str:
    """`text` as a line of its own, which a dot at its start would make a request."""
    escaped = _text(text)
    return f"\\&{escaped}" if escaped.startswith(".") else escaped


def _quoted(text: str) -> str:
    """`text` within a macro's quoted argument."""
    return _text(text).replace('"', "\\(dq")
