"""Reloads and replacements under load, and a control plane that stands still: what clients notice.

`dnsperf` asks at a constant rate for as long as each scene lasts:

    reload    the configuration changes and is reloaded, again and again
    replace   a new process takes over from the old one, again and again
    blocked   the event loop stands still, then the threads of Python end one by one

Goals: no query lost, and none answered with something else than NOERROR.
"""

from __future__ import annotations

import argparse
import signal
import subprocess
import sys
import tempfile
import threading
import time
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Final, NamedTuple

from machine import unfit
from measure import BenchError, free_port, number
from report import grid, verdict

if TYPE_CHECKING:
    from collections.abc import Callable

NAME: Final = "www.example.com"
STALL: Final = Path(__file__).parents[1] / "tests/integration/stalling.py"
PATIENCE: Final = 60.0

ZONE: Final = """\
nameservers: [ns1]
records: {{ns1: {{A: 127.0.0.1}}}}
services:
  www: {{ttl: {ttl}, members: [{{name: a, address: 192.0.2.1}}, {{name: b, address: 192.0.2.2}}]}}
"""


class Daemon:
    """A process, whose lines can be waited for."""

    def __init__(self, *command: str) -> None:
        self.process = subprocess.Popen(
            [sys.executable, *command], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
        )
        self.lines: list[str] = []
        self._more = threading.Condition()
        threading.Thread(target=self._read, daemon=True).start()

    def _read(self) -> None:
        assert self.process.stdout
        for line in self.process.stdout:
            with self._more:
                self.lines.append(line)
                self._more.notify_all()

    def wait_for(self, text: str, times: int = 1) -> None:
        """Wait until so many lines hold `text`."""

        def seen() -> bool:
            return sum(text in line for line in self.lines) >= times

        with self._more:
            if not self._more.wait_for(seen, PATIENCE):
                raise BenchError(f"it never said {text!r}; it said:\n{''.join(self.lines[-20:])}")

    def end(self) -> None:
        self.process.terminate()
        self.process.wait(PATIENCE)


class Load:
    """`dnsperf` at a constant rate, for so many seconds."""

    def __init__(self, folder: Path, port: int, rate: int, seconds: int) -> None:
        queries = folder / "queries"
        queries.write_text(f"{NAME} A\n")
        self._process = subprocess.Popen(
            ["dnsperf", "-s", "127.0.0.1", "-p", str(port), "-d", str(queries), "-Q", str(rate),
             "-l", str(seconds), "-c", "16", "-t", "5"],
            stdout=subprocess.PIPE,
            text=True,
        )  # fmt: skip
        time.sleep(1)  # it asks from here on

    def end(self) -> Met:
        """Wait until it has ended, and say what it met.

        Raises:
            BenchError: the scene took longer than the load.
        """
        if self._process.poll() is not None:
            raise BenchError("the load has ended before the scene; the machine is too busy")
        text, _ = self._process.communicate(timeout=10 * PATIENCE)
        sent, answered, lost = (
            int(number(rf"Queries {what}:\s+(\d+)", text)) for what in ("sent", "completed", "lost")
        )
        rate, most = (
            number(r"Queries per second:\s+([\d.]+)", text),
            number(r"max ([\d.]+)\)", text),
        )
        return Met(
            sent, answered, lost, answered - int(number(r"NOERROR (\d+) ", text)), rate, most
        )


class Met(NamedTuple):
    """What a load met."""

    sent: int
    answered: int
    lost: int
    wrong: int  # answers that are not NOERROR
    rate: float  # answers a second
    longest: float  # seconds that an answer took


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rate", type=int, default=50_000, help="queries a second")
    parser.add_argument("--reloads", type=int, default=50)
    parser.add_argument("--replacements", type=int, default=10)
    parser.add_argument("--blocked", type=float, default=30.0, help="seconds")
    options = parser.parse_args()
    if problem := unfit("dnsperf"):
        print(problem, file=sys.stderr)
        return 2
    scenes: list[tuple[str, Callable[[], Met]]] = [
        (f"reload x{options.reloads}", lambda: reloads(options.rate, options.reloads)),
        (f"replace x{options.replacements}", lambda: replaced(options.rate, options.replacements)),
        (
            f"loop blocked {options.blocked:g} s, then Python's threads ended",
            lambda: blocked(options.rate, options.blocked),
        ),
    ]
    try:
        met = {name: scene() for name, scene in scenes}
    except BenchError as error:
        print(error, file=sys.stderr)
        return 2
    head = ["scene", "answered of asked", "reached", "lost", "wrong", "longest wait"]
    rows = [
        [name, f"{of.answered:,} of {of.sent:,}", f"{of.rate:,.0f}/s", of.lost, of.wrong,
         f"{of.longest * 1e3:.0f} ms"]
        for name, of in met.items()
    ]  # fmt: skip
    print(f"`dnsperf -Q {options.rate}`\n\n{grid(head, rows)}\n")
    failures = sum(of.lost + of.wrong for of in met.values())
    line = verdict("no query lost or answered wrongly", [failures], most=0, form=".0f")
    print(f"- {line}")
    return int("missed" in line)


def configured(folder: Path, port: int) -> Path:
    (folder / "zones").mkdir()
    write(folder, 1)
    config = folder / "dnslb.yaml"
    config.write_text(f'listen: ["127.0.0.1:{port}"]\nworkers: 2\nlog: {{level: debug}}\n')
    return config


def write(folder: Path, ttl: int) -> None:
    (folder / "zones/example.com.yaml").write_text(ZONE.format(ttl=ttl))


def reloads(rate: int, times: int) -> Met:
    with tempfile.TemporaryDirectory() as name, ExitStack() as stack:
        folder, port = Path(name), free_port()
        daemon = Daemon("-m", "dnslb", "serve", str(configured(folder, port)))
        stack.callback(daemon.end)
        daemon.wait_for("ready: ")
        load = Load(folder, port, rate, 10 + times)
        for number in range(1, times + 1):
            write(folder, number + 1)
            daemon.process.send_signal(signal.SIGHUP)
            daemon.wait_for("reloaded: ", number)
            time.sleep(0.2)
        return load.end()


def replaced(rate: int, times: int) -> Met:
    with tempfile.TemporaryDirectory() as name, ExitStack() as stack:
        folder, port = Path(name), free_port()
        command = ("-m", "dnslb", "serve", str(configured(folder, port)))
        daemon = Daemon(*command)
        stack.callback(daemon.end)
        daemon.wait_for("ready: ")
        load = Load(folder, port, rate, 10 + 4 * times)
        for _ in range(times):
            old, daemon = daemon, Daemon(*command, "--replace")
            stack.callback(daemon.end)
            daemon.wait_for("ready: ")
            if code := old.process.wait(PATIENCE):
                raise BenchError(f"the old process ended with {code}")
            time.sleep(0.5)
        return load.end()


def blocked(rate: int, seconds: float) -> Met:
    with tempfile.TemporaryDirectory() as name, ExitStack() as stack:
        folder, port = Path(name), free_port()
        daemon = Daemon(str(STALL), str(configured(folder, port)), str(seconds))
        stack.callback(daemon.process.kill)
        daemon.wait_for("ready: ")
        load = Load(folder, port, rate, 10 + round(seconds))
        daemon.wait_for("blocked")
        daemon.wait_for("all threads of Python have ended")
        time.sleep(1)
        return load.end()


if __name__ == "__main__":
    sys.exit(main())
