"""The servers that are measured: each answers www.example.com A with one of three addresses, 3:2:1.

A server is a function that writes its configuration into a folder and returns the command that
serves it, in the foreground, with one UDP worker, on 127.0.0.1 and the port given.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["ADDRESS_SIZE", "NAME", "SERVERS", "Server", "zone"]

NAME: Final = "www.example.com"

WEIGHTS: Final = {"192.0.2.1": 3, "192.0.2.2": 2, "192.0.2.3": 1}

REPOSITORY: Final = Path(__file__).parent.parent

ADDRESS_SIZE: Final = 16
"""Octets that one address record adds to the query: the echo adds as many zeros."""

ECHO: Final = REPOSITORY / "engine" / "target" / "release" / "examples" / "echo"

GEOIP: Final = "knot/modules-*/geoip.so"


@dataclass(frozen=True)
class Server:
    """A server to measure."""

    name: str
    about: str  # what is measured of it
    program: str
    prepare: Callable[[Path, int], list[str]]
    package: str = ""  # the Debian packages that bring it
    version: tuple[str, ...] = ()  # the command whose output names the version

    def missing(self) -> str:
        """What to do before this server can run; empty when it can."""
        if shutil.which(self.program) is None:
            if not self.package:
                return f"{self.program} is not built: run `make bench`"
            return f"{self.program} is not here: apt-get install {self.package}"
        if self.name == "knot" and not any(Path("/usr/lib").glob(f"*/{GEOIP}")):
            return f"the module geoip is not here: apt-get install {self.package}"
        return ""

    def describe(self) -> str:
        """The version in the server's own words."""
        if not self.version:
            return self.about
        done = subprocess.run(self.version, capture_output=True, text=True, check=False, timeout=10)
        lines = (done.stdout + done.stderr).splitlines()
        return next((line for line in lines if "version" in line.lower()), self.name)


def _echo(_folder: Path, port: int) -> list[str]:
    return [str(ECHO), f"127.0.0.1:{port}", str(ADDRESS_SIZE)]


def _dnslb(_folder: Path, port: int) -> list[str]:
    return [sys.executable, str(Path(__file__).parent / "serve.py"), str(port)]


def _gdnsd(folder: Path, port: int) -> list[str]:
    (folder / "zones").mkdir()
    zone(folder / "zones" / "example.com", "www DYNA weighted!www\n")
    weights = "\n".join(
        f"      b{index} = [ {address}, {weight} ]"
        for index, (address, weight) in enumerate(WEIGHTS.items())
    )
    (folder / "config").write_text(f"""\
options => {{
  listen => 127.0.0.1
  dns_port => {port}
  udp_threads => 1
  tcp_threads => 1
  tcp_clients_per_thread => 16384
  run_dir => {folder}/run
  state_dir => {folder}/state
}}
plugins => {{
  weighted => {{
    www => {{
{weights}
    }}
  }}
}}
""")
    return ["gdnsd", "-c", str(folder), "start"]


def _knot(folder: Path, port: int) -> list[str]:
    zone(folder / "example.com.zone", "www A 192.0.2.1\n")
    weights = "".join(
        f"  - weight: {weight}\n    A: [{address}]\n" for address, weight in WEIGHTS.items()
    )
    (folder / "geo.conf").write_text(f"{NAME}:\n{weights}")
    (folder / "knot.conf").write_text(f"""\
server:
    rundir: {folder}
    listen: 127.0.0.1@{port}
    udp-workers: 1
    tcp-workers: 1
    tcp-max-clients: 16384
    tcp-idle-timeout: 74
    background-workers: 1
database:
    storage: {folder}
log:
  - target: stderr
    any: warning
mod-geoip:
  - id: weighted
    config-file: {folder}/geo.conf
    ttl: 30
    mode: weighted
zone:
  - domain: example.com
    file: {folder}/example.com.zone
    journal-content: none
    zonefile-load: whole
    module: mod-geoip/weighted
""")
    return ["knotd", "-c", str(folder / "knot.conf")]


def zone(path: Path, records: str) -> None:
    """Write a master file of example.com with `records`."""
    path.write_text(f"""\
$TTL 30
@ SOA ns1 hostmaster 1 3600 600 86400 60
@ NS ns1
ns1 A 192.0.2.53
{records}""")


SERVERS: Final = (
    Server(
        "echo",
        f"bare recvmmsg/sendmmsg, {ADDRESS_SIZE} octets added, as many as an address record takes",
        str(ECHO),
        _echo,
    ),
    Server("dnslb", "weighted service", sys.executable, _dnslb),
    Server("gdnsd", "plugin weighted", "gdnsd", _gdnsd, "gdnsd", ("gdnsd", "-h")),
    Server(
        "knot",
        "mod-geoip, mode weighted",
        "knotd",
        _knot,
        "knot knot-module-geoip",
        ("knotd", "--version"),
    ),
)
"""In the order of measuring."""
