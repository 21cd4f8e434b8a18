"""Daemons whose dashboard is looked at."""

from __future__ import annotations

import sys
from pathlib import Path

sys.path.append(str(Path(__file__).parents[1] / "integration"))

from harness import Daemon

from ports import free_port

ZONE = """
nameservers: [ns.example.net.]
ttl: 5
checks:
  web: {{type: http, path: /, port: {port}, interval: 1s, timeout: 900ms, rise: 1, fall: 3}}
pools:
  europe:
    strategy: weighted
    check: web
    members:
      - {{name: fra1, address: 127.0.0.11, weight: 3}}
      - {{name: ams1, address: 127.0.0.12, weight: 1}}
  reserve: {{check: web, members: [{{name: sfo1, address: 127.0.0.13}}]}}
  all:
    strategy: failover
    members: [{{pool: europe}}, {{pool: reserve}}]
services:
  www: {{pool: all}}
"""


class Site:
    """A daemon in a folder of its own, which can be started again where it was."""

    def __init__(self, folder: Path, zone: str, more: str = "") -> None:
        (folder / "zones").mkdir()
        (folder / "zones" / "example.com.yaml").write_text(zone)
        self._config = folder / "dnslb.yaml"
        self._more = more
        self.api = free_port()  # for all starts
        self.daemon: Daemon

    def start(self) -> Daemon:
        text = f"listen: ['127.0.0.1:0']\napi: {{listen: '127.0.0.1:{self.api}'{self._more}}}\n"
        self._config.write_text(text)
        self.daemon = Daemon(self._config)
        self.daemon.ready()
        return self.daemon


def many(count: int) -> str:
    """A zone of so many backends, which tell by heartbeats how they are; most never did."""
    members = "".join(
        f"    - {{name: b{at:05}, address: 198.18.{at // 250}.{at % 250 + 1}}}\n"
        for at in range(count)
    )
    return (
        "nameservers: [ns.example.net.]\nchecks:\n  beat: {type: push, deadline: 1h, rise: 1, fall: 3}\n"
        "pools:\n  big:\n   strategy: weighted\n   check: beat\n   members:\n"
        + members
        + "services:\n  www: {pool: big}\n"
    )
