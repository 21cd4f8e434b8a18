"""The demo's configuration, written as an operator would write it."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from dnslb.demo.backends import DemoBackend

__all__ = ["POOLS", "ZONE", "write"]

ZONE = "example.com"

POOLS = {
    "www": ("weighted", "shares 3:2:1"),
    "turns": ("round-robin", "one after the other"),
    "sticky": ("subnet", "your network keeps its backend"),
    "first": ("failover", "alpha, unless it is down"),
    "every": ("all", "everybody who is up"),
}
"""The services of the demo, each with a pool of the same name: strategy and what to watch for."""


def write(folder: Path, port: int, api: int, backends: Sequence[DemoBackend]) -> Path:
    """Write `dnslb.yaml` and the zone into `folder`; returns the path of the former."""
    zones = folder / "zones"
    zones.mkdir(exist_ok=True)
    (zones / f"{ZONE}.yaml").write_text(_zone(backends), "utf-8")
    config = folder / "dnslb.yaml"
    text = (
        f'listen: ["127.0.0.1:{port}"]\n'
        f'api: {{listen: "127.0.0.1:{api}"}}  # the dashboard is there, too\n'
        "zones: zones\n"
    )
    config.write_text(text, "utf-8")
    return config


def _zone(backends: Sequence[DemoBackend]) -> str:
    lines = [
        "# The demo's zone. Change it and press r: the server reloads it, or says what is wrong.",
        f"nameservers: [ns1.{ZONE}.]",
        "records:",
        '  "@": {TXT: \'"answered by dnslb"\'}',
        "  ns1: {A: 127.0.0.1}",
        "",
        "checks:",
        "  web: {type: http, path: /healthz, interval: 1s, timeout: 500ms, rise: 2, fall: 2}",
        "",
        "pools:",
    ]
    for name, (strategy, _) in POOLS.items():
        lines += [f"  {name}:", f"    strategy: {strategy}", "    check: web", "    members:"]
        lines += [
            f"      - {{name: {backend.name}, address: {backend.host}, "
            f"weight: {backend.weight}, check: {{port: {backend.port}}}}}"
            for backend in backends
        ]
    lines += ["", "services:"]
    lines += [f"  {name}: {{pool: {name}, ttl: 5}}" for name in POOLS]
    return "\n".join(lines) + "\n"
