"""Running a program for each event: JSON on its input, the plain values in its environment."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
from pathlib import PurePath
from typing import TYPE_CHECKING, Final

from dnslb.hooks.webhook import GiveUpError, as_json

if TYPE_CHECKING:
    from dnslb.config.model import Command
    from dnslb.events import Event

__all__ = ["Runner"]

MAX_OUTPUT: Final = 4096
"""Octets of what a program says that are read; the rest is let go."""

SHOWN: Final = 200
"""Characters of it that are told when it fails."""


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
            process = await asyncio.create_subprocess_exec(
                *self._hook.command,
                stdin=asyncio.subprocess.PIPE,
                stdout=asyncio.subprocess.PIPE,
                stderr=asyncio.subprocess.STDOUT,
                env=_environment(event),
                start_new_session=True,
            )
        except OSError as error:
            raise GiveUpError(f"cannot be run: {(error.strerror or str(error)).lower()}") from error
        talking = asyncio.ensure_future(_talk(process, as_json(event).encode() + b"\n"))
        try:
            await asyncio.wait((talking,), timeout=self._hook.timeout)
            if not talking.done():
                raise GiveUpError(f"was still running after {self._hook.timeout:g}s")
            status, said = talking.result()
        finally:
            talking.cancel()
            if process.returncode is None:
                with contextlib.suppress(ProcessLookupError, PermissionError):
                    os.killpg(process.pid, signal.SIGKILL)
                await process.wait()
        if status:
            name = PurePath(self._hook.command[0]).name
            raise GiveUpError(f"{name} ended with status {status}" + (f": {said}" if said else ""))

    async def close(self) -> None:
        """There is nothing to end."""


async def _talk(process: asyncio.subprocess.Process, words: bytes) -> tuple[int, str]:
    """Give it `words`, and wait for its end; returns its status and the first line that it says."""
    into, out = process.stdin, process.stdout
    if into is None or out is None:
        raise TypeError("the program has no pipes")
    with contextlib.suppress(BrokenPipeError, ConnectionResetError):  # it need not listen
        into.write(words)
        await into.drain()
        into.close()
    said = b""
    while data := await out.read(MAX_OUTPUT):
        if len(said) < MAX_OUTPUT:
            said += data
    lines = said.decode(errors="replace").strip().splitlines()
    text = "".join(letter if letter.isprintable() else " " for letter in lines[0]) if lines else ""
    return await process.wait(), text[:SHOWN]


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
