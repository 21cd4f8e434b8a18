"""A flood over a cable: answers/s of a server on one CPU, and what each costs it.

    kxdpgun, namespace of the client, CPU 1 ── veth pair ── server's namespace, server on CPU 0

kxdpgun sends past the network stack (AF_XDP) from random addresses, and counts what comes back. The
network namespaces and the pair are made here and removed at the end, which needs root.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import signal
import subprocess
import sys
import tempfile
from itertools import product
from pathlib import Path
from typing import TYPE_CHECKING, Final

from machine import unfit
from measure import CLIENT_CPU, PATIENCE, BenchError, Sample, costs, number, running, ticks
from part import SKIPPED
from queries import ask, hosts, probe, zone_of
from report import Aim, Row, table
from servers import At, dnslb, gdnsd, knot, nsd

if TYPE_CHECKING:
    from collections.abc import Iterator

    from queries import Asked
    from servers import Server

RATES: Final = (250_000, 400_000)
"""Queries a second, about: beyond what one CPU answers, so that there is always a next one."""

NAMES: Final = 1_000

PORT: Final = 5300

# 198.18.0.0/15 is for benchmarks (RFC 2544)
SERVER: Final = "198.18.0.1"
CLIENT: Final = "198.18.0.2"
SOURCES: Final = "198.19.0.0/16"
CABLE: Final = "dnslb0"


def main() -> int:
    options = _options()
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # so that all ends with us
    if options.inside:
        try:
            return _inside(options.inside, options)
        except KeyboardInterrupt:
            return 130
    problem = unfit("ip", "kxdpgun", "taskset")
    if os.geteuid() != 0:
        problem = "network namespaces need root"
    if problem:
        print(problem, file=sys.stderr)
        return SKIPPED
    try:
        with _namespaces() as (server, client):
            inside = [sys.executable, __file__, "--inside", client, *sys.argv[1:]]
            return subprocess.run(["ip", "netns", "exec", server, *inside], check=False).returncode
    except KeyboardInterrupt:
        return 130
    except subprocess.CalledProcessError as error:
        print(f"{' '.join(error.cmd)}: {error.stderr.strip()}", file=sys.stderr)
        return SKIPPED


@contextlib.contextmanager
def _namespaces() -> Iterator[tuple[str, str]]:
    """Two network namespaces with a cable between them, as long as they are needed."""
    server, client = (f"dnslb-bench-{os.getpid()}-{which}" for which in ("server", "client"))
    with contextlib.ExitStack() as stack:
        for name in (server, client):
            _ip("netns", "add", name)
            stack.callback(_ip, "netns", "delete", name)
        _ip("-n", server, "link", "add", CABLE, "type", "veth", "peer", CABLE, "netns", client)
        for name, address in ((server, SERVER), (client, CLIENT)):
            _ip("-n", name, "address", "add", f"{address}/24", "dev", CABLE)
            _ip("-n", name, "link", "set", "lo", "up")
            _ip("-n", name, "link", "set", CABLE, "up")
        _ip("-n", server, "route", "add", SOURCES, "via", CLIENT)
        yield server, client


def _ip(*words: str) -> None:
    subprocess.run(["ip", *words], check=True, capture_output=True, text=True)


def _inside(client: str, options: argparse.Namespace) -> int:
    """The measurement, in the server's namespace."""
    rounds = []
    with tempfile.TemporaryDirectory(prefix="dnslb-bench-") as name:
        folder = Path(name)
        lines = (line.replace(" ", ". ") for line in hosts(NAMES))
        asked = ask(folder / "queries", lines)
        master = zone_of(folder / "zone", NAMES)
        made = (module.static(master) for module in (dnslb, gdnsd, knot, nsd))
        servers = [*made, *(of.static(master, cable=CABLE) for of in (dnslb, knot))]
        servers = [
            server
            for server in servers
            if (not options.only or server.name in options.only) and not server.missing()
        ]
        try:
            for turn in range(options.rounds):
                start = turn % len(servers)
                samples = {}
                for server in (*servers[start:], *servers[:start]):
                    samples |= _flood(server, client, asked, options.rates, options.seconds)
                rows = [Row(of.name, _about(rate)) for rate in options.rates for of in servers]
                rounds.append({row: samples[row] for row in rows})
        except BenchError as error:
            print(error, file=sys.stderr)
            return 2
    print(f"- `{' '.join(_command(options.seconds, options.rates[0], Path('queries')))}`\n")
    print(table(rounds), end="\n\n")
    for ours, rate in product(("dnslb", "dnslb-xdp"), map(_about, options.rates)):
        pair = Row(ours, rate), Row("gdnsd", rate)
        for aim in (Aim(*pair, least=1.1, kind="per_second"), Aim(*pair, most=1 / 1.1)):
            print(f"- {aim.verdict(rounds)}")
    return 0


def _about(rate: int) -> str:
    return f"at {rate:,}/s"


def _flood(
    server: Server, client: str, asked: Asked, rates: list[int], seconds: float
) -> dict[Row, Sample]:
    """Start a server and flood it at each rate."""
    samples = {}
    at = At(PORT, SERVER)
    with contextlib.ExitStack() as stack:
        name = stack.enter_context(tempfile.TemporaryDirectory(prefix="dnslb-bench-"))
        pid = stack.enter_context(running(server, Path(name), PORT, at=at))
        if wrong := probe(asked, at.address, at.port):
            raise BenchError(f"{server.name} answers wrongly: {wrong}")
        for rate in rates:
            row = Row(server.name, _about(rate))
            before = ticks(pid)
            text = _kxdpgun(client, seconds, rate, asked.path)
            after = ticks(pid)
            sent, answered, good = (
                int(number(rf"{what}:\s+(\d+)", text))
                for what in ("total queries", "total replies", "responded NOERROR")
            )
            if not answered or good != answered:
                raise BenchError(f"{row} did not answer with NOERROR only:\n{text}")
            octets = number(r"average DNS reply size: (\d+)", text)
            user, system = costs(before, after, answered)
            sample = Sample(answered, sent - answered, answered / seconds, user, system, octets)
            samples[row] = sample
            print(f"{row}: {sample.per_second:,.0f} answers/s", file=sys.stderr)
    # Knot leaves its program on the interface
    subprocess.run(["ip", "link", "set", CABLE, "xdp", "off"], capture_output=True, check=False)
    return samples


def _kxdpgun(client: str, seconds: float, rate: int, queries: Path) -> str:
    done = subprocess.run(
        ["ip", "netns", "exec", client, *_command(seconds, rate, queries)],
        capture_output=True,
        text=True,
        check=False,
        timeout=seconds + PATIENCE,
    )
    if done.returncode:
        raise BenchError(f"kxdpgun failed:\n{done.stdout}{done.stderr}")
    return done.stdout


def _command(seconds: float, rate: int, queries: Path) -> list[str]:
    return [
        *("kxdpgun", "-t", f"{seconds:g}", "-Q", str(rate), "-F", f"{CLIENT_CPU}s1"),
        *("-i", str(queries), "-p", str(PORT), "-l", SOURCES, SERVER),
    ]


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="Answers/s under a flood over a veth pair")
    parser.add_argument("--rounds", type=int, default=5, metavar="N")
    parser.add_argument("--seconds", type=float, default=3, help="of each flood, whole ones")
    parser.add_argument(
        "--rates", type=int, nargs="+", default=list(RATES), help="queries a second"
    )
    parser.add_argument("--only", nargs="+", metavar="SERVER")
    parser.add_argument("--inside", help=argparse.SUPPRESS)
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
