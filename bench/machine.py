"""The machine that measures: whether it can, what it is, and how it gets the peers."""

from __future__ import annotations

import os
import platform
import shutil
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterable

    from servers import Server

__all__ = ["describe", "dnsperf_version", "install", "unfit"]

PACKAGES: Final = {
    "taskset": "util-linux",
    "kxdpgun": "knot-dnsutils",
    "ip": "iproute2",
    "nginx": "nginx-light",
}
"""Of programs that are in a package of another name."""


def unfit(*programs: str) -> str:
    """Why this machine cannot measure with `programs`; empty when it can.

    Programs of the engine's own are given by their paths.
    """
    for program in programs:
        if shutil.which(program) is None and "/" in program:
            return f"{program} is not built: run `make bench`"
        if shutil.which(program) is None:
            return f"{program} is not here: apt-get install {PACKAGES.get(program, program)}"
    if not {0, 1} <= os.sched_getaffinity(0):
        return "server and client need CPU 0 and CPU 1 to themselves"
    return ""


def install(servers: Iterable[Server], programs: Iterable[str]) -> None:
    """Have apt-get bring what is not here, as far as this is root and there is apt-get."""
    wanted = {
        package for server in servers if server.missing() for package in server.package.split()
    }
    wanted |= {
        PACKAGES.get(of, of) for of in programs if shutil.which(of) is None and "/" not in of
    }
    if not wanted or os.geteuid() != 0 or shutil.which("apt-get") is None:
        return
    command = ["apt-get", "install", "--yes", "--no-install-recommends", *sorted(wanted)]
    print(" ".join(command), file=sys.stderr)
    environment = os.environ | {"DEBIAN_FRONTEND": "noninteractive"}
    done = subprocess.run(command, env=environment, stdout=sys.stderr, check=False)
    if done.returncode:
        print(f"apt-get ended with {done.returncode}: going on without", file=sys.stderr)


def describe() -> str:
    """Processor, CPUs, kernel."""
    return f"{_cpu_model()}, {os.cpu_count()} CPUs, Linux {platform.release()}"


def dnsperf_version() -> str:
    if shutil.which("dnsperf") is None:
        return "without dnsperf"
    done = subprocess.run(["dnsperf", "-h"], capture_output=True, text=True, check=False)
    lines = (done.stdout + done.stderr).splitlines()
    return next((f"dnsperf {line.split()[-1]}" for line in lines if "Version" in line), "dnsperf")


def _cpu_model() -> str:
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            return line.partition(":")[2].strip()
    return platform.machine()
