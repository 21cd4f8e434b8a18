"""What one policy costs to decide, in a process of its own: a line of JSON.

python bench/geo_build.py POLICY CITY ASN
"""

from __future__ import annotations

import json
import statistics
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Final

from policies import atlas_of, config_of

from dnslb.config.model import Family
from dnslb.engine import new_engine
from dnslb.health.standing import ALWAYS_UP, Standing
from dnslb.policy.compile import Compiler
from dnslb.policy.plan import Network
from dnslb.publisher import EngineSettings
from dnslb.zone.data import engine_zone

if TYPE_CHECKING:
    from dnslb.config.model import BackendId

FLIPS: Final = 11
DOWN: Final = Standing(down=frozenset(Family), reason="the bench says so")


def main(policy: str, city: Path, asn: Path) -> None:
    before = _memory("VmRSS")
    began = time.perf_counter()
    atlas = atlas_of(policy, city, asn)
    opened = time.perf_counter() - began
    held = _memory("VmRSS") - before
    config = config_of(policy, atlas)
    services = list(config.services())
    began = time.perf_counter()
    plans = Compiler({}, atlas).services(services)
    compiled = time.perf_counter() - began
    root = plans[services[0].id].a
    if not isinstance(root, Network):
        raise SystemExit(f"{policy} makes no map")
    engine = new_engine()
    zones = [engine_zone(zone) for zone in config.zones.values()]
    began = time.perf_counter()
    engine.publish(plans, zones, EngineSettings.of(config, bytes(16)))
    published = time.perf_counter() - began
    backend = next(config.backends())
    standings: dict[BackendId, Standing] = {}
    flips = []
    for flip in range(FLIPS):
        standings[backend.id] = ALWAYS_UP if flip % 2 else DOWN
        began = time.perf_counter()
        engine.publish(Compiler(standings, atlas).services(services))
        flips.append(time.perf_counter() - began)
    report = {
        "opened": opened,
        "held": held,
        "compiled": compiled,
        "published": published,
        "flip": statistics.median(flips),
        "networks": sum(database.networks for database in atlas.databases),
        "locations": sum(database.records for database in atlas.databases),
        "cells": sum(root.map.sizes),
        "octets": root.map.octets,
        "choices": len(root.choices),
        "peak": _memory("VmHWM"),
    }
    print(json.dumps(report))


def _memory(field: str) -> int:
    """Octets, as the kernel has them in a process's status."""
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith(f"{field}:"):
            return int(line.split()[1]) * 1024
    raise ValueError(field)


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]), Path(sys.argv[3]))
