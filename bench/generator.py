"""Loads by `engine/examples/asking/`, for what dnsperf cannot do: networks, rates, latencies."""

from __future__ import annotations

import json
import os
import subprocess
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

from measure import CLIENT_CPU, PATIENCE, BenchError
from servers import NAME
from servers.echo import ASKING

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["Asking", "Tally"]


class Tally(NamedTuple):
    """What `asking` counted."""

    sent: int
    answered: int
    lost: int
    seconds: float
    octets: int
    rcodes: dict[str, int]
    scopes: dict[str, int]
    addresses: dict[str, int]
    took: dict[str, float]  # microseconds; of each 1,000 answers as many as the key says or more

    def right(self, *, echo: bool = False) -> bool:
        """Whether every answer is NOERROR and holds an address, or would if it were an answer."""
        there = echo or sum(self.addresses.values()) == self.answered
        return bool(self.answered) and there and self.rcodes == {"0": self.answered}


@dataclass(frozen=True)
class Asking:
    """A load: so many at once; or, with `rate`, so many a second whatever comes back."""

    seconds: float
    outstanding: int = 100
    rate: int | None = None
    sleep: bool = False  # between queries, so that others can use the CPU
    cpu: int = CLIENT_CPU

    def shown(self, networks: str = "") -> str:
        """The command line for readers, whom port and file tell nothing."""
        return " ".join(["asking", *self._words("127.0.0.1:0"), *([networks] if networks else [])])

    def run(self, port: int, networks: Path | None = None) -> Tally:
        """Put it on the server at `port`; without `networks` no query carries ECS."""
        # what shares the CPU with a client that sleeps must not make answers look late
        first = ["chrt", "--fifo", "1"] if self.sleep and os.geteuid() == 0 else []
        command = [*first, "taskset", "-c", str(self.cpu), str(ASKING)]
        command += [*self._words(f"127.0.0.1:{port}"), *([str(networks)] if networks else [])]
        done = subprocess.run(
            command,
            capture_output=True,
            text=True,
            check=False,
            timeout=self.seconds + PATIENCE,
        )
        if done.returncode:
            raise BenchError(f"asking failed: {done.stderr}")
        return Tally(**json.loads(done.stdout))

    def _words(self, server: str) -> list[str]:
        pace = str(self.outstanding) if self.rate is None else f"{self.rate}/s{'~' * self.sleep}"
        return [server, NAME, f"{self.seconds:g}s", pace]
