"""One measurement: a server on one CPU, dnsperf on another, CPU time per answered query."""

from __future__ import annotations

import contextlib
import re
import socket
import subprocess
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

from processes import TICKS, ticks
from queries import probe
from servers import NAME, At

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from queries import Asked
    from servers import Server

__all__ = [
    "CLIENT_CPU",
    "CPUS",
    "PATIENCE",
    "QUESTION",
    "SERVER_CPU",
    "TICKS",
    "BenchError",
    "Load",
    "Sample",
    "costs",
    "dnsperf",
    "free_port",
    "measure",
    "number",
    "running",
    "ticks",
]

SERVER_CPU: Final = 0
CLIENT_CPU: Final = 1
CPUS: Final = (str(SERVER_CPU), str(CLIENT_CPU))
"""Of server and client, as taskset is told."""

PATIENCE: Final = 15.0
"""Seconds that a server has to begin or to end, and dnsperf to end after its load."""

LOADING: Final = 120.0
"""Seconds that a server has to begin when its zone is large."""

QUESTION: Final = (
    b"\x00\x00\x01\x00\x00\x01\x00\x00\x00\x00\x00\x00"
    + b"".join(bytes([len(label)]) + label.encode() for label in NAME.split("."))
    + b"\x00\x00\x01\x00\x01"
)

ECHO: Final = "echo"
"""The name of the server whose answers are none."""

KEEPALIVE_SIZE: Final = 6
"""Octets of the option (RFC 7828) that a server may add to its answers over TCP."""


class BenchError(Exception):
    """A server or dnsperf did not do its part."""


@dataclass(frozen=True)
class Load:
    """What dnsperf sends: for how many seconds, how many queries at once, how many a second."""

    seconds: float
    outstanding: int
    rate: int | None = None  # None: as fast as answers come
    tcp: bool = False
    clients: int = 1  # sockets
    options: tuple[str, ...] = ()

    def command(self, port: int, queries: Path) -> list[str]:
        """The command line of dnsperf."""
        mode = ["-m", "tcp"] if self.tcp else []
        limit = [] if self.rate is None else ["-Q", str(self.rate)]
        return [
            *("dnsperf", *mode, "-s", "127.0.0.1", "-p", str(port), "-d", str(queries), "-e"),
            *("-c", str(self.clients), "-T", "1", "-q", str(self.outstanding)),
            *("-l", f"{self.seconds:g}", "-t", "1", *limit, *self.options),
        ]

    def shown(self) -> str:
        """The command line for readers, whom port and file tell nothing."""
        return " ".join(self.command(0, Path("queries")))


@dataclass(frozen=True)
class Sample:
    """What one load on one server cost."""

    answered: int
    lost: int
    per_second: float
    user: float  # CPU microseconds per answered query, in the program
    system: float  # in the kernel
    octets: float = 0  # of an answer, in the mean

    @property
    def cpu(self) -> float:
        """CPU microseconds per answered query."""
        return self.user + self.system

    @property
    def busy(self) -> float:
        """The share of its CPU that the server took: below 1, dnsperf was the slower side."""
        return self.cpu * self.per_second / 1e6


def measure(
    server: Server,
    loads: Sequence[tuple[Asked, Load]],
    workers: int = 1,
    cpus: tuple[str, str] = CPUS,
) -> list[Sample]:
    """Start `server`, put one load after another on it, end it."""
    with tempfile.TemporaryDirectory(prefix="dnslb-bench-") as name:
        port = free_port()
        at = At(port, workers=workers)
        with running(server, Path(name), port, LOADING, at=at, cpus=cpus[0]) as pid:
            return [_sample(server, pid, port, *one, cpus[1]) for one in loads]


def _sample(server: Server, pid: int, port: int, asked: Asked, load: Load, cpus: str) -> Sample:
    if server.name != ECHO and (wrong := probe(asked, "127.0.0.1", port)):
        raise BenchError(f"{server.name} answers wrongly: {wrong}")
    before = ticks(pid)
    text = dnsperf(load, port, asked.path, cpus)
    after = ticks(pid)
    sent, answered = (number(rf"Queries {what}:\s+(\d+)", text) for what in ("sent", "completed"))
    rcode = asked.rcode if server.name != ECHO else "NOERROR"
    if not answered or f"{rcode} {answered:.0f} (100.00%)" not in text:
        raise BenchError(f"{server.name} did not answer every query with {rcode}:\n{text}")
    request, octets = number(r"request (\d+)", text), number(r"response (\d+)", text)
    added = octets - request
    if asked.adds and not {added, added - KEEPALIVE_SIZE * load.tcp} & asked.adds:
        raise BenchError(f"{server.name} adds {added:.0f} octets, not one of {set(asked.adds)}")
    user, system = costs(before, after, answered)
    rate = number(r"Queries per second:\s+([\d.]+)", text)
    return Sample(int(answered), int(sent - answered), rate, user, system, octets)


def costs(before: tuple[int, int], after: tuple[int, int], answered: float) -> tuple[float, float]:
    """CPU microseconds per answer, in the program and in the kernel, between two `ticks`."""
    user, system = (
        (late - early) / TICKS / answered * 1e6 for early, late in zip(before, after, strict=True)
    )
    return user, system


@contextlib.contextmanager
def running(
    server: Server,
    folder: Path,
    port: int,
    patience: float = PATIENCE,
    *,
    at: At | None = None,
    cpus: str = str(SERVER_CPU),
    prefix: Sequence[str] = (),
) -> Iterator[int]:
    """The server's process while it runs and answers; ended whatever happens.

    It has `patience` seconds to begin. `prefix` is a command that runs another one.
    """
    at = at or At(port)
    log = folder / "log"
    home = folder / "server"
    home.mkdir()
    with log.open("wb") as output:
        process = subprocess.Popen(
            [*prefix, "taskset", "-c", cpus, *server.prepare(home, at)],
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
        )
    try:
        _await_answer(server, process, at, log, patience)
        yield process.pid
    finally:
        process.terminate()
        try:
            process.wait(PATIENCE)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _await_answer(
    server: Server, process: subprocess.Popen[bytes], at: At, log: Path, patience: float
) -> None:
    deadline = time.monotonic() + patience
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as client:
        client.connect((at.address, at.port))
        client.settimeout(0.1)
        while time.monotonic() < deadline and process.poll() is None:
            try:
                client.send(QUESTION)
                answer = client.recv(512)
                if answer[2] & 0x80 and answer[3] & 0x0F in {0, 3}:
                    return
            except TimeoutError:
                continue
            except ConnectionRefusedError:
                pass
            time.sleep(0.05)
    raise BenchError(f"{server.name} does not answer:\n{log.read_text(errors='replace')}")


def dnsperf(load: Load, port: int, queries: Path, cpus: str = str(CLIENT_CPU)) -> str:
    done = subprocess.run(
        ["taskset", "-c", cpus, *load.command(port, queries)],
        capture_output=True,
        text=True,
        check=False,
        timeout=load.seconds + PATIENCE,
    )
    if done.returncode != 0:
        raise BenchError(f"dnsperf failed:\n{done.stdout}{done.stderr}")
    return done.stdout


def free_port() -> int:
    with (
        socket.socket(socket.AF_INET, socket.SOCK_STREAM) as tcp,
        socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as udp,
    ):
        tcp.bind(("127.0.0.1", 0))
        port: int = tcp.getsockname()[1]
        udp.bind(("127.0.0.1", port))
        return port


def number(pattern: str, text: str) -> float:
    found = re.search(pattern, text)
    if found is None:
        raise BenchError(f"dnsperf's report has no {pattern!r}:\n{text}")
    return float(found[1])
