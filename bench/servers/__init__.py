"""The servers that are measured, a file each: how each is told to serve the same.

A server's module has a function for each kind of thing that it can serve (`static`, `weighted`, …),
which returns a `Server`. All of them run in the foreground, by whoever starts them, out of one
temporary folder.
"""

from __future__ import annotations

import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

__all__ = [
    "ADDRESS_SIZE",
    "NAME",
    "ORIGIN",
    "REPOSITORY",
    "TTL",
    "WEIGHTS",
    "At",
    "Server",
    "v6",
    "write_zone",
]

ORIGIN: Final = "example.com"
NAME: Final = f"www.{ORIGIN}"
TTL: Final = 30

WEIGHTS: Final[Mapping[str, int]] = {"192.0.2.1": 3, "192.0.2.2": 2, "192.0.2.3": 1}
"""Of the addresses of `NAME`, where it is served by weights."""

ADDRESS_SIZE: Final = 16
"""Octets that one address record adds to the query."""

REPOSITORY: Final = Path(__file__).parents[2]

LIBRARIES: Final = Path("/usr/lib")


@dataclass(frozen=True)
class At:
    """Where a server listens, and with how many workers for UDP."""

    port: int
    address: str = "127.0.0.1"
    workers: int = 1


@dataclass(frozen=True)
class Server:
    """A server to measure."""

    name: str
    about: str  # what is measured of it
    program: str
    prepare: Callable[[Path, At], list[str]]
    """Writes the configuration into a folder, and returns the command that serves it."""
    package: str = ""  # the Debian packages that bring it
    version: tuple[str, ...] = ()  # the command whose output names the version
    library: str = ""  # a file below /usr/lib that it needs too, as a pattern
    said_before: str = "\n"  # what stands before the version in its line, such as the time

    def missing(self) -> str:
        """What to do before this server can run; empty when it can."""
        if shutil.which(self.program) is None:
            if not self.package:
                return f"{self.program} is not built: run `make bench`"
            return f"{self.program} is not here: apt-get install {self.package}"
        if self.library and not any(LIBRARIES.glob(self.library)):
            return f"{self.library} is not in {LIBRARIES}: apt-get install {self.package}"
        return ""

    def describe(self) -> str:
        """The version in the server's own words."""
        if not self.version:
            return self.about
        done = subprocess.run(self.version, capture_output=True, text=True, check=False, timeout=10)
        lines = [*done.stdout.splitlines(), *done.stderr.splitlines()]
        line = next((line for line in lines if any(char.isdigit() for char in line)), self.name)
        return line.partition(self.said_before)[2] if self.said_before in line else line


def v6(address: str) -> str:
    """The address of the other family that a backend has."""
    return f"2001:db8::{address.rpartition('.')[2]}"


def write_zone(path: Path, records: str) -> Path:
    """Write a master file of `ORIGIN` with `records`."""
    path.write_text(f"""\
$TTL {TTL}
@ SOA ns1 hostmaster 1 3600 600 86400 60
@ NS ns1
ns1 A 192.0.2.53
{records}""")
    return path
