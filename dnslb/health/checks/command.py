"""The exec check: passes when a program ends with the exit status that is expected.

The plugins of Nagios work as they are: status 0 passes, and the first line tells why another did
not. Whatever ends the probe also ends the program and its children.
"""

from __future__ import annotations

import os
import signal
from dataclasses import dataclass, replace
from pathlib import PurePath

from dnslb.health.checks.base import Check, Kept, Outcome, Result
from dnslb.health.checks.network import FailedError, Phase, Progress, within
from dnslb.program import Program, TooMuchError, first_line

__all__ = ["ExecCheck"]


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
            program = Program(command, environment, strict=True)
        except OSError as error:
            reason = (error.strerror or str(error)).lower()
            return Result(Outcome.ERROR, f"cannot run {self.command[0]}: {reason}")
        try:
            status, output = await program.ended()
        except TooMuchError as error:
            raise FailedError(Outcome.TOO_LARGE, str(error)) from error
        finally:
            await program.kill()
        return self._judge(status, output)

    def _judge(self, status: int, output: bytes) -> Result:
        said = first_line(output)
        if any(low <= status <= high for low, high in self.status):
            return Result(Outcome.OK, said)
        what = f"killed by {_signal(-status)}" if status < 0 else f"exit status {status}"
        expected = ", ".join(
            str(low) if low == high else f"{low}-{high}" for low, high in self.status
        )
        told = f"{what}, expected {expected}"
        return Result(Outcome.STATUS, f"{told}: {said}" if said else told)


def _signal(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:  # a real-time signal
        return f"signal {number}"
