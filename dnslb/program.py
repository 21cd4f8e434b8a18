"""Running programs of the operator's: each in a process group of its own, none outlives its use."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import subprocess
import sys
import tempfile
import threading
from pathlib import Path
from typing import IO, TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

__all__ = ["MAX_OUTPUT", "Program", "TooMuchError", "first_line"]

MAX_OUTPUT: Final = 64 * 1024
"""Bytes of what a program says that are kept."""

SHOWN: Final = 200
"""Characters of its first line that are told."""

PARTING: Final = 0.5
"""Seconds that a killed program gets to be gone, which only one stuck in the kernel needs."""


class TooMuchError(Exception):
    """A program has said more than it may."""


class Program:
    """One run of a program: its output, and its end. Whoever makes it has to `kill` it.

    It reads `words`. With `strict` it has failed once it says more than `MAX_OUTPUT`; otherwise
    what is beyond is let go.

    The loop's own subprocesses reap a child as soon as it ends, after which its group cannot be
    told from another's that got the same number. Here it is reaped after its group was killed.
    """

    def __init__(
        self,
        command: Sequence[str],
        environment: Mapping[str, str],
        *,
        words: bytes = b"",
        strict: bool = False,
    ) -> None:
        """Start it.

        Raises:
            OSError: it cannot be run.
        """
        self._strict = strict
        self._loop = asyncio.get_running_loop()
        self._over = self._loop.create_future()  # it ended, or has said too much
        self._gone = asyncio.Event()
        self._output = bytearray()
        self._reading, writing = os.pipe()
        try:
            os.set_blocking(self._reading, False)
            with _file(words) as file:
                self._process = subprocess.Popen(  # noqa: S603 - the operator's own, no shell
                    list(command),
                    stdin=file,
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
            TooMuchError: it has.
        """
        await self._over
        if self._gone.is_set():
            # what is left of its group may hold the pipe open, and has nothing more to say
            self._kill_group()
            self._read()
        if self._strict and len(self._output) > MAX_OUTPUT:
            raise TooMuchError("it said more than 64 KiB")
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
        if len(self._output) <= MAX_OUTPUT:
            self._output += data
        if not data:
            self._loop.remove_reader(self._reading)
        if self._strict and len(self._output) > MAX_OUTPUT:
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


def _file(words: bytes) -> contextlib.AbstractContextManager[IO[bytes]]:
    """A file that holds `words`: unlike a pipe, it waits for nobody to read."""
    if not words:
        return Path(os.devnull).open("rb")
    file = tempfile.TemporaryFile()  # noqa: SIM115
    file.write(words)
    file.seek(0)
    return file


def first_line(output: bytes) -> str:
    """The first line that says something, short and printable."""
    for line in output.decode(errors="replace").splitlines():
        words = "".join(letter if letter.isprintable() else " " for letter in line).strip()
        if words:
            return words if len(words) <= SHOWN else f"{words[:SHOWN]}..."
    return ""
