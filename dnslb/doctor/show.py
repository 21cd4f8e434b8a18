"""Findings in the terminal: grouped by subject, wrapped, the worst counted at the end."""

from __future__ import annotations

from itertools import groupby
from typing import TYPE_CHECKING, Final

from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from dnslb.config.suggest import counted
from dnslb.doctor.finding import Level

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from rich.console import Console

    from dnslb.doctor.finding import Finding

__all__ = ["show"]

STYLES: Final = {
    Level.OK: "green",
    Level.NOTE: "cyan",
    Level.WARNING: "yellow",
    Level.ERROR: "bold red",
}


def show(findings: Iterable[Finding], console: Console) -> None:
    """Write findings for people, in the order of subjects as they first come."""
    listed = list(findings)
    order = {finding.subject: place for place, finding in reversed(list(enumerate(listed)))}
    listed.sort(key=lambda finding: order[finding.subject])
    for subject, group in groupby(listed, key=lambda finding: finding.subject):
        console.print(Text(subject, "bold"))
        table = Table(box=None, show_header=False, pad_edge=False, padding=(0, 2, 0, 0))
        table.add_column(width=7, no_wrap=True)
        table.add_column(overflow="fold", ratio=1)
        for finding in group:
            table.add_row(Text(finding.level.name.lower(), STYLES[finding.level]), _words(finding))
        console.print(Padding(table, (0, 0, 1, 2)))
    console.print(_sum(listed))


def _words(finding: Finding) -> Text:
    text = Text.assemble((finding.looked, "bold"), ": ", finding.found)
    if finding.do:
        text.append("\n→ " + finding.do)
    return text


def _sum(findings: Sequence[Finding]) -> Text:
    levels = [finding.level for finding in findings]
    parts = [
        counted(levels.count(level), level.name.lower())
        for level in (Level.ERROR, Level.WARNING, Level.NOTE)
        if level in levels
    ]
    fine = f"{levels.count(Level.OK)} ok"
    return Text(", ".join([*parts, fine]))
