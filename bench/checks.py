"""What checks cost at scale: CPU, memory, lateness, and what they do to answers.

One nginx answers on every address of 127.0.0.0/8; each backend has an address of its own there. A
server checks them all every 10 s, and answers nothing. Goals for one process: of a core 1 %
without backends, 5 % with 1,000 and 50 % with 10,000; with these 300 MB, 99 % of probes less than
0.5 s late, and answers that are no later than without checks.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import json
import os
import re
import shutil
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import uvloop
from machine import unfit
from measure import CLIENT_CPU, PATIENCE, SERVER_CPU, BenchError, free_port
from processes import TICKS, family, ticks

from dnslb.config.load import load
from dnslb.log import configure
from dnslb.server import Server

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

GOAL_CORES: Final = {0: 0.01, 1_000: 0.05, 10_000: 0.5}
"""Cores by backends, with one process."""

GOAL_MEGABYTES: Final = 300
GOAL_LATE: Final = 0.5
GOAL_BACKENDS: Final = 10_000

MEMBERS: Final = 100
"""Backends in a pool, each of which has a service."""

SETTLE: Final = 30.0
"""Seconds after the first round: the second has spread the probes out, and what the first burst did
to latencies is nearly forgotten."""

NGINX: Final = """
daemon off; master_process off; worker_rlimit_nofile 20000; pid {folder}/pid;
error_log {folder}/error.log;
events {{ worker_connections 16000; }}
http {{
    access_log off; client_body_temp_path {folder}/a; proxy_temp_path {folder}/b;
    fastcgi_temp_path {folder}/c; uwsgi_temp_path {folder}/d; scgi_temp_path {folder}/e;
    allow 127.0.0.0/8; deny all;
    server {{ listen 0.0.0.0:{port} backlog=4096; location / {{ return 200 "ok\\n"; }} }}
}}
"""


@dataclass(frozen=True)
class Sample:
    """What a server did in a while."""

    cores: float  # of all its processes
    megabytes: float  # of memory, what they share counted once
    probes: int
    failed: int
    late: Sequence[float]  # seconds: p50, p99, most
    took: Sequence[float]  # milliseconds of a probe: p50, p99, most


def main() -> int:
    options = _options()
    if options.serve:
        uvloop.run(_serve(options.serve, checks=not options.without))
        return 0
    problem = unfit("dnsperf", "taskset")
    if problem or shutil.which("nginx", path=_PATH) is None:
        print(problem or "nginx is not here: apt-get install nginx-light", file=sys.stderr)
        return 2
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # so that servers end with us
    missed = False
    with tempfile.TemporaryDirectory(prefix="dnslb-bench-") as name, nginx(Path(name)) as port:
        if "cost" in options.only:
            print(HEAD)
            for backends, processes in options.sizes:
                missed |= _cost(Path(name), port, backends, processes, options)
        if "answers" in options.only:
            _answers(Path(name), port, options)
    return int(missed)


HEAD: Final = """\
| backends | processes | goal | cores | MB | first round | probes | failed | late p50 | p99 \
| most | took p50 | p99 | most |
| --- | --- | --- | --- | --- | --- | --- | --- | --- | --- | --- | --- | --- | --- |"""


def _cost(
    folder: Path, port: int, backends: int, processes: int, options: argparse.Namespace
) -> bool:
    """One row of the table; returns whether it missed a goal."""
    # one process has a CPU to itself; several share both with nginx
    cpu = str(SERVER_CPU) if processes == 1 else f"{SERVER_CPU},{CLIENT_CPU}"
    with served(folder, port, backends, processes, cpu, reuse=options.reuse) as server:
        time.sleep(SETTLE)
        sample = server.sample(options.seconds)
    late = " | ".join(f"{value * 1e3:.1f} ms" for value in sample.late)
    took = " | ".join(f"{value:.1f} ms" for value in sample.took or (0.0, 0.0, 0.0))
    goal = GOAL_CORES.get(backends) if processes == 1 else None
    print(
        f"| {backends:,} | {processes} | {goal or ''} | {sample.cores:.3f} "
        f"| {sample.megabytes:.0f} "
        f"| {server.first:.1f} s | {sample.probes:,} | {sample.failed} | {late} | {took} |",
        flush=True,
    )
    if goal is not None and sample.cores > goal:
        return True
    return backends == GOAL_BACKENDS and (
        sample.megabytes > GOAL_MEGABYTES or sample.late[1] > GOAL_LATE or sample.failed > 0
    )


def _answers(folder: Path, port: int, options: argparse.Namespace) -> None:
    """Latency of answers with checks and without, in turn."""
    backends, _ = options.sizes[-1]
    found: dict[bool, list[tuple[float, ...]]] = {True: [], False: []}
    for number in range(options.rounds):
        for checks in (True, False) if number % 2 else (False, True):
            with served(
                folder, port, backends, 1, str(SERVER_CPU), checks=checks, reuse=options.reuse
            ) as server:
                time.sleep(SETTLE if checks else 1)
                found[checks].append(latencies(folder, server.port, options.rate))
    print(f"\n`dnsperf -Q {options.rate}`, {options.rounds} rounds, {backends:,} backends\n")
    print("| checks | p50 | p99 | p99.9 | most |\n| --- | --- | --- | --- | --- |")
    for checks, rows in found.items():
        cells = []
        for values in zip(*rows, strict=True):
            middle, least, most = statistics.median(values), min(values), max(values)
            cells.append(f"{middle:.0f} µs ({least:.0f}-{most:.0f})")
        print(f"| {'with' if checks else 'without'} | {' | '.join(cells)} |")


def latencies(folder: Path, port: int, rate: int) -> tuple[float, ...]:
    """Microseconds from a query to its answer: p50, p99, p99.9, most."""
    queries = folder / "queries"
    queries.write_text("".join(f"s{number}.example.com A\n" for number in range(MEMBERS)))
    done = subprocess.run(
        ["taskset", "-c", str(CLIENT_CPU), "dnsperf", "-s", "127.0.0.1", "-p", str(port),
         "-d", str(queries), "-Q", str(rate), "-l", "10", "-v"],
        capture_output=True, text=True, check=True, timeout=60,
    )  # fmt: skip
    times = sorted(
        float(found[1]) * 1e6
        for found in re.finditer(r"^> NOERROR \S+ A (\d\.\d+)$", done.stdout, re.MULTILINE)
    )
    if len(times) < rate * 9 or "Queries lost:         0 " not in done.stdout:
        raise BenchError(f"dnsperf lost queries or met errors:\n{done.stdout[-2000:]}")
    return tuple(times[min(int(len(times) * share), len(times) - 1)]
                 for share in (0.5, 0.99, 0.999, 1))  # fmt: skip


class Served:
    """A running server."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self._process = process
        ready = self._ask("")
        self.port: int = ready["port"]
        self.first: float = ready["first"]

    def sample(self, seconds: float) -> Sample:
        """What the server does in so many seconds."""
        self._ask("reset")
        before, began = sum(ticks(self._process.pid)), time.monotonic()
        time.sleep(seconds)
        after, ended = sum(ticks(self._process.pid)), time.monotonic()
        told = self._ask("tell")
        cores = (after - before) / TICKS / (ended - began)
        memory = sum(_memory(pid) for pid in family(self._process.pid))
        return Sample(cores, memory, told["probes"], told["failed"], told["late"], told["took"])

    def _ask(self, words: str) -> dict[str, Any]:
        assert self._process.stdin
        assert self._process.stdout
        if words:
            self._process.stdin.write(words + "\n")
            self._process.stdin.flush()
        line = self._process.stdout.readline()
        if not line:
            raise BenchError("the server ended")
        answer: dict[str, Any] = json.loads(line)
        return answer


def _memory(pid: int) -> float:
    text = Path(f"/proc/{pid}/smaps_rollup").read_text()
    return int(re.search(r"^Pss:\s+(\d+) kB", text, re.MULTILINE)[1]) / 1000  # type: ignore[index]


@contextlib.contextmanager
def served(
    folder: Path, port: int, backends: int, processes: int, cpu: str, *,
    checks: bool = True, reuse: bool = False,
) -> Iterator[Served]:  # fmt: skip
    """A server of `backends`, ended whatever happens."""
    home = Path(tempfile.mkdtemp(dir=folder))
    write(home, port, backends, processes, reuse=reuse)
    process = subprocess.Popen(
        ["taskset", "-c", cpu, sys.executable, __file__, "--serve", str(home),
         *([] if checks else ["--without"])],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
    )  # fmt: skip
    try:
        yield Served(process)
    finally:
        process.terminate()
        process.communicate(timeout=PATIENCE)


def write(home: Path, port: int, backends: int, processes: int, *, reuse: bool) -> None:
    """Write the configuration."""
    (home / "zones").mkdir()
    lines = [
        "nameservers: [ns.example.net.]\nchecks:\n",
        f"  web: {{type: http, port: {port}, path: /healthz, reuse: {str(reuse).lower()}}}\n",
        "services:\n" if backends else "",
    ]
    for service in range((backends + MEMBERS - 1) // MEMBERS):
        lines.append(f"  s{service}:\n    check: web\n    members:\n")
        for at in range(service * MEMBERS, min((service + 1) * MEMBERS, backends)):
            address = f"127.{at >> 16 & 255}.{at >> 8 & 255}.{at & 255}"
            lines.append(f"      - {{name: b{at}, address: {address}}}\n")
    (home / "zones" / "example.com.yaml").write_text("".join(lines))
    (home / "dnslb.yaml").write_text(
        f'listen: ["127.0.0.1:0"]\nworkers: 1\napi: off\nhealth: {{processes: {processes}}}\n'
    )


_PATH: Final = f"{os.environ.get('PATH', '')}:/usr/sbin"


@contextlib.contextmanager
def nginx(folder: Path) -> Iterator[int]:
    """The port that nginx listens on, on every address of loopback."""
    port = free_port()
    (folder / "nginx.conf").write_text(NGINX.format(folder=folder, port=port))
    process = subprocess.Popen(
        ["taskset", "-c", str(CLIENT_CPU), str(shutil.which("nginx", path=_PATH)),
         "-c", str(folder / "nginx.conf"), "-p", str(folder)],
        stderr=subprocess.DEVNULL,
    )  # fmt: skip
    try:
        yield port
    finally:
        process.terminate()
        process.wait(PATIENCE)


async def _serve(home: Path, *, checks: bool) -> None:
    """The server itself, which tells on its standard output what it is asked on the other."""
    config, _ = load(home / "dnslb.yaml")
    configure("warning")
    server = Server(config, owns_process=True)
    server.bind()
    began = time.monotonic()
    stop = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stop.set)
    await server.start()
    first = time.monotonic() - began
    if not checks:
        server.monitor.configure(())
    before: dict[str, int] = {}

    def on_words() -> None:
        words = sys.stdin.readline().strip()
        if words == "reset":
            server.monitor.lateness.take()
            before.update(server.monitor.results())
            print("{}", flush=True)
        elif words == "tell":
            lateness, results = server.monitor.lateness, server.monitor.results()
            counts = {word: results[word] - before[word] for word in results}
            took = sorted(
                last.milliseconds
                for backend in server.config.backends()
                for last in server.monitor.last(backend.id).values()
                if last
            )
            told = {
                "probes": sum(counts.values()),
                "failed": sum(counts.values()) - counts["ok"],
                "late": [lateness.quantile(0.5), lateness.quantile(0.99), lateness.most],
                "took": [took[len(took) // 2], took[int(len(took) * 0.99)], took[-1]]
                if took
                else [],
            }
            print(json.dumps(told), flush=True)

    asyncio.get_running_loop().add_reader(sys.stdin.fileno(), on_words)
    print(json.dumps({"port": server.listening[0].port, "first": first}), flush=True)
    await stop.wait()
    await server.stop()


def _size(text: str) -> tuple[int, int]:
    backends, _, processes = text.partition("/")
    return int(backends), int(processes or 1)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "sizes",
        nargs="*",
        type=_size,
        default=[(0, 1), (1_000, 1), (10_000, 1)],
        metavar="BACKENDS[/PROCESSES]",
    )
    parser.add_argument("--only", nargs="+", choices=["cost", "answers"],
                        default=["cost", "answers"])  # fmt: skip
    parser.add_argument("--seconds", type=float, default=60, help="that a cost is measured")
    parser.add_argument("--rounds", type=int, default=5, help="of answers")
    parser.add_argument("--rate", type=int, default=5_000, help="queries a second")
    parser.add_argument("--reuse", action="store_true", help="keep connections")
    parser.add_argument("--serve", type=Path, help=argparse.SUPPRESS)
    parser.add_argument("--without", action="store_true", help=argparse.SUPPRESS)
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
