"""What TCP clients cost everybody else: idle ones, slow ones, and those that come for one query.

Each server gets 10,000 idle connections, 200 that send a query octet by octet, and connections of
one query each; UDP and TCP answers of others are measured meanwhile and without them, in one run.
"""

from __future__ import annotations

import argparse
import contextlib
import itertools
import os
import resource
import socket
import statistics
import struct
import subprocess
import sys
import tempfile
import threading
import time
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Final

from measure import (
    CLIENT_CPU,
    QUESTION,
    TICKS,
    BenchError,
    Load,
    dnsperf,
    free_port,
    number,
    running,
    ticks,
)
from servers import NAME, dnslb, gdnsd, knot

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from servers import Server

IDLE: Final = 10_000
DRIPS: Final = 200

DRIP_EVERY: Final = 0.05
"""Seconds between two octets of a client that sends slowly."""

ADDRESSES: Final = tuple(f"127.0.1.{last}" for last in range(1, 51))
"""Where clients come from: 200 connections each, which every server allows a client."""

FRAMED: Final = struct.pack("!H", len(QUESTION)) + QUESTION
LONG: Final = struct.pack("!H", 65_535)
PATIENCE: Final = 15.0

UDP: Final = Load(seconds=3, outstanding=100)
RATE: Final = 10_000
SHORT_SECONDS: Final = 3.0


@dataclass(frozen=True)
class Others:
    """How others are answered."""

    lost: int
    answered: int
    p99: float  # microseconds

    def __str__(self) -> str:
        sent = self.lost + self.answered
        if not self.answered:
            return "no answer"
        return f"{self.lost} of {sent:,} lost, p99 {self.p99:,.0f} µs"


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=3, metavar="N")
    parser.add_argument("--only", nargs="+", choices=PARTS)
    options = parser.parse_args()
    os.sched_setaffinity(0, {CLIENT_CPU})
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    made = (module.weighted() for module in (dnslb, gdnsd, knot))
    servers = [server for server in made if not server.missing()]
    try:
        parts = options.only or PARTS
        for part in parts:
            print(PARTS[part](servers, options.rounds), end="\n\n", flush=True)
    except BenchError as error:
        print(error, file=sys.stderr)
        return 1
    return 0


@contextlib.contextmanager
def _served(server: Server) -> Iterator[tuple[int, int, Path]]:
    """The server's process and port, and the file of queries."""
    with tempfile.TemporaryDirectory(prefix="dnslb-bench-") as name:
        queries = Path(name) / "queries"
        queries.write_text(f"{NAME} A\n")
        port = free_port()
        with running(server, Path(name), port) as pid:
            yield pid, port, queries


def _idle(servers: Sequence[Server], rounds: int) -> str:
    """Memory of idle connections, and what a UDP answer costs beside them."""
    rows = [
        f"{IDLE:,} idle connections that have asked once; `{_shown(UDP)}`, {rounds} rounds",
        "",
        "| server | memory each | kept | CPU µs per UDP answer, none idle | beside them | ratio |",
        "| --- | --- | --- | --- | --- | --- |",
    ]
    for server in servers:
        memory, kept, alone, beside = [], [], [], []
        for _ in range(rounds):
            with _served(server) as (pid, port, queries), contextlib.ExitStack() as stack:
                alone.append(_udp_cost(pid, port, queries))
                before = _resident(pid)
                socks = [
                    stack.enter_context(_connect(port, source))
                    for source in itertools.islice(itertools.cycle(ADDRESSES), IDLE)
                ]
                memory.append((_resident(pid) - before) / IDLE)
                beside.append(_udp_cost(pid, port, queries))
                kept.append(sum(_asks(sock) for sock in socks))
        ratio = statistics.median(late / early for early, late in zip(alone, beside, strict=True))
        rows.append(
            f"| {server.name} | {statistics.median(memory):,.0f} octets | {min(kept):,} | "
            f"{statistics.median(alone):.2f} | {statistics.median(beside):.2f} | {ratio:.2f} |"
        )
    return "\n".join(rows)


def _drips(servers: Sequence[Server], _rounds: int) -> str:
    """How others are answered beside clients that send slowly."""
    udp = Load(5, 100, RATE)
    tcp = replace(udp, tcp=True, clients=10)
    every = f"{DRIP_EVERY * 1e3:.0f} ms"
    rows = [
        f"{DRIPS} connections that send an octet of a long message every {every} and are opened",
        f"anew when closed; others ask by `{_shown(udp)}` and `{_shown(tcp)}`",
        "",
        "| server | UDP without | UDP beside them | TCP without | TCP beside them |",
        "| --- | --- | --- | --- | --- |",
    ]
    for server in servers:
        with _served(server) as (_, port, queries):
            without = [_others(load, port, queries) for load in (udp, tcp)]
            with _dripping(port):
                beside = [_others(load, port, queries) for load in (udp, tcp)]
        rows.append(f"| {server.name} | {without[0]} | {beside[0]} | {without[1]} | {beside[1]} |")
    return "\n".join(rows)


def _short(servers: Sequence[Server], rounds: int) -> str:
    """What a connection costs that comes for one query."""
    rows = [
        f"Connections of one query, one after the other; {rounds} rounds of {SHORT_SECONDS:g} s",
        "",
        "| server | CPU µs per connection | least | connections/s |",
        "| --- | --- | --- | --- |",
    ]
    costs: dict[str, list[float]] = {server.name: [] for server in servers}
    rates: dict[str, list[float]] = {server.name: [] for server in servers}
    for _ in range(rounds):
        for server in servers:
            with _served(server) as (pid, port, _):
                before, count = sum(ticks(pid)), 0
                end = time.monotonic() + SHORT_SECONDS
                while time.monotonic() < end:
                    _connect(port, ADDRESSES[count % len(ADDRESSES)]).close()
                    count += 1
                costs[server.name].append((sum(ticks(pid)) - before) / TICKS / count * 1e6)
                rates[server.name].append(count / SHORT_SECONDS)
    rows += [
        f"| {name} | {statistics.median(cost):.1f} | {min(cost):.1f} | "
        f"{statistics.median(rates[name]):,.0f} |"
        for name, cost in costs.items()
    ]
    return "\n".join(rows)


def _shown(load: Load) -> str:
    return " ".join(load.command(0, Path("queries")))


def _connect(port: int, source: str) -> socket.socket:
    """A connection that has asked once and been answered."""
    sock = socket.create_connection(("127.0.0.1", port), PATIENCE, (source, 0))
    if not _asks(sock):
        raise BenchError("a connection was closed instead of answered")
    return sock


def _asks(sock: socket.socket) -> bool:
    """Whether a query is answered."""
    try:
        sock.sendall(FRAMED)
        return len(sock.recv(512)) > len(FRAMED)
    except OSError:
        return False


def _udp_cost(pid: int, port: int, queries: Path) -> float:
    before = sum(ticks(pid))
    text = dnsperf(UDP, port, queries)
    return (sum(ticks(pid)) - before) / TICKS / number(r"Queries completed:\s+(\d+)", text) * 1e6


def _resident(pid: int) -> int:
    """Octets of memory that a process has."""
    pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
    return pages * resource.getpagesize()


def _others(load: Load, port: int, queries: Path) -> Others:
    """Put `load` on a server, and see how it is answered."""
    done = subprocess.run(
        [*load.command(port, queries), "-v"], capture_output=True, text=True, check=False
    )
    if "all sockets reported failure" in done.stderr:
        return Others(0, 0, float("inf"))  # not one connection came to be
    if done.returncode != 0:
        raise BenchError(f"dnsperf failed:\n{done.stdout[-1000:]}{done.stderr}")
    lines = [line for line in done.stdout.splitlines() if line.startswith("> NOERROR")]
    times = sorted(float(line.split()[-1]) for line in lines)
    lost = number(r"Queries lost:\s+(\d+)", done.stdout)
    p99 = times[len(times) * 99 // 100] * 1e6 if times else float("inf")
    return Others(int(lost), len(times), p99)


@contextlib.contextmanager
def _dripping(port: int) -> Iterator[None]:
    """Keep connections that send slowly."""
    ended = threading.Event()
    thread = threading.Thread(target=_drip, args=(port, ended))
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join()


def _drip(port: int, ended: threading.Event) -> None:
    socks: list[socket.socket | None] = [None] * DRIPS
    while not ended.wait(DRIP_EVERY):
        for place, sock in enumerate(socks):
            try:
                if sock is None:
                    source = (ADDRESSES[place % len(ADDRESSES)], 0)
                    sock = socks[place] = socket.create_connection(  # noqa: PLW2901
                        ("127.0.0.1", port), PATIENCE, source
                    )
                    sock.send(LONG)
                sock.send(b"\xff")
            except OSError:
                if sock is not None:
                    sock.close()
                socks[place] = None
    for sock in socks:
        if sock is not None:
            sock.close()


PARTS: Final = {"idle": _idle, "drips": _drips, "short": _short}


if __name__ == "__main__":
    sys.exit(main())
