"""What one policy costs to decide, in a process of its own: a line of JSON.

python bench/geo_build.py POLICY CITY ASN
"""

from __future__ import annotations

import json
import statistics
import sys
import time
from itertools import islice
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

BACKENDS: Final = 12
"""Whose verdicts change, at the most: as many states of a pool have their maps kept, and some."""

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

    def flip(backend: BackendId, standing: Standing) -> float:
        began = time.perf_counter()
        engine.publish(Compiler({backend: standing}, atlas).services(services))
        return time.perf_counter() - began

    # each backend goes for the first time, and once more: the maps of the first time are kept
    new, again = [], []
    for backend in islice(config.backends(), BACKENDS):
        new.append(flip(backend.id, DOWN))
        again.append(flip(backend.id, ALWAYS_UP))
        again.append(flip(backend.id, DOWN))
        flip(backend.id, ALWAYS_UP)
    report = {
        "opened": opened,
        "held": held,
        "compiled": compiled,
        "published": published,
        "new": statistics.median(new),
        "again": statistics.median(again),
        "networks": sum(database.networks for database in atlas.databases),
        "locations": sum(database.records for database in atlas.databases),
        "v4": root.map.sizes[0],
        "v6": root.map.sizes[1],
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
