"""Running a program for each event: JSON on its input, the plain values in its environment."""

from __future__ import annotations

import asyncio
import os
from typing import TYPE_CHECKING

from dnslb.hooks.message import GiveUpError, as_json
from dnslb.program import Program, first_line

if TYPE_CHECKING:
    from dnslb.config.model import Command
    from dnslb.events import Event

__all__ = ["Runner"]


class Runner:
    """Runs one program, an event at a time, in a process group of its own."""

    def __init__(self, hook: Command) -> None:
        self._hook = hook

    async def deliver(self, event: Event) -> None:
        """Run the program for `event`. It is killed with its children when its time is up.

        Raises:
            GiveUpError: it cannot be run, fails, or takes too long.
        """
        try:
            program = Program(
                self._hook.command, _environment(event), words=as_json(event).encode() + b"\n"
            )
        except OSError as error:
            raise GiveUpError(f"cannot be run: {(error.strerror or str(error)).lower()}") from error
        ending = asyncio.ensure_future(program.ended())
        try:
            await asyncio.wait((ending,), timeout=self._hook.timeout)
            if not ending.done():
                raise GiveUpError(f"was still running after {self._hook.timeout:g}s")
            status, output = ending.result()
        finally:
            ending.cancel()
            await program.kill()
        if status:
            said = first_line(output)
            name = self._hook.name
            raise GiveUpError(f"{name} ended with status {status}" + (f": {said}" if said else ""))

    async def close(self) -> None:
        """There is nothing to end."""


def _environment(event: Event) -> dict[str, str]:
    plain = {
        f"DNSLB_{key.upper()}": str(value).lower() if isinstance(value, bool) else str(value)
        for key, value in event.data.items()
        if isinstance(value, str | int | float) and "\0" not in str(value)
    }
    return (
        {"PATH": os.environ.get("PATH", os.defpath), "LANG": "C.UTF-8"}
        | plain
        | {"DNSLB_EVENT": event.kind}
    )
