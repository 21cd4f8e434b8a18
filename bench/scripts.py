"""The parts that are scripts of their own: what they print is their section."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Final

from measure import BenchError
from part import SKIPPED, Part, Report, SkipPart
from servers import ADDRESS_SIZE, dnslb, gdnsd, knot, nsd, pdns
from servers.echo import ASKING, COST, echo

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from part import Settings
    from servers import Server

__all__ = ["PARTS"]

HERE: Final = Path(__file__).parent
NO_ZONE: Final = Path("zone")
LOADED: Final = ("dnsperf", "taskset")

WEIGHTED: Final = (dnslb.weighted(), gdnsd.weighted(), knot.weighted())
STATIC: Final = tuple(module.static(NO_ZONE) for module in (dnslb, gdnsd, knot, nsd))
PLACED: Final = (echo(ADDRESS_SIZE), *WEIGHTED, pdns.geoip())
HASHED: Final = (echo(ADDRESS_SIZE), *WEIGHTED[:2], pdns.pickwhashed())


def _run(
    command: Callable[[Settings], Sequence[str]], settings: Settings, *, goals: bool = False
) -> Report:
    """What the script prints; its exit status is 1 when it missed a figure.

    It says so itself, but for those that only have `goals` in their tables.
    """
    process = subprocess.Popen(
        command(settings), stdout=subprocess.PIPE, text=True, start_new_session=True
    )
    try:
        text, _ = process.communicate()
    except BaseException:
        os.killpg(process.pid, signal.SIGTERM)
        process.wait()
        raise
    if process.returncode == SKIPPED:
        raise SkipPart("see above")
    if process.returncode not in {0, 1} or not text.strip():
        raise BenchError(f"it ended with {process.returncode}:\n{text}")
    if not goals:
        return Report(text)
    word = "missed" if process.returncode else "reached"
    return Report(text, [f"aim: every goal that the table or the script names: {word}"])


def _script(
    name: str,
    title: str,
    about: str,
    arguments: Callable[[Settings], Sequence[object]] = lambda _: (),
    *,
    file: str = "",
    servers: Sequence[Server] = (),
    programs: Sequence[str] = LOADED,
    goals: bool = False,
) -> Part:
    def command(settings: Settings) -> list[str]:
        return [sys.executable, str(HERE / (file or f"{name}.py")), *map(str, arguments(settings))]

    return Part(name, title, about, partial(_run, command, goals=goals), servers, programs)


def _rounds(settings: Settings) -> Sequence[object]:
    return "--rounds", settings.rounds


def _timed(settings: Settings) -> Sequence[object]:
    return "--rounds", settings.rounds, "--seconds", settings.seconds


def _flood(settings: Settings) -> Sequence[object]:
    only = ("--only", *sorted(settings.only)) if settings.only else ()
    return "--rounds", settings.rounds, "--seconds", max(1, round(settings.seconds)), *only


def _geo(which: str, settings: Settings) -> Sequence[object]:
    return *_timed(settings), "--only", which


def _replace(settings: Settings) -> Sequence[object]:
    times = settings.rounds
    return "--reloads", 10 * times, "--replacements", 2 * times, "--blocked", 6 * times


def _checks(settings: Settings) -> Sequence[object]:
    return "--rounds", settings.rounds, "--seconds", 20 * settings.seconds


def _engine(settings: Settings) -> list[str]:
    return [str(COST), str(settings.rounds)]


PARTS: Final = (
    _script(
        "flood",
        "How many answers a flood gets",
        "kxdpgun over a veth pair, from random addresses: answers/s of one CPU (needs root)",
        _flood,
        servers=(*STATIC, knot.static(NO_ZONE, cable="")),
        programs=("ip", "kxdpgun", "taskset"),
    ),
    _script(
        "geo",
        "What asking who asks costs",
        "answers by the client's network (ECS), random networks, one database for all servers",
        partial(_geo, "cost"),
        file="steered.py",
        servers=PLACED,
        programs=("taskset", str(ASKING)),
    ),
    _script(
        "subnet",
        "What a choice by the client's network costs",
        "one of several backends by a hash of the client's network (ECS), random networks",
        partial(_geo, "subnet"),
        file="steered.py",
        servers=HASHED,
        programs=("taskset", str(ASKING)),
    ),
    _script(
        "geo-build",
        "What deciding for all networks costs",
        "seconds and memory from a database to the published plan, and from start to first answer",
        partial(_geo, "build"),
        file="steered.py",
        servers=PLACED,
        programs=("taskset",),
    ),
    _script(
        "caches",
        "What resolvers' caches gain by scopes",
        "queries that unbound sends for the clients of 1,000 networks",
        partial(_geo, "caches"),
        file="steered.py",
        programs=("taskset", "unbound"),
    ),
    _script(
        "clients",
        "What TCP clients cost others",
        "idle connections, slow ones, and those that come for one query",
        _rounds,
        file="tcp.py",
        servers=WEIGHTED,
    ),
    _script(
        "abuse",
        "What abuse costs and what it gains",
        "floods of random and long names, and with forged sources, rates limited or not",
        _timed,
    ),
    Part(
        "engine",
        "What of it is the engine's own",
        "nanoseconds of the engine for a query, by what is asked and how rates are limited",
        partial(_run, _engine),
        programs=(str(COST),),
    ),
    _script(
        "load",
        "What a large zone costs",
        "a million records: time from start to first answer, and memory",
        _rounds,
        servers=STATIC,
        programs=("taskset",),
    ),
    _script(
        "control",
        "How fast a decision reaches the wire",
        "compiling and publishing; from a verdict to the first answer that shows it",
        programs=(),
        goals=True,
    ),
    _script(
        "checks",
        "Checks at scale",
        "10,000 backends checked every 10 s: CPU, memory, lateness, answers meanwhile",
        _checks,
        programs=("dnsperf", "taskset", "nginx"),
        goals=True,
    ),
    _script(
        "death",
        "What a death costs",
        "a backend dies under load and comes back",
        _rounds,
        programs=("dnsperf",),
    ),
    _script(
        "replace",
        "Reloads and replacements under load",
        "reloads, replacements, and a control plane that stands still, under load",
        _replace,
        programs=("dnsperf",),
    ),
    _script("herd", "Whether load herds", "a simulation of resolvers that cache", programs=()),
)
