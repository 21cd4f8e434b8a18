"""How long answers take: at half of the load that fits, at twice of it, and with work beside.

The load is `asking` at a rate, whatever comes back. Before it is chosen, each server is asked as
fast as it answers.
"""

from __future__ import annotations

import contextlib
import statistics
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, Final, NamedTuple

from generator import Asking
from measure import ECHO, BenchError, costs, free_port, running, ticks
from part import Part, Report
from report import grid, spread, verdict
from servers import ADDRESS_SIZE, bind, dnslb, echo, gdnsd, knot, nsd, pdns, write_zone
from servers.echo import ASKING

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from generator import Tally
    from part import Settings
    from servers import Server

__all__ = ["PARTS", "SHARES", "microseconds", "paced"]

SHARES: Final = {"p50": "500", "p99": "990", "p99.9": "999", "most": "1000"}


SETTLE: Final = 1.0
"""Seconds after a server's first answer, so that its start is over."""


class Met(NamedTuple):
    """What a load met."""

    tally: Tally
    cpu: float  # microseconds per answer

    @property
    def per_second(self) -> float:
        return self.tally.answered / self.tally.seconds

    @property
    def busy(self) -> float:
        return self.cpu * self.per_second / 1e6


def servers_of(master: Path) -> list[Server]:
    """Those that choose by weight, and static records of those that cannot."""
    return [
        echo.echo(ADDRESS_SIZE),
        *(module.weighted() for module in (dnslb, gdnsd, knot)),
        pdns.geoip(),
        *(module.static(master) for module in (nsd, bind)),
    ]


def paced(server: Server, pid: int, port: int, load: Asking) -> Met:
    """Put a load on a server."""
    before = ticks(pid)
    tally = load.run(port)
    after = ticks(pid)
    if not tally.right(echo=server.name == ECHO):
        raise BenchError(f"{server.name} answers wrongly: {tally}")
    return Met(tally, sum(costs(before, after, tally.answered)))


@contextlib.contextmanager
def _started(server: Server) -> Iterator[tuple[int, int]]:
    """A server's process and port."""
    with tempfile.TemporaryDirectory(prefix="dnslb-bench-") as name:
        port = free_port()
        with running(server, Path(name), port) as pid:
            time.sleep(SETTLE)
            yield pid, port


def _turned(servers: Sequence[Server], settings: Settings) -> Iterator[Server]:
    """The servers of all rounds, each round beginning with another one."""
    for turn in range(settings.rounds):
        start = turn % len(servers)
        yield from (*servers[start:], *servers[:start])


def _present(settings: Settings) -> list[Server]:
    master = write_zone(settings.folder / "zone", "www A 192.0.2.1\n")
    return settings.present(servers_of(master))


def _half(settings: Settings) -> Report:
    servers = _present(settings)
    fits = {}
    for server in servers:
        with _started(server) as (pid, port):
            fits[server.name] = paced(server, pid, port, Asking(settings.seconds)).per_second
    slowest = min(fits, key=lambda name: fits[name])
    load = Asking(settings.seconds, rate=int(fits[slowest] / 2) // 1000 * 1000)
    met: dict[str, list[Met]] = {server.name: [] for server in servers}
    for server in _turned(servers, settings):
        with _started(server) as (pid, port):
            met[server.name].append(paced(server, pid, port, load))
        print(f"{server.name}: {met[server.name][-1].tally.took}", file=sys.stderr)
    rows = [
        [name, *microseconds([of.tally for of in them]), _lost(them), _busy(them)]
        for name, them in met.items()
    ]
    text = (
        f"`{load.shown()}`: half of what {slowest} answers at most, {fits[slowest]:,.0f}/s\n\n"
        + grid(["server", *SHARES, "lost", "CPU busy"], rows)
    )
    return Report(text, list(_no_worse(met)))


def _no_worse(met: dict[str, list[Met]]) -> Iterator[str]:
    what = "dnslb: at most 1 x gdnsd (p99.9)"
    if not {"dnslb", "gdnsd"} <= met.keys():
        yield f"aim: {what}; not measured"
        return
    pairs = zip(met["dnslb"], met["gdnsd"], strict=True)
    key = SHARES["p99.9"]
    yield verdict(what, [our.tally.took[key] / their.tally.took[key] for our, their in pairs], 1)


def _twice(settings: Settings) -> Report:
    """Each server at twice of what it answers itself."""
    servers = _present(settings)
    fits: dict[str, list[Met]] = {server.name: [] for server in servers}
    met: dict[str, list[Met]] = {server.name: [] for server in servers}
    for server in _turned(servers, settings):
        with _started(server) as (pid, port):
            most = paced(server, pid, port, Asking(settings.seconds))
            load = Asking(settings.seconds, rate=round(2 * most.per_second))
            fits[server.name].append(most)
            met[server.name].append(paced(server, pid, port, load))
        print(f"{server.name}: {met[server.name][-1].per_second:,.0f} answers/s", file=sys.stderr)
    rows = []
    for name, them in met.items():
        before = [of.per_second for of in fits[name]]
        cells = [
            spread(before, ",.0f"),
            spread([of.tally.sent / of.tally.seconds for of in them], ",.0f"),
            spread([of.per_second for of in them], ",.0f"),
            f"{statistics.median(map(_share_lost, them)):.0%}",
            spread([of.cpu for of in them], ".2f"),
            _busy(them),
            *microseconds([of.tally for of in them])[:2],
        ]
        rows.append([name, *cells])
    head = ["server", "answers/s at 100 at once", "then sent/s", "answers/s", "lost"]
    head += ["CPU µs per answer", "CPU busy", *list(SHARES)[:2]]
    shown = Asking(settings.seconds, rate=0).shown().replace(" 0/s", " RATE/s")
    words = "RATE: twice of what the server answered just before, as far as the client's CPU can."
    return Report(f"`{shown}`; {words}\n\n{grid(head, rows)}")


def _share_lost(met: Met) -> float:
    return met.tally.lost / met.tally.sent


def _lost(them: Sequence[Met]) -> str:
    return f"{sum(of.tally.lost for of in them):,} of {sum(of.tally.sent for of in them):,}"


def _busy(them: Sequence[Met]) -> str:
    return f"{statistics.median(of.busy for of in them):.0%}"


def microseconds(tallies: Sequence[Tally]) -> list[str]:
    """The cells of a row: p50 and so on."""
    return [f"{spread([of.took[key] for of in tallies], '.0f')} µs" for key in SHARES.values()]


NOWHERE: Final = Path("zone")

PARTS: Final = (
    Part(
        "latency",
        "How long answers take",
        "p50, p99 and p99.9 at half of the load that fits the slowest server, the same for all",
        _half,
        servers_of(NOWHERE),
        ("taskset", str(ASKING)),
    ),
    Part(
        "overload",
        "What twice the load does",
        "each server at twice the load that fits it: answers/s, loss, CPU",
        _twice,
        servers_of(NOWHERE),
        ("taskset", str(ASKING)),
    ),
)
