"""The loads of queries whose cost is measured, each with the servers that can answer it."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Final

from cost import Case, rounds, shown
from measure import Load
from part import Part, Report
from queries import ask, hosts, labels, mixed, zone_of
from report import Aim, Row, table
from servers import ADDRESS_SIZE, NAME, bind, dnslb, echo, gdnsd, knot, nsd, pdns, write_zone

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from part import Settings
    from servers import Server

__all__ = ["PARTS"]

THOUSAND: Final = 1_000
MILLION: Final = 1_000_000

RANDOM_NAMES: Final = 1_000_000
"""More than dnsperf asks for in a round."""

CASES: Final = 10_000
"""Ways to write one name."""

COUNTS: Final = (1, 4, 8)
"""Addresses in an answer."""

COOKIE: Final = frozenset({ADDRESS_SIZE + 8, ADDRESS_SIZE + 16})
"""Octets of an address, and of a server cookie: gdnsd's are shorter than those of RFC 9018."""

TYPES: Final = frozenset({31, 32, 45, 46})
"""Octets that A, AAAA and HTTPS with an ALPN and two hints add, in the mean.

PowerDNS adds the addresses to HTTPS unasked.
"""

TCP_CLIENTS: Final = 20

UDP_CLIENTS: Final = 64
"""Sockets: the kernel spreads them over the workers."""

BOTH: Final = ("0,1", "0,1")

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


def _beside_hit(
    settings: Settings,
    other: str,
    lines: Iterable[str],
    able: Sequence[str] | None = None,
    **right: object,
) -> Report:
    """What one sort of queries costs beside a hit, with the same servers at both."""
    folder = settings.folder
    hit = ask(folder / "hit", [f"{NAME} A"], "hit", adds=ADDRESS)
    asked = ask(folder / "queries", lines, other, **right)
    master = zone_of(folder / "zone", THOUSAND)
    with master.open("a") as out:
        out.write("www A 192.0.2.1\n")
    servers = [of for of in _static_servers(master) if able is None or of.name in able]
    cases = [Case(server, [hit, asked]) for server in servers]
    wanted = aims(other)[:1]
    if able is None:
        wanted.append(Aim(Row("dnslb", other), Row("dnslb", "hit"), most=1.1))
    return _report(cases, settings, _load(settings), wanted, own="hit")


def _nxdomain(settings: Settings) -> Report:
    lines = labels(RANDOM_NAMES)
    return _beside_hit(settings, "random names", lines, rcode="NXDOMAIN", records=0)


def _case(settings: Settings) -> Report:
    return _beside_hit(settings, "mixed case", mixed(CASES), adds=ADDRESS)


def _cookie_servers() -> list[Server]:
    """Those that answer who has no server cookie yet, rather than to say BADCOOKIE."""
    return [server for server in _static_servers() if server.name not in {"knot", "pdns"}]


def _edns(settings: Settings) -> Report:
    cookie = {"adds": COOKIE, "options": ("-E", f"10:{'c0' * 8}")}
    able = [server.name for server in _cookie_servers()]
    return _beside_hit(settings, "client cookie", [f"{NAME} A"], able, **cookie)


def _answers_servers(count: int, master: Path = NOWHERE) -> list[Server]:
    addresses = [f"192.0.2.{last}" for last in range(1, count + 1)]
    static = (module.static(master) for module in (knot, nsd, bind, pdns))
    return [
        echo.echo(count * ADDRESS_SIZE),
        dnslb.all_of(addresses),
        gdnsd.all_of(addresses),
        *static,
    ]


def _answers(settings: Settings) -> Report:
    cases, wanted = [], []
    for count in COUNTS:
        about = f"{count} addresses" if count > 1 else "1 address"
        lines = "".join(f"www A 192.0.2.{last}\n" for last in range(1, count + 1))
        master = write_zone(settings.folder / f"zone{count}", lines)
        adds = frozenset({count * ADDRESS_SIZE})
        file = settings.folder / f"queries{count}"
        asked = ask(file, [f"{NAME} A"], about, adds=adds, records=count)
        cases += [Case(server, [asked]) for server in _answers_servers(count, master)]
        wanted += aims(about)
    return _report(cases, settings, _load(settings), wanted, own="1 address")


def _types_servers(master: Path = NOWHERE) -> list[Server]:
    static = (module.static(master) for module in (nsd, bind, pdns))
    return [dnslb.typed(), gdnsd.typed(), knot.typed(), *static]


def _types(settings: Settings) -> Report:
    lines = [f"{NAME} {rtype}" for rtype in ("A", "AAAA", "TYPE65")]
    hints = "ipv4hint=192.0.2.1 ipv6hint=2001:db8::1"
    records = f"www A 192.0.2.1\nwww AAAA 2001:db8::1\nwww HTTPS 1 . alpn=h2 {hints}\n"
    master = write_zone(settings.folder / "zone", records)
    asked = ask(settings.folder / "queries", lines, adds=TYPES)
    cases = [Case(server, [asked]) for server in _types_servers(master)]
    return _report(cases, settings, _load(settings), aims()[:1])


def _tcp(settings: Settings) -> Report:
    load = replace(_load(settings), tcp=True, clients=TCP_CLIENTS)
    master = write_zone(settings.folder / "zone", "www A 192.0.2.1\n")
    asked = ask(settings.folder / "queries", [f"{NAME} A"], adds=ADDRESS)
    cases = [Case(server, [asked]) for server in _static_servers(master)]
    pair = Row("dnslb"), Row("gdnsd")
    wanted = [Aim(*pair, least=1, kind="per_second"), Aim(*pair, most=1)]
    return _report(cases, settings, load, wanted)


def _workers(settings: Settings) -> Report:
    load = replace(_load(settings), clients=UDP_CLIENTS)
    master = zone_of(settings.folder / "zone", THOUSAND)
    asked = ask(settings.folder / "queries", hosts(THOUSAND), adds=ADDRESS)
    cases = [Case(server, [asked]) for server in _static_servers(master)]
    done = rounds(cases, settings, load, workers=2, cpus=BOTH)
    words = "Two UDP workers; server and dnsperf share CPUs 0 and 1, so answers/s are no limit."
    text = f"{words}\n\n{shown(cases, load)}\n\n{table(done)}"
    pair = Row("dnslb"), Row("gdnsd")
    wanted = [Aim(*pair, most=0.95), Aim(*pair, least=1, kind="per_second")]
    return Report(text, [aim.verdict(done) for aim in wanted])


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
    Part(
        "edns",
        "What a cookie costs",
        "EDNS with a client cookie, answered with a server cookie, beside a hit",
        _edns,
        _cookie_servers(),
    ),
    Part(
        "answers",
        "What more addresses cost",
        "answers of 1, 4 and 8 addresses",
        _answers,
        _answers_servers(1),
    ),
    Part(
        "types",
        "What several types cost",
        "A, AAAA and HTTPS of one name in turn",
        _types,
        _types_servers(),
    ),
    Part(
        "tcp",
        "What a query costs over TCP",
        "connections that stay",
        _tcp,
        _static_servers(),
    ),
    Part(
        "workers",
        "What two workers do",
        "two workers on both CPUs, which the load shares",
        _workers,
        _static_servers(),
    ),
)
