"""Whether answers wait for what Python does meanwhile: 20 publishes a second, 10,000 checks.

    CPU 0: the thread that answers, the client      CPU 1: everything else of the server, nginx

The aim speaks of a machine with a core to spare for what Python does. Where there are two in all,
the client has to share one with somebody: here with the thread that answers, which has nothing to
do before it has asked.
"""

from __future__ import annotations

import contextlib
import json
import os
import sys
import tempfile
import threading
import time
import urllib.request
from pathlib import Path
from typing import TYPE_CHECKING, Final

from generator import Asking
from latency import SHARES, microseconds, paced
from measure import CLIENT_CPU, SERVER_CPU, BenchError, free_port, running
from part import Part, Report
from report import grid, verdict
from servers import NAME, TTL, dnslb
from servers.echo import ASKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from latency import Met
    from part import Settings
    from servers import Server

__all__ = ["PARTS"]

RATE: Final = 5_000
"""Queries a second: so few that client and server seldom want their CPU at once."""

PUBLISHES: Final = 20
"""A second."""

BACKENDS: Final = 10_000
MEMBERS: Final = 100
"""Backends in a pool, each of which has a service."""

SETTLE: Final = 12.0
"""Seconds after the first round of checks, when the second has spread the probes out."""

LOADING: Final = 120.0

THREAD: Final = "dnslb-udp"

PUSHED: Final = f"""\
checks:
  beat: {{type: push, deadline: 1h, hold_down: 0s}}
services:
  www:
    strategy: weighted
    ttl: {TTL}
    check: beat
    members:
      - {{name: b0, address: 192.0.2.1, weight: 3}}
      - {{name: b1, address: 192.0.2.2, weight: 2}}
      - {{name: b2, address: 192.0.2.3}}
"""


@contextlib.contextmanager
def _apart(server: Server, patience: float) -> Iterator[tuple[int, int]]:
    """A running server's process and port, with the thread that answers alone on its CPU."""
    with tempfile.TemporaryDirectory(prefix="dnslb-bench-") as name:
        port = free_port()
        with running(server, Path(name), port, patience, cpus=str(CLIENT_CPU)) as pid:
            for task in Path(f"/proc/{pid}/task").iterdir():
                if (task / "comm").read_text().startswith(THREAD):
                    os.sched_setaffinity(int(task.name), {SERVER_CPU})
            time.sleep(1)
            yield pid, port


def _publishes(settings: Settings) -> Report:
    api = free_port()
    server = dnslb.configured("publishes", PUSHED, more=f"api: {{listen: 127.0.0.1:{api}}}")
    load = Asking(settings.seconds, rate=RATE, sleep=True, cpu=SERVER_CPU)
    made: list[float] = []

    def measure() -> tuple[Met, Met]:
        with _apart(server, LOADING) as (pid, port):
            without = paced(server, pid, port, load)
            with _beating(api) as count:
                beside = paced(server, pid, port, load)
            made.append(count() / load.seconds)
        return without, beside

    report = _compared(settings, load, f"{PUBLISHES} publishes/s", measure)
    if min(made) < PUBLISHES / 2:
        raise BenchError(f"only {min(made):.1f} publishes a second were made")
    return report


@contextlib.contextmanager
def _beating(api: int) -> Iterator[Callable[[], int]]:
    """Have one backend go down and up, again and again; yields how often that was published."""
    ended = threading.Event()
    first = _generation(api)

    def beat() -> None:
        began, count = time.monotonic(), 0
        while not ended.wait(max(0.0, began + count / PUBLISHES - time.monotonic())):
            status = ("down", "up")[count % 2]
            _call(api, "PUT", "api/v1/backends/www/b2/heartbeat", {"status": status})
            count += 1

    thread = threading.Thread(target=beat)
    thread.start()
    try:
        yield lambda: _generation(api) - first
    finally:
        ended.set()
        thread.join()


def _generation(api: int) -> int:
    """How often was published."""
    lines = _call(api, "GET", "metrics").splitlines()
    (line,) = [line for line in lines if line.startswith("dnslb_snapshot_generation")]
    return int(float(line.split()[-1]))


def _call(api: int, method: str, path: str, body: object = None) -> str:
    data = None if body is None else json.dumps(body).encode()
    headers = {"Content-Type": "application/json"}
    url = f"http://127.0.0.1:{api}/{path}"
    request = urllib.request.Request(url, data, headers, method=method)
    with urllib.request.urlopen(request, timeout=10) as answer:  # noqa: S310
        text: str = answer.read().decode()
    return text


def _checks(settings: Settings) -> Report:
    from checks import nginx  # noqa: PLC0415 - a script that knows the command, which knows us

    load = Asking(settings.seconds, rate=RATE, sleep=True, cpu=SERVER_CPU)
    with nginx(settings.folder) as port:
        servers = [_checking(port, checked=checked) for checked in (False, True)]

        def measure() -> tuple[Met, Met]:
            met = []
            for checked, server in enumerate(servers):
                with _apart(server, LOADING) as (pid, port):
                    time.sleep(SETTLE * checked)
                    met.append(paced(server, pid, port, load))
            return met[0], met[1]

        return _compared(settings, load, f"{BACKENDS:,} checks", measure)


def _checking(port: int, *, checked: bool) -> Server:
    """So many backends, all of them checked every 10 s or none."""
    lines = []
    if checked:
        lines.append(f"checks: {{web: {{type: http, port: {port}, path: /healthz}}}}\n")
    lines.append("services:\n")
    for service in range(BACKENDS // MEMBERS):
        name = f"s{service}" if service else NAME.partition(".")[0]
        lines.append(f"  {name}:\n    ttl: {TTL}\n" + "    check: web\n" * checked)
        lines.append("    members:\n")
        lines += [
            f"      - {{name: b{at}, address: 127.0.{at >> 8 & 255}.{at & 255}}}\n"
            for at in range(service * MEMBERS, (service + 1) * MEMBERS)
        ]
    return dnslb.configured("checked" if checked else "unchecked", "".join(lines))


def _compared(
    settings: Settings, load: Asking, what: str, measure: Callable[[], tuple[Met, Met]]
) -> Report:
    """Without and with something, in each round."""
    pairs = []
    for turn in range(settings.rounds):
        pairs.append(measure())
        print(f"round {turn + 1}: {[of.tally.took for of in pairs[-1]]}", file=sys.stderr)
    rows = []
    for name, them in zip(("without", f"with {what}"), zip(*pairs, strict=True), strict=True):
        tallies = [of.tally for of in them]
        lost, sent = sum(of.lost for of in tallies), sum(of.sent for of in tallies)
        rows.append([name, *microseconds(tallies), f"{lost:,} of {sent:,}"])
    key = SHARES["p99"]
    ratios = [beside.tally.took[key] / without.tally.took[key] for without, beside in pairs]
    words = (
        f"`{load.shown()}`; the thread that answers and the client share CPU {SERVER_CPU}; the rest"
        f" of the server, and what else there is, have CPU {CLIENT_CPU}."
    )
    text = f"{words}\n\n{grid(['', *SHARES, 'lost'], rows)}"
    return Report(text, [verdict(f"p99 with {what} at most 1.1 x without", ratios, most=1.1)])


PARTS: Final = (
    Part(
        "publishes",
        "What publishing does to answers",
        "p50, p99 and p99.9 with 20 publishes a second going on, and without",
        _publishes,
        (dnslb.weighted(),),
        ("taskset", str(ASKING)),
    ),
    Part(
        "checked",
        "What 10,000 checks do to answers",
        "p50, p99 and p99.9 with 10,000 backends checked every 10 s, and without",
        _checks,
        (dnslb.weighted(),),
        ("taskset", str(ASKING), "nginx"),
    ),
)
