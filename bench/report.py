"""Tables and verdicts, as Markdown."""

from __future__ import annotations

import math
import statistics
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from measure import Sample

__all__ = ["Aim", "Row", "grid", "spread", "table", "verdict"]

OURS: Final = "dnslb"
ECHO: Final = "echo"
BASES: Final = (ECHO, "gdnsd")
"""What the other servers are compared with, besides the best peer."""

KINDS: Final = {"cpu": "CPU per answer", "per_second": "answers/s"}


class Row(NamedTuple):
    """A server, and what it is asked where it is asked several things."""

    server: str
    about: str = ""

    def __str__(self) -> str:
        return f"{self.server}, {self.about}" if self.about else self.server


@dataclass(frozen=True)
class Aim:
    """A figure to reach: a ratio of what was measured of two rows."""

    of: Row
    to: Row
    most: float | None = None
    least: float | None = None
    kind: str = "cpu"

    def verdict(self, rounds: Sequence[Mapping[Row, Sample]]) -> str:
        """One line: what was aimed at, what was measured, whether that is reached."""
        limit = f"at most {self.most:.3g}" if self.most is not None else f"at least {self.least:g}"
        what = f"{self.of}: {limit} x {self.to} ({KINDS[self.kind]})"
        if not {self.of, self.to} <= rounds[0].keys():
            return f"aim: {what}; not measured"
        ratios = [
            _ratio(getattr(one[self.of], self.kind), getattr(one[self.to], self.kind))
            for one in rounds
        ]
        return verdict(what, ratios, self.most, self.least, ".3f")


def verdict(
    what: str,
    values: Sequence[float],
    most: float | None = None,
    least: float | None = None,
    form: str = ".2f",
) -> str:
    """One line; it is the median that has to reach the figure."""
    middle = statistics.median(values)
    missed = (most is not None and middle > most) or (least is not None and middle < least)
    word = "missed" if missed else "reached"
    return f"aim: {what}; measured {spread(values, form)}: {word}"


def table(
    rounds: Sequence[Mapping[Row, Sample]],
    bases: Sequence[Row] = (),
    own: str = "",
) -> str:
    """A row for each server and what it was asked: medians over the rounds, the least, the most.

    Ratios are taken within each round, where both sides met the same weather, and then the median.
    `bases` are the rows to compare with, instead of the echo, gdnsd and the best peer at the same
    queries. `own` says which queries each server's other rows are compared with.
    """
    columns = _columns(rounds, bases, own)
    rows = []
    for row in rounds[0]:
        samples = [samples[row] for samples in rounds]
        lost = sum(sample.lost for sample in samples)
        sent = lost + sum(sample.answered for sample in samples)
        cells = [
            str(row),
            spread([sample.cpu for sample in samples], ".2f"),
            f"{statistics.median(sample.user for sample in samples):.2f}",
            f"{statistics.median(sample.system for sample in samples):.2f}",
            f"{statistics.median(sample.busy for sample in samples):.0%}",
            spread([sample.per_second for sample in samples], ",.0f"),
            f"{statistics.median(sample.octets for sample in samples):.0f}",
            f"{lost:,} of {sent:,}",
        ]
        for base_of in columns.values():
            base = base_of.get(row)
            if base is None:
                cells.append("")
                continue
            ratio = statistics.median(_ratio(one[row].cpu, one[base].cpu) for one in rounds)
            cells.append(f"{ratio:.2f}")
        rows.append(cells)
    head = ["server", "CPU µs per answer", "user", "system", "CPU busy", "answers/s", "octets"]
    return grid([*head, "lost", *(f"/ {name}" for name in columns)], rows)


def _columns(
    rounds: Sequence[Mapping[Row, Sample]], bases: Sequence[Row], own: str
) -> dict[str, dict[Row, Row]]:
    """For each column of ratios: which row stands below the line, for each row."""
    there = rounds[0]
    if bases:
        return {str(base): dict.fromkeys(there, base) for base in bases if base in there}
    columns: dict[str, dict[Row, Row]] = {}
    for name in BASES:
        pairs = {row: base for row in there if (base := Row(name, row.about)) in there}
        if pairs:
            columns[name] = pairs
    best = {about: _best(rounds, about) for about in {row.about for row in there}}
    pairs = {row: base for row in there if (base := best[row.about])}
    names = {base.server for base in pairs.values()}
    if names - {"gdnsd"}:
        columns[f"best peer ({', '.join(sorted(names))})"] = pairs
    if own:
        columns[f"its {own}"] = {row: Row(row.server, own) for row in there if row.about != own}
    return columns


def _best(rounds: Sequence[Mapping[Row, Sample]], about: str) -> Row | None:
    """The peer that answers at the least cost."""
    peers = [row for row in rounds[0] if row.about == about and row.server not in {OURS, ECHO}]
    return min(
        peers, key=lambda row: statistics.median(one[row].cpu for one in rounds), default=None
    )


def _ratio(ours: float, theirs: float) -> float:
    """Not a number when theirs was too little for the kernel's clock."""
    return ours / theirs if theirs else math.nan


def grid(head: Sequence[str], rows: Sequence[Sequence[object]]) -> str:
    """A table."""
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join(f"| {' | '.join(map(str, cells))} |" for cells in lines)


def spread(values: Sequence[float], form: str) -> str:
    middle, least, most = statistics.median(values), min(values), max(values)
    return f"{middle:{form}} ({least:{form}}-{most:{form}})"
