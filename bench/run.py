"""CPU microseconds per answered query of dnslb, beside other servers in the same run.

Rounds are interleaved: each measures every server once, beginning with another one each time, so a
noisy minute spoils no single server.
"""

from __future__ import annotations

import argparse
import datetime as dt
import os
import shutil
import signal
import sys
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Final

from measure import BenchError, Load, Sample, measure
from report import environment, table
from servers import SERVERS

if TYPE_CHECKING:
    from collections.abc import Sequence

    from servers import Server

RESULTS: Final = Path(__file__).parent / "results"

PACKAGES: Final = {"taskset": "util-linux"}
"""Of programs that are in a package of another name."""

ECHO_NAME: Final = "echo"
"""The server that knows UDP only."""


def main() -> int:
    options = _options()
    problem = unfit("dnsperf", "taskset")
    if problem:
        print(problem, file=sys.stderr)
        return 2
    servers = [
        server
        for server in SERVERS
        if (options.only is None or server.name in options.only)
        and not (options.tcp and server.name == ECHO_NAME)
    ]
    missing = {server.name: server.missing() for server in servers}
    for name, reason in missing.items():
        if reason:
            print(f"without {name}: {reason}", file=sys.stderr)
    servers = [server for server in servers if not missing[server.name]]
    loads = _loads(options)
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # so that servers end with us
    try:
        tables = [table(load.shown(), _rounds(servers, load, options.rounds)) for load in loads]
    except BenchError as error:
        print(error, file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130
    command = " ".join(["python", "bench/run.py", *sys.argv[1:]])
    text = "\n\n".join([environment(servers, command), *tables]) + "\n"
    RESULTS.mkdir(exist_ok=True)
    now = dt.datetime.now(tz=dt.timezone.utc)
    (RESULTS / f"{now:%Y%m%dT%H%M%S}.md").write_text(text)
    print(text, end="")
    return 0


def _rounds(servers: Sequence[Server], load: Load, count: int) -> list[dict[str, Sample]]:
    rounds = []
    for number in range(1, count + 1):
        samples: dict[str, Sample] = {}
        turn = number % len(servers)
        for server in (*servers[turn:], *servers[:turn]):
            sample = samples[server.name] = measure(server, load)
            print(
                f"round {number} of {count}: {server.name} {sample.cpu:.2f} µs,"
                f" {sample.per_second:,.0f} answers/s",
                file=sys.stderr,
            )
        rounds.append({server.name: samples[server.name] for server in servers})
    return rounds


def _loads(options: argparse.Namespace) -> list[Load]:
    """As fast as answers come, and at each rate asked for."""
    base = Load(options.seconds, options.outstanding)
    if options.tcp:
        base = replace(base, tcp=True, clients=options.clients)
    return [base, *(replace(base, rate=rate) for rate in options.rate)]


def unfit(*programs: str) -> str:
    """Why this machine cannot measure with `programs`; empty when it can."""
    for program in programs:
        if shutil.which(program) is None:
            return f"{program} is not here: apt-get install {PACKAGES.get(program, program)}"
    if not {0, 1} <= os.sched_getaffinity(0):
        return "server and client need CPU 0 and CPU 1 to themselves"
    return ""


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="CPU per answered query, beside other servers")
    parser.add_argument("--rounds", type=int, default=5, metavar="N")
    parser.add_argument("--seconds", type=float, default=3, help="of load for each server")
    parser.add_argument("--outstanding", type=int, default=100, help="queries at once")
    parser.add_argument(
        "--rate", type=int, action="append", default=[], help="measure at this many queries/s too"
    )
    parser.add_argument("--tcp", action="store_true", help="measure TCP instead of UDP")
    parser.add_argument("--clients", type=int, default=20, help="TCP connections at a time")
    parser.add_argument("--only", nargs="+", choices=[server.name for server in SERVERS])
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
