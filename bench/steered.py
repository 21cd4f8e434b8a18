"""Answers by who asks: what they cost, how long deciding takes, and what resolvers' caches gain.

All with a database the size of GeoLite2-City, beside gdnsd and Knot with the same one.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import subprocess
import sys
import tempfile
import time
from collections import Counter
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Final

from caches import CLIENTS, ask_through
from clients import Client, cached, everywhere, held, random_networks
from generator import Asking
from geo_servers import dnslb, gdnsd, knot, pdns
from machine import unfit
from measure import BenchError, Sample, costs, free_port, running, ticks
from processes import peak
from report import Aim, Row, spread, table
from servers import ADDRESS_SIZE
from servers.echo import echo
from servers.pdns import pickwhashed

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from clients import Answer
    from geo_servers import Databases
    from servers import Server

BUILD: Final = str(Path(__file__).parent / "geo_build.py")

PATIENCE: Final = 120.0
"""Seconds that a server has to read the database."""

NETWORKS: Final = 500_000
"""Random networks that the load comes from, again and again."""

COMPARED: Final = 10_000
"""Random networks whose answers are compared between the servers."""

DECIDED: Final = ("continents", "countries", "offices", "networks", "nearest")
"""The five typical policies."""

CACHED: Final = ("continents", "countries", "nearest")

NEAR: Final = 1_000
"""Networks that a resolver's clients are in."""

PLAIN: Final = Row("dnslb", "weighted, no ECS")
WEIGHTED: Final = Row("dnslb", "weighted")
KERNEL: Final = Row("echo")


@dataclass(frozen=True)
class Case:
    """A row of the first table."""

    server: Server
    ecs: bool = True


def main() -> int:
    options = _options()
    problem = unfit("taskset", *(["unbound"] if "caches" in options.only else []))
    if problem:
        print(problem, file=sys.stderr)
        return 2
    databases = cached()
    parts: dict[str, Callable[[Databases, argparse.Namespace], str]] = {
        "cost": _cost,
        "subnet": _subnet,
        "build": _build,
        "caches": _caches,
    }
    try:
        for part in options.only:
            print(f"\n{parts[part](databases, options)}", flush=True)
    except BenchError as error:
        print(error, file=sys.stderr)
        return 1
    return 0


def _cost(databases: Databases, options: argparse.Namespace) -> str:
    """What locations cost; then whether all servers answer alike."""
    servers = [
        *(dnslb(of, databases) for of in ("weighted", "countries", "nearest", "countries-subnet")),
        *(gdnsd(of, databases) for of in ("weighted", "countries", "nearest")),
        knot(databases),
        pdns(databases),
    ]
    bases = (KERNEL, PLAIN, WEIGHTED, Row("gdnsd", "countries"), Row("gdnsd", "nearest"))
    aims = [
        aim
        for policy in ("countries", "nearest")
        for aim in (
            Aim(Row("dnslb", policy), Row("gdnsd", policy), most=0.95),
            Aim(Row("dnslb", policy), KERNEL, most=1.08),
        )
    ]
    return _measured(servers, databases, options, bases, aims)


def _subnet(databases: Databases, options: argparse.Namespace) -> str:
    """What a choice by the client's network costs, beside choices that do not look at it."""
    servers = [
        *(dnslb(of, databases) for of in ("subnet", "weighted")),
        gdnsd("weighted", databases),
        replace(pickwhashed(), about="pickwhashed"),
    ]
    bases = (KERNEL, WEIGHTED, Row("gdnsd", "weighted"))
    aims = [Aim(Row("dnslb", "subnet"), base, most=1.08) for base in bases[:1]]
    return _measured(servers, databases, options, bases, aims)


def _measured(
    servers: Sequence[Server],
    databases: Databases,
    options: argparse.Namespace,
    bases: Sequence[Row],
    aims: Sequence[Aim],
) -> str:
    """CPU per answer, all servers up during all rounds."""
    cases = _cases(servers, databases)
    load = Asking(options.seconds, options.outstanding)
    with contextlib.ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="dnslb-bench-")))
        networks = folder / "networks"
        networks.write_text("".join(f"{network}\n" for network in random_networks(NETWORKS, 1)))
        up = {}
        for name, case in cases.items():
            port = free_port()
            home = folder / str(port)
            home.mkdir()
            up[name] = stack.enter_context(running(case.server, home, port, PATIENCE)), port
        rounds = []
        names = list(cases)
        for number in range(1, options.rounds + 1):
            samples = {}
            turn = number % len(names)
            for name in (*names[turn:], *names[:turn]):
                file = networks if cases[name].ecs else None
                sample = samples[name] = _sample(name, *up[name], load, file)
                print(f"round {number}: {name} {sample.cpu:.2f} µs", file=sys.stderr)
            rounds.append({name: samples[name] for name in names})
        alike = _alike({name: port for name, (_, port) in up.items()})
    verdicts = "\n".join(f"- {aim.verdict(rounds)}" for aim in aims)
    text = f"`{load.shown('networks')}`\n\n{table(rounds, bases)}\n\n{verdicts}\n"
    return f"{text}\n{alike}" if alike else text


def _cases(servers: Sequence[Server], databases: Databases) -> dict[Row, Case]:
    """What is measured, by its name."""
    cases = {
        KERNEL: Case(echo(ADDRESS_SIZE)),
        PLAIN: Case(dnslb("weighted", databases), ecs=False),
    }
    for server in servers:
        if server.missing():
            print(f"without {server.name}: {server.missing()}", file=sys.stderr)
        else:
            cases[Row(server.name, server.about)] = Case(server)
    return cases


def _sample(row: Row, pid: int, port: int, load: Asking, networks: Path | None) -> Sample:
    before = ticks(pid)
    tally = load.run(port, networks)
    after = ticks(pid)
    if not tally.right(echo=row == KERNEL):
        raise BenchError(f"{row}: not every answer is an address: {tally}")
    if (networks is None) != (set(tally.scopes) == {"none"}):
        raise BenchError(f"{row}: the answers' ECS is not that of the queries: {tally.scopes}")
    rate, octets = tally.answered / tally.seconds, tally.octets / tally.answered
    return Sample(tally.answered, tally.lost, rate, *costs(before, after, tally.answered), octets)


def _alike(ports: Mapping[Row, int]) -> str:
    """How many of random networks are answered by others as by dnslb."""
    networks = list(random_networks(COMPARED, 2))
    answers: dict[Row, list[Answer]] = {}
    for name, port in ports.items():
        if name.about in {"countries", "nearest"}:
            with Client(port) as client:
                answers[name] = client.all(networks)
    if not answers:
        return ""
    rows = [
        f"The answers for {COMPARED:,} random networks, one in five of them of IPv6, beside dnslb's:",  # noqa: E501 - a heading
        "",
        "| server | same address | same scope | shorter than dnslb's | longer | first that differs |",  # noqa: E501 - a heading
        "| --- | --- | --- | --- | --- | --- |",
    ]
    for name, theirs in answers.items():
        if name.server == "dnslb":
            continue
        ours = answers[Row("dnslb", name.about)]
        pairs = list(zip(networks, ours, theirs, strict=True))
        same = sum(our.address == their.address for _, our, their in pairs)
        scopes = Counter(_compared(our.scope, their.scope) for _, our, their in pairs)
        other = [
            f"{network}: {their.address}, not {our.address}"
            for network, our, their in pairs
            if our.address != their.address
        ]
        shares = (f"{scopes[sign] / COMPARED:.2%}" for sign in (0, -1, 1))
        rows.append(
            f"| {name} | {same / COMPARED:.2%} | {' | '.join(shares)} | {''.join(other[:1])} |"
        )
    return "\n".join(rows)


def _compared(ours: int | None, theirs: int | None) -> int:
    """-1 where their scope is shorter, 1 where it is longer."""
    mine, other = ours or 0, theirs or 0
    return (other > mine) - (other < mine)


def _build(databases: Databases, options: argparse.Namespace) -> str:
    """Deciding: the policies one after another in each round, each in a process of its own."""
    reports: dict[str, list[dict[str, float]]] = {policy: [] for policy in DECIDED}
    for _ in range(options.rounds):
        for policy in DECIDED:
            command = [sys.executable, BUILD, policy, *map(str, databases)]
            done = subprocess.run(command, capture_output=True, text=True, check=False)
            if done.returncode:
                raise BenchError(f"{policy}: {done.stderr}")
            reports[policy].append(json.loads(done.stdout))
    rows = [
        f"Medians of {options.rounds} rounds. MB are 10⁶ octets. Verdicts: compiled and published.",
        "",
        (
            "| policy | databases read | they hold | compiled | published | a new verdict | one met"
            " before | networks | IPv4 in the map | IPv6 in the map | map | peak of the process |"
        ),
        f"|{' --- |' * 12}",
    ]
    for policy, runs in reports.items():
        one = {key: sorted(run[key] for run in runs)[len(runs) // 2] for key in runs[0]}
        cells = [
            policy,
            f"{one['opened']:.2f} s",
            f"{one['held'] / 1e6:.0f} MB",
            f"{one['compiled']:.2f} s",
            f"{one['published'] * 1e3:.1f} ms",
            f"{one['new'] * 1e3:.1f} ms",
            f"{one['again'] * 1e3:.1f} ms",
            f"{one['networks']:,.0f}",
            f"{one['v4']:,.0f}",
            f"{one['v6']:,.0f}",
            f"{one['octets'] / 1e6:.1f} MB",
            f"{one['peak'] / 1e6:.0f} MB",
        ]
        rows.append(f"| {' | '.join(cells)} |")
    return "\n".join([*rows, "", _starts(databases, options.rounds)])


def _starts(databases: Databases, count: int) -> str:
    """From the start of a server to its first answer."""
    made = (
        *(dnslb(policy, databases) for policy in ("weighted", "countries", "nearest")),
        *(gdnsd(policy, databases) for policy in ("weighted", "countries", "nearest")),
        knot(databases),
        pdns(databases),
    )
    servers = [server for server in made if not server.missing()]
    seconds: dict[str, list[float]] = {}
    peaks: dict[str, float] = {}
    for _ in range(count):
        for server in servers:
            name = f"{server.name} {server.about}"
            with tempfile.TemporaryDirectory(prefix="dnslb-bench-") as folder:
                began = time.perf_counter()
                with running(server, Path(folder), free_port(), PATIENCE) as pid:
                    seconds.setdefault(name, []).append(time.perf_counter() - began)
                    peaks[name] = max(peaks.get(name, 0), peak(pid))
    rows = [
        "| server | from its start to its first answer | peak of memory |",
        "| --- | --- | --- |",
    ]
    for name, times in seconds.items():
        rows.append(f"| {name} | {spread(times, '.2f')} s | {peaks[name] / 1e6:.0f} MB |")
    return "\n".join(rows)


def _caches(databases: Databases, _options: argparse.Namespace) -> str:
    """What unbound asks for the clients of a thousand networks."""
    populations = {
        "all over the world": everywhere(NEAR, 1),
        "of 20 operators": held(NEAR, 20, 1),
    }
    rows = [
        (
            f"Queries that unbound sends for {NEAR * CLIENTS:,} clients, {CLIENTS} in each "
            f"of {NEAR:,} networks (/24), and the share that it answers from its cache"
        ),
        "",
        "| networks | unbound keeps | policy | scope of dnslb | scope = source |",
        "| --- | --- | --- | --- | --- |",
    ]
    for policy in CACHED:
        with tempfile.TemporaryDirectory(prefix="dnslb-bench-") as name:
            port = free_port()
            with running(dnslb(policy, databases), Path(name), port, PATIENCE):
                for about, networks in populations.items():
                    for kept in (None, 1_000_000):
                        cells = [about, f"{kept:,}" if kept else "100, as by default", policy]
                        for exact in (False, True):
                            with tempfile.TemporaryDirectory(prefix="dnslb-bench-") as home:
                                hits = ask_through(port, networks, kept, Path(home), exact=exact)
                            cells.append(f"{hits.upstream:,} ({hits.rate:.1%})")
                        rows.append(f"| {' | '.join(cells)} |")
                        print(rows[-1], file=sys.stderr)
    return "\n".join(rows)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="Answers by who asks, beside other servers")
    parser.add_argument("--rounds", type=int, default=5, metavar="N")
    parser.add_argument("--seconds", type=float, default=3, help="of load for each server")
    parser.add_argument("--outstanding", type=int, default=100, help="queries at once")
    parts = ["cost", "subnet", "build", "caches"]
    parser.add_argument("--only", nargs="+", choices=parts, default=parts)
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
