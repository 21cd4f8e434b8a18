"""The exec check: passes when a program ends with the exit status that is expected.

The plugins of Nagios work as they are: status 0 passes, and the first line tells why another did
not. Whatever ends the probe also ends the program and its children.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import subprocess
import sys
import threading
from dataclasses import dataclass, replace
from pathlib import PurePath
from typing import TYPE_CHECKING, Final

from dnslb.health.checks.base import Check, Kept, Outcome, Result
from dnslb.health.checks.network import FailedError, Phase, Progress, within

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["MAX_OUTPUT", "ExecCheck"]

MAX_OUTPUT: Final = 64 * 1024
"""Bytes that a program may say; one that says more is stopped."""

SHOWN: Final = 200
"""Characters of its first line that are told."""

PARTING: Final = 0.5
"""Seconds that a killed program gets to be gone, which only one stuck in the kernel needs."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ExecCheck(Check):
    """Runs `command`, without a shell, in a process group of its own."""

    command: tuple[str, ...]  # `{address}` and `{port}` are replaced
    status: tuple[tuple[int, int], ...] = ((0, 0),)  # ranges that pass, both ends included

    async def probe(self, address: str, kept: Kept) -> Result:
        """Run it once. It is killed with its children when the time is up: a read-timeout."""
        del kept
        result = await within(self.timeout, Progress(Phase.READ), self._run(address))
        if result.outcome is Outcome.READ_TIMEOUT:
            return replace(result, detail=f"{self._name} was still running after {self.timeout:g}s")
        return result

    def where(self, address: str) -> str:
        """`192.0.2.10 check_disk`."""
        return f"{address} {self._name}"

    @property
    def _name(self) -> str:
        return PurePath(self.command[0]).name

    async def _run(self, address: str) -> Result:
        host = address.rstrip(".")
        port = "" if self.port is None else str(self.port)
        command = [word.replace("{address}", host).replace("{port}", port) for word in self.command]
        environment = {
            "PATH": os.environ.get("PATH", os.defpath),
            "LANG": "C.UTF-8",
            "DNSLB_ADDRESS": host,
            "DNSLB_PORT": port,
        }
        try:
            program = _Program(command, environment)
        except OSError as error:
            reason = (error.strerror or str(error)).lower()
            return Result(Outcome.ERROR, f"cannot run {self.command[0]}: {reason}")
        try:
            status, output = await program.ended()
        finally:
            await program.kill()
        return self._judge(status, output)

    def _judge(self, status: int, output: bytes) -> Result:
        said = _first_line(output)
        if any(low <= status <= high for low, high in self.status):
            return Result(Outcome.OK, said)
        what = f"killed by {_signal(-status)}" if status < 0 else f"exit status {status}"
        expected = ", ".join(
            str(low) if low == high else f"{low}-{high}" for low, high in self.status
        )
        told = f"{what}, expected {expected}"
        return Result(Outcome.STATUS, f"{told}: {said}" if said else told)


class _Program:
    """One run of a program: its output, and its end.

    The loop's own subprocesses reap a child as soon as it ends, after which its group cannot be
    told from another's that got the same number. Here it is reaped after its group was killed.
    """

    def __init__(self, command: list[str], environment: dict[str, str]) -> None:
        """Start it.

        Raises:
            OSError: it cannot be run.
        """
        self._loop = asyncio.get_running_loop()
        self._over = self._loop.create_future()  # it ended, or has said too much
        self._gone = asyncio.Event()
        self._output = bytearray()
        self._reading, writing = os.pipe()
        try:
            os.set_blocking(self._reading, False)
            self._process = subprocess.Popen(  # noqa: S603 - the operator's own words, no shell
                command,
                stdin=subprocess.DEVNULL,
                stdout=writing,
                stderr=writing,
                env=environment,
                start_new_session=True,
            )
        except BaseException:
            os.close(self._reading)
            raise
        finally:
            os.close(writing)
        self._loop.add_reader(self._reading, self._read)
        self._unwatch = _watch(self._process, self._loop, self._ended)

    async def ended(self) -> tuple[int, bytes]:
        """Its exit status, negative for a signal, and what it said.

        Raises:
            FailedError: it said too much.
        """
        await self._over
        if self._gone.is_set():
            # what is left of its group may hold the pipe open, and has nothing more to say
            self._kill_group()
            self._read()
        if len(self._output) > MAX_OUTPUT:
            raise FailedError(Outcome.TOO_LARGE, "it said more than 64 KiB")
        return self._process.wait(), bytes(self._output)

    async def kill(self) -> None:
        """End it, its children, and everything that it was watched with."""
        self._loop.remove_reader(self._reading)
        os.close(self._reading)
        try:
            if self._process.returncode is None:
                self._kill_group()
                await asyncio.wait_for(self._gone.wait(), PARTING)
                self._process.wait()
        except BaseException as error:
            # stuck in the kernel, or nobody waits any longer; it must not stay a zombie
            threading.Thread(target=self._process.wait, daemon=True).start()
            if not isinstance(error, asyncio.TimeoutError):
                raise
        finally:
            self._unwatch()

    def _kill_group(self) -> None:
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(self._process.pid, signal.SIGKILL)

    def _read(self) -> None:
        try:
            data = os.read(self._reading, MAX_OUTPUT)
        except BlockingIOError:
            return
        self._output += data
        if not data:
            self._loop.remove_reader(self._reading)
        if len(self._output) > MAX_OUTPUT:
            self._finish()

    def _ended(self) -> None:
        self._gone.set()
        self._finish()

    def _finish(self) -> None:
        if not self._over.done():
            self._over.set_result(None)


def _watch(
    process: subprocess.Popen[bytes], loop: asyncio.AbstractEventLoop, ended: Callable[[], None]
) -> Callable[[], None]:
    """Call `ended` when the process has; what is returned ends the watch."""
    if sys.platform == "linux":
        with contextlib.suppress(OSError):  # a kernel before 5.3, or no descriptor is free
            descriptor = os.pidfd_open(process.pid)

            def told() -> None:
                loop.remove_reader(descriptor)
                ended()

            def unwatch() -> None:
                loop.remove_reader(descriptor)
                os.close(descriptor)

            loop.add_reader(descriptor, told)
            return unwatch

    def wait() -> None:
        process.wait()
        with contextlib.suppress(RuntimeError):  # the loop is closed
            loop.call_soon_threadsafe(ended)

    threading.Thread(target=wait, daemon=True).start()
    return lambda: None


def _first_line(output: bytes) -> str:
    """The first line that says something, short and printable."""
    for line in output.decode(errors="replace").splitlines():
        words = "".join(letter if letter.isprintable() else " " for letter in line).strip()
        if words:
            return words if len(words) <= SHOWN else f"{words[:SHOWN]}..."
    return ""


def _signal(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:  # a real-time signal
        return f"signal {number}"
