"""What the service manager is told (sd_notify(3)): that the server answers, and that it lives.

Nothing is told where there is no service manager that asks to be, and a manager that does not
listen is no reason to stop answering.
"""

from __future__ import annotations

import asyncio
import os
import socket
import time
from contextlib import suppress
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["Manager"]

BEATS: Final = 3
"""Signs of life in the time after which the manager takes the process for stuck."""


class Manager:
    """The service manager, as the environment names it."""

    def __init__(self, environment: Mapping[str, str] = os.environ) -> None:
        self._address = environment.get("NOTIFY_SOCKET", "")
        self._within = _watchdog(environment)

    def ready(self, status: str) -> None:
        """The server answers, or has ended a reload; `status` is one line for people."""
        self._tell("READY=1", f"STATUS={status}")

    def reloading(self) -> None:
        """A reload begins; `ready` ends it."""
        now = time.clock_gettime_ns(time.CLOCK_MONOTONIC) // 1_000
        self._tell("RELOADING=1", f"MONOTONIC_USEC={now}", "STATUS=reloading")

    def stopping(self) -> None:
        """The server ends."""
        self._tell("STOPPING=1", "STATUS=stopping")

    def succeeded_by(self, pid: int) -> None:
        """Another process is the service from now on."""
        self._tell(f"MAINPID={pid}")

    async def beat(self) -> None:
        """Say again and again that the event loop turns, where the manager wants to hear it."""
        while self._within is not None:
            self._tell("WATCHDOG=1")
            await asyncio.sleep(self._within / BEATS)

    def _tell(self, *lines: str) -> None:
        if not self._address.startswith(("/", "@")):
            return
        # "@" stands for the NUL of an abstract address
        address = self._address.replace("@", "\0", 1) if self._address[0] == "@" else self._address
        with suppress(OSError), socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sock:
            sock.settimeout(0)
            sock.sendto("\n".join(lines).encode(), address)


def _watchdog(environment: Mapping[str, str]) -> float | None:
    """The seconds within which the manager wants a sign of life; None: it wants none from us."""
    text = environment.get("WATCHDOG_USEC", "")
    mine = environment.get("WATCHDOG_PID", str(os.getpid())) == str(os.getpid())
    return int(text) / 1e6 if text.isdecimal() and int(text) and mine else None
