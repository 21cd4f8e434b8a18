"""How fast Python's decisions reach the wire: whole configurations, and single verdicts.

No YAML is read and no check runs: the clock covers compiling, publishing and, for a verdict, the
way until a real UDP packet carries the new answer.
"""

from __future__ import annotations

import asyncio
import gc
import socket
import statistics
import sys
import time
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv6Address
from pathlib import Path
from typing import Final

from dnslb.config.model import (
    Backend,
    BackendId,
    Config,
    Family,
    Member,
    Pool,
    Service,
    ServiceId,
    Zone,
)
from dnslb.engine import new_engine
from dnslb.health.standing import ALWAYS_UP, Standing
from dnslb.policy.strategies import BUILT_IN
from dnslb.publisher import Publisher
from dnslb.zone.records import RRset

ORIGIN: Final = "example.com."
REPEATS: Final = 11
PATIENCE: Final = 10.0  # seconds until an answer that does not change counts as lost
WEIGHTS: Final = (3, 2, 1)
DOWN: Final = Standing(down=frozenset(Family), reason="the bench says so")


def main() -> None:
    config_ms = asyncio.run(_config_changes(1_000))
    own_ms = asyncio.run(_flips(_config(10_000, shared=False)))
    shared_ms = asyncio.run(_flips(_config(10_000, shared=True)))
    print("| what | goal | median | least | most |")
    print("| --- | --- | --- | --- | --- |")
    goals = (
        ("1,000 services compiled and published", 200, config_ms),
        ("a verdict on the wire, 10,000 services, one holds the backend", 50, own_ms),
        ("the same where all 10,000 hold it", None, shared_ms),
    )
    for what, goal, times in goals:
        shown = "" if goal is None else f"{goal} ms"
        cells = (f"{of(times):.1f} ms" for of in (statistics.median, min, max))
        print(f"| {what} | {shown} | {' | '.join(cells)} |")
    sys.exit(any(goal and statistics.median(times) > goal for _, goal, times in goals))


async def _config_changes(count: int) -> list[float]:
    """Milliseconds that publishing a configuration anew takes, all of it changed."""
    publisher = Publisher(new_engine(), dict)
    times = []
    for _ in range(REPEATS):
        config = _config(count, shared=False)
        gc.collect()
        began = time.perf_counter()
        await publisher.replace(config)
        times.append((time.perf_counter() - began) * 1e3)
    return times


async def _flips(config: Config) -> list[float]:
    """Milliseconds from a verdict, up, to the first answer that carries the backend again."""
    service = next(config.services())
    backend = next(service.pool.backends())
    standings = {backend.id: ALWAYS_UP for backend in config.backends()}
    engine = new_engine()
    publisher = Publisher(engine, lambda: standings)
    ((address, port),) = engine.bind([("127.0.0.1", 0)], 1)
    times = []
    try:
        await publisher.replace(config)
        engine.start()
        running = asyncio.create_task(publisher.run())
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as client:
            client.connect((address, port))
            client.settimeout(PATIENCE)
            watch = Watch(client, _query(str(service.id)), backend.of(Family.IPV4)[0].packed)
            for _ in range(REPEATS):
                standings[backend.id] = DOWN
                publisher.changed([backend.id])
                await asyncio.to_thread(watch.until_gone)
                standings[backend.id] = ALWAYS_UP
                began = time.perf_counter()
                publisher.changed([backend.id])
                await asyncio.to_thread(watch.until_there)
                times.append((time.perf_counter() - began) * 1e3)
        running.cancel()
    finally:
        engine.stop()
    return times


@dataclass(frozen=True)
class Watch:
    """A client that looks for one address in the answers."""

    client: socket.socket
    query: bytes
    address: bytes

    def until_there(self) -> None:
        """Return with the first answer that carries the address."""
        deadline = time.monotonic() + PATIENCE
        while not self._ask():
            if time.monotonic() > deadline:
                raise TimeoutError("the verdict did not reach the wire")

    def until_gone(self) -> None:
        """Return once a full turn of answers went by without the address."""
        deadline = time.monotonic() + PATIENCE
        while any(self._ask() for _ in range(sum(WEIGHTS))):
            if time.monotonic() > deadline:
                raise TimeoutError("the verdict did not reach the wire")

    def _ask(self) -> bool:
        self.client.send(self.query)
        return self.client.recv(512).endswith(self.address)


def _config(count: int, *, shared: bool) -> Config:
    """A zone of `count` services, each over a pool of its own or all over the same one."""
    pools = [_pool(index) for index in range(1 if shared else count)]
    services = (
        Service(ServiceId(ORIGIN, f"s{index}"), pools[index % len(pools)]) for index in range(count)
    )
    name = _wire(ORIGIN)
    soa = name + name + bytes(20)
    return Config(
        path=Path("bench.yaml"),
        zones={
            ORIGIN: Zone(
                origin=ORIGIN,
                rrsets=(RRset(name, 6, 300, (soa,)), RRset(name, 2, 300, (name,))),
                services={service.id.name: service for service in services},
                pools={pool.name: pool for pool in pools},
            )
        },
    )


def _pool(index: int) -> Pool:
    """A weighted pool of dual-stack backends."""
    members = tuple(
        Member(
            Backend(
                BackendId(ORIGIN, f"p{index}", f"b{last}"),
                (
                    IPv4Address((10 << 24) + index * 8 + last),
                    IPv6Address((0x20010DB8 << 96) + index * 8 + last),
                ),
            ),
            weight,
        )
        for last, weight in enumerate(WEIGHTS)
    )
    return Pool(ORIGIN, f"p{index}", BUILT_IN["weighted"], members)


def _query(name: str) -> bytes:
    return b"\x00\x01\x00\x00\x00\x01\x00\x00\x00\x00\x00\x00" + _wire(name) + b"\x00\x01\x00\x01"


def _wire(name: str) -> bytes:
    labels = (label.encode() for label in name.split("."))
    return b"".join(bytes([len(label)]) + label for label in labels)


if __name__ == "__main__":
    main()
