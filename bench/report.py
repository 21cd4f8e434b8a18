"""The report: what was measured, on what, with what result, as Markdown."""

from __future__ import annotations

import datetime as dt
import os
import platform
import statistics
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING, Final

from dnslb import __version__

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from measure import Sample
    from servers import Server

__all__ = ["environment", "spread", "table"]

BASES: Final = ("echo", "gdnsd")
"""What the other servers are compared with."""


def environment(servers: Sequence[Server], command: str) -> str:
    """Machine, versions and flags."""
    lines = [
        f"`{command}`, {dt.datetime.now(tz=dt.timezone.utc):%Y-%m-%d}",
        "",
        f"- machine: {_cpu_model()}, {os.cpu_count()} CPUs, Linux {platform.release()}",
        "- server on CPU 0, dnsperf on CPU 1, loopback",
        f"- {_dnsperf_version()}, Python {platform.python_version()}",
    ]
    for server in servers:
        words = server.describe()
        if server.name == "dnslb":
            words = f"version {__version__}"
        about = "" if server.about in {"", words} else f", {server.about}"
        lines.append(f"- {server.name}: {words}{about}; one UDP worker, one TCP worker")
    return "\n".join(lines)


def table(
    command: str, rounds: Sequence[Mapping[str, Sample]], bases: Sequence[str] = BASES
) -> str:
    """A row for each server: medians over the rounds, with the least and the most.

    Ratios are taken within each round, where both sides met the same weather, and then the median.
    """
    bases = [base for base in bases if base in rounds[0]]
    ratios = "".join(f" / {base} |" for base in bases)
    rows = [
        f"`{command}`, {len(rounds)} rounds",
        "",
        f"| server | CPU µs per answer | user | system | CPU busy | answers/s | lost |{ratios}",
        f"| --- | --- | --- | --- | --- | --- | --- |{' --- |' * len(bases)}",
    ]
    for name in rounds[0]:
        samples = [samples[name] for samples in rounds]
        lost = sum(sample.lost for sample in samples)
        sent = lost + sum(sample.answered for sample in samples)
        cells = [
            name,
            spread([sample.cpu for sample in samples], ".2f"),
            f"{statistics.median(sample.user for sample in samples):.2f}",
            f"{statistics.median(sample.system for sample in samples):.2f}",
            f"{statistics.median(sample.busy for sample in samples):.0%}",
            spread([sample.per_second for sample in samples], ",.0f"),
            f"{lost} of {sent:,}",
        ]
        for base in bases:
            ratio = statistics.median(one[name].cpu / one[base].cpu for one in rounds)
            cells.append(f"{ratio:.2f}")
        rows.append(f"| {' | '.join(cells)} |")
    return "\n".join(rows)


def spread(values: Sequence[float], form: str) -> str:
    middle, least, most = statistics.median(values), min(values), max(values)
    return f"{middle:{form}} ({least:{form}}-{most:{form}})"


def _cpu_model() -> str:
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            return line.partition(":")[2].strip()
    return platform.machine()


def _dnsperf_version() -> str:
    done = subprocess.run(["dnsperf", "-h"], capture_output=True, text=True, check=False)
    lines = (done.stdout + done.stderr).splitlines()
    return next((f"dnsperf {line.split()[-1]}" for line in lines if "Version" in line), "dnsperf")
