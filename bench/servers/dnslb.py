"""dnslb as users run it: `dnslb serve`, with nothing to check and no API."""

from __future__ import annotations

import sys
from dataclasses import replace
from typing import TYPE_CHECKING

from servers import ORIGIN, TTL, WEIGHTS, Server, v6

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from servers import At

__all__ = ["all_of", "configured", "static", "typed", "weighted"]


def static(master: Path, *, cable: str | None = None) -> Server:
    """Static records from a master file.

    With a network device, its `cable`, past the kernel's sockets (AF_XDP).
    """
    if cable is None:
        return configured("static records", master=master)
    server = configured("likewise, AF_XDP", master=master, more=f"xdp: [{cable}]")
    return replace(server, name="dnslb-xdp")


def weighted(weights: Mapping[str, int] = WEIGHTS) -> Server:
    """One service, a backend for each weight."""
    members = "".join(
        f"      - {{name: b{number}, address: {address}, weight: {weight}}}\n"
        for number, (address, weight) in enumerate(weights.items())
    )
    zone = f"services:\n  www:\n    strategy: weighted\n    ttl: {TTL}\n    members:\n{members}"
    return configured("strategy weighted", zone)


def all_of(addresses: Sequence[str]) -> Server:
    """One service that answers with all of its backends."""
    members = "".join(
        f"      - {{name: b{number}, address: {address}}}\n"
        for number, address in enumerate(addresses)
    )
    zone = f"services:\n  www:\n    strategy: all\n    ttl: {TTL}\n    members:\n{members}"
    return configured("strategy all", zone)


def typed(weights: Mapping[str, int] = WEIGHTS) -> Server:
    """One service of backends with both families, and HTTPS."""
    members = "".join(
        f"      - {{name: b{number}, address: [{address}, '{v6(address)}'], weight: {weight}}}\n"
        for number, (address, weight) in enumerate(weights.items())
    )
    zone = f"services:\n  www:\n    strategy: weighted\n    ttl: {TTL}\n"
    return configured(
        "strategy weighted", f"{zone}    HTTPS: {{alpn: [h2]}}\n    members:\n{members}"
    )


def configured(about: str, zone: str = "", *, master: Path | None = None, more: str = "") -> Server:
    """Served is what `zone` says in YAML, or a master file; `more` stands in `dnslb.yaml`."""

    def prepare(folder: Path, at: At) -> list[str]:
        zones = folder / "zones"
        zones.mkdir()
        if master is None:
            head = f"ttl: {TTL}\nnameservers: [ns1]\nrecords: {{ns1: {{A: 192.0.2.53}}}}\n"
            (zones / f"{ORIGIN}.yaml").write_text(head + zone)
        else:
            (zones / f"{ORIGIN}.zone").symlink_to(master)
        (folder / "dnslb.yaml").write_text(
            f'listen: ["{at.address}:{at.port}"]\nworkers: {at.workers}\n{more or "api: off"}\n'
        )
        return [sys.executable, "-m", "dnslb", "serve", str(folder / "dnslb.yaml")]

    return Server("dnslb", about, sys.executable, prepare)
