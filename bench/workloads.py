"""The loads of queries whose cost is measured, each with the servers that can answer it."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Final

from cost import Case, rounds, shown
from measure import Load
from part import Part, Report
from peers import ADDRESS_SIZE, NAME, bind, dnslb, echo, gdnsd, knot, nsd, pdns
from queries import ask, hosts, labels, mixed, zone_of
from report import Aim, Row, table

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from part import Settings
    from peers import Server

__all__ = ["PARTS"]

THOUSAND: Final = 1_000
MILLION: Final = 1_000_000

RANDOM_NAMES: Final = 1_000_000
"""More than dnsperf asks for in a round."""

CASES: Final = 10_000
"""Ways to write one name."""

ADDRESS: Final = frozenset({ADDRESS_SIZE})

NOWHERE: Final = Path("zone")
"""The master file of servers that are only asked for their versions."""


def aims(about: str = "") -> list[Aim]:
    """Of what is answered by UDP."""
    return [
        Aim(Row("dnslb", about), Row("gdnsd", about), most=0.95),
        Aim(Row("dnslb", about), Row("echo", about), most=1.08),
    ]


def _weighted_servers() -> list[Server]:
    return [
        echo.echo(ADDRESS_SIZE),
        dnslb.weighted(),
        gdnsd.weighted(),
        knot.weighted(),
        pdns.geoip(),
        pdns.pickwrandom(),
    ]


def _static_servers(master: Path = NOWHERE) -> list[Server]:
    modules = (dnslb, gdnsd, knot, nsd, bind, pdns)
    return [module.static(master) for module in modules]


def _report(
    cases: Sequence[Case], settings: Settings, load: Load, aims: Sequence[Aim], own: str = ""
) -> Report:
    done = rounds(cases, settings, load)
    text = f"{shown(cases, load)}\n\n{table(done, own=own)}"
    return Report(text, [aim.verdict(done) for aim in aims])


def _load(settings: Settings) -> Load:
    return Load(settings.seconds, settings.outstanding)


def _weighted(settings: Settings) -> Report:
    asked = ask(settings.folder / "queries", [f"{NAME} A"], adds=ADDRESS)
    cases = [Case(server, [asked]) for server in _weighted_servers()]
    return _report(cases, settings, _load(settings), aims())


def _static(settings: Settings) -> Report:
    cases = []
    for about, count in (("a thousand", THOUSAND), ("a million", MILLION)):
        path = settings.folder / f"{count}"
        asked = ask(path.with_suffix(".queries"), hosts(count), about, adds=ADDRESS)
        servers = _static_servers(zone_of(path, count))
        cases += [Case(server, [asked]) for server in (echo.echo(ADDRESS_SIZE), *servers)]
    ours = Row("dnslb", "a million")
    million = Aim(ours, Row("dnslb", "a thousand"), most=1.25)
    wanted = [*aims("a thousand"), *aims("a million"), million]
    return _report(cases, settings, _load(settings), wanted, own="a thousand")


def _beside_hit(settings: Settings, other: str, lines: Iterable[str], **right: object) -> Report:
    """What one sort of queries costs beside a hit, with the same servers at both."""
    folder = settings.folder
    hit = ask(folder / "hit", [f"{NAME} A"], "hit", adds=ADDRESS)
    asked = ask(folder / "queries", lines, other, **right)
    master = zone_of(folder / "zone", THOUSAND)
    with master.open("a") as out:
        out.write("www A 192.0.2.1\n")
    cases = [Case(server, [hit, asked]) for server in _static_servers(master)]
    aim = Aim(Row("dnslb", other), Row("dnslb", "hit"), most=1.1)
    return _report(cases, settings, _load(settings), [aim], own="hit")


def _nxdomain(settings: Settings) -> Report:
    lines = labels(RANDOM_NAMES)
    return _beside_hit(settings, "random names", lines, rcode="NXDOMAIN", records=0)


def _case(settings: Settings) -> Report:
    return _beside_hit(settings, "mixed case", mixed(CASES), adds=ADDRESS)


PARTS: Final = (
    Part(
        "weighted",
        "What a query costs",
        "one of three addresses, 3:2:1, chosen anew for each query",
        _weighted,
        _weighted_servers(),
    ),
    Part(
        "static",
        "What a static record costs",
        "hits over 1,000 and over 1,000,000 names, in random order",
        _static,
        [echo.echo(ADDRESS_SIZE), *_static_servers()],
    ),
    Part(
        "nxdomain",
        "What a flood of random names costs",
        "NXDOMAIN for random names, beside a hit",
        _nxdomain,
        _static_servers(),
    ),
    Part(
        "case",
        "What mixed case costs",
        "one name in mixed case (0x20), beside a hit",
        _case,
        _static_servers(),
    ),
)
