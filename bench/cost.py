"""CPU microseconds per answered query, of several servers in one run.

Rounds are interleaved: each measures every server once, beginning with another one each time, so a
noisy minute spoils no single server.
"""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, NamedTuple

from measure import CPUS, Load, Sample, measure
from report import Row

if TYPE_CHECKING:
    from collections.abc import Sequence

    from part import Settings
    from queries import Asked
    from servers import Server

__all__ = ["Case", "rounds", "shown"]


class Case(NamedTuple):
    """A server that is started, and what it is then asked, one after another."""

    server: Server
    asked: Sequence[Asked]


def rounds(
    cases: Sequence[Case],
    settings: Settings,
    load: Load,
    workers: int = 1,
    cpus: tuple[str, str] = CPUS,
) -> list[dict[Row, Sample]]:
    """Each round's samples, in the order of the cases."""
    cases = [case for case in cases if settings.present([case.server])]
    done = []
    for turn in range(settings.rounds):
        start = turn % len(cases)
        samples: dict[Row, Sample] = {}
        for case in (*cases[start:], *cases[:start]):
            loads = [(asked, with_options(load, asked)) for asked in case.asked]
            for (asked, _), sample in zip(
                loads, measure(case.server, loads, workers, cpus), strict=True
            ):
                row = Row(case.server.name, asked.about)
                samples[row] = sample
                print(
                    f"round {turn + 1} of {settings.rounds}: {row} {sample.cpu:.2f} µs,"
                    f" {sample.per_second:,.0f} answers/s",
                    file=sys.stderr,
                )
        order = [Row(case.server.name, asked.about) for case in cases for asked in case.asked]
        done.append({row: samples[row] for row in order})
    return done


def with_options(load: Load, asked: Asked) -> Load:
    return load if not asked.options else Load(**{**vars(load), "options": asked.options})


def shown(cases: Sequence[Case], load: Load) -> str:
    """The command lines of the loads."""
    lines: dict[str, list[str]] = {}
    for asked in {asked.about: asked for case in cases for asked in case.asked}.values():
        lines.setdefault(with_options(load, asked).shown(), []).append(asked.about)
    return "\n".join(
        f"- `{line}`" + (f": {', '.join(abouts)}" if len(lines) > 1 else "")
        for line, abouts in lines.items()
    )
