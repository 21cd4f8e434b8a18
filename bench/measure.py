"""One measurement: a server on one CPU, dnsperf on another, CPU time per answered query."""

from __future__ import annotations

import contextlib
import os
import re
import socket
import subprocess
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

from servers import ADDRESS_SIZE, NAME

if TYPE_CHECKING:
    from collections.abc import Iterator

    from servers import Server

__all__ = [
    "CLIENT_CPU",
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

PATIENCE: Final = 15.0
"""Seconds that a server has to begin or to end, and dnsperf to end after its load."""

TICKS: Final = os.sysconf("SC_CLK_TCK")

QUESTION: Final = (
    b"\x00\x00\x01\x00\x00\x01\x00\x00\x00\x00\x00\x00"
    + b"".join(bytes([len(label)]) + label.encode() for label in NAME.split("."))
    + b"\x00\x00\x01\x00\x01"
)

OPT_SIZE: Final = 11

ANSWER_SIZE: Final = len(QUESTION) + OPT_SIZE + ADDRESS_SIZE
"""Octets of a right answer: one address. An answer of any other size is no comparison."""


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

    def command(self, port: int, queries: Path) -> list[str]:
        """The command line of dnsperf."""
        mode = ["-m", "tcp"] if self.tcp else []
        limit = [] if self.rate is None else ["-Q", str(self.rate)]
        return [
            *("dnsperf", *mode, "-s", "127.0.0.1", "-p", str(port), "-d", str(queries), "-e"),
            *("-c", str(self.clients), "-T", "1", "-q", str(self.outstanding)),
            *("-l", f"{self.seconds:g}", "-t", "1", *limit),
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

    @property
    def cpu(self) -> float:
        """CPU microseconds per answered query."""
        return self.user + self.system

    @property
    def busy(self) -> float:
        """The share of its CPU that the server took: below 1, dnsperf was the slower side."""
        return self.cpu * self.per_second / 1e6


def measure(server: Server, load: Load) -> Sample:
    """Start `server`, put `load` on it, end it."""
    with tempfile.TemporaryDirectory(prefix="dnslb-bench-") as name:
        folder = Path(name)
        queries = folder / "queries"
        queries.write_text(f"{NAME} A\n")
        port = free_port()
        with running(server, folder, port) as pid:
            before = ticks(pid)
            text = dnsperf(load, port, queries)
            after = ticks(pid)
    sent, answered = (number(rf"Queries {what}:\s+(\d+)", text) for what in ("sent", "completed"))
    if not answered or f"NOERROR {answered:.0f} (100.00%)" not in text:
        raise BenchError(f"{server.name} did not answer every query with NOERROR:\n{text}")
    size = number(r"response (\d+)", text)
    if size not in {ANSWER_SIZE, ANSWER_SIZE + KEEPALIVE_SIZE * load.tcp}:
        raise BenchError(f"{server.name} answers in {size:.0f} octets, not {ANSWER_SIZE}")
    user, system = costs(before, after, answered)
    rate = number(r"Queries per second:\s+([\d.]+)", text)
    return Sample(int(answered), int(sent - answered), rate, user, system)


def costs(before: tuple[int, int], after: tuple[int, int], answered: float) -> tuple[float, float]:
    """CPU microseconds per answer, in the program and in the kernel, between two `ticks`."""
    user, system = (
        (late - early) / TICKS / answered * 1e6 for early, late in zip(before, after, strict=True)
    )
    return user, system


@contextlib.contextmanager
def running(server: Server, folder: Path, port: int, patience: float = PATIENCE) -> Iterator[int]:
    """The server's process while it runs and answers; ended whatever happens.

    It has `patience` seconds to begin.
    """
    log = folder / "log"
    home = folder / "server"
    home.mkdir()
    with log.open("wb") as output:
        process = subprocess.Popen(
            ["taskset", "-c", str(SERVER_CPU), *server.prepare(home, port)],
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
        )
    try:
        _await_answer(server, process, port, log, patience)
        yield process.pid
    finally:
        process.terminate()
        try:
            process.wait(PATIENCE)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _await_answer(
    server: Server, process: subprocess.Popen[bytes], port: int, log: Path, patience: float
) -> None:
    deadline = time.monotonic() + patience
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as client:
        client.connect(("127.0.0.1", port))
        client.settimeout(0.1)
        while time.monotonic() < deadline and process.poll() is None:
            try:
                client.send(QUESTION)
                if client.recv(512)[2] & 0x80:
                    return
            except TimeoutError:
                continue
            except ConnectionRefusedError:
                time.sleep(0.05)
    raise BenchError(f"{server.name} does not answer:\n{log.read_text(errors='replace')}")


def dnsperf(load: Load, port: int, queries: Path) -> str:
    done = subprocess.run(
        ["taskset", "-c", str(CLIENT_CPU), *load.command(port, queries)],
        capture_output=True,
        text=True,
        check=False,
        timeout=load.seconds + PATIENCE,
    )
    if done.returncode != 0:
        raise BenchError(f"dnsperf failed:\n{done.stdout}{done.stderr}")
    return done.stdout


def ticks(pid: int) -> tuple[int, int]:
    """Clock ticks that the threads of a process spent in user mode and in the kernel.

    By thread: the kernel divides a process's time as it was over its whole life, and the start
    of an interpreter is not what answers cost.
    """
    user = system = 0
    for stat in Path(f"/proc/{pid}/task").glob("*/stat"):
        # behind the command's name, which may hold anything, fields count from 3 (proc_pid_stat(5))
        fields = stat.read_text().rpartition(")")[2].split()
        user += int(fields[14 - 3])
        system += int(fields[15 - 3])
    return user, system


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
