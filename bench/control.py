"""How fast Python's decisions reach the wire: configurations, publishes and single verdicts.

check    `dnslb check` as a whole, Python's start included: time and memory
publish  compiling and publishing, until a real UDP packet carries the new answer; no file is
         read and no check runs
reload   a running server reads the same once more: how long, and how long nothing else runs
"""

from __future__ import annotations

import argparse
import asyncio
import gc
import itertools
import json
import os
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv6Address
from pathlib import Path
from typing import TYPE_CHECKING, Final

import uvloop
from control_files import write

from dnslb.config.load import load
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
from dnslb.garbage import settle
from dnslb.health.checks.base import Outcome, Result
from dnslb.health.standing import ALWAYS_UP, Standing
from dnslb.log import configure
from dnslb.policy.strategies import BUILT_IN
from dnslb.publisher import Publisher
from dnslb.server import Server
from dnslb.zone.records import RRset

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

ORIGIN: Final = "example.com."
REPEATS: Final = 11
CHECKS: Final = 3  # of one configuration
RELOADS: Final = 3
PATIENCE: Final = 10.0  # seconds until an answer that does not change counts as lost
WEIGHTS: Final = (3, 2, 1)
DOWN: Final = Standing(down=frozenset(Family), reason="the bench says so")
RATE: Final = 20  # publishes a second, one service each
SUSTAINED: Final = 10.0  # seconds
STEP: Final = 0.001  # seconds between two looks at whether the event loop runs

PUSHED: Final = {"type": "push", "deadline": "1h"}
"""A check that needs no network."""


def main() -> int:
    options = _options()
    if options.reloading:
        print(json.dumps(uvloop.run(_reload(options.reloading))))
        return 0
    missed = False
    print("| what | goal | median | least | most |")
    print("| --- | --- | --- | --- | --- |")
    parts = {"check": _checking, "publish": _publishing, "reload": _reloading}
    for part in options.only:
        for what, goal, unit, found in parts[part](options.services):
            shown = "" if goal is None else f"{goal:g} {unit}"
            cells = (f"{of(found):.3g} {unit}" for of in (statistics.median, min, max))
            print(f"| {what} | {shown} | {' | '.join(cells)} |", flush=True)
            missed |= goal is not None and statistics.median(found) > goal
    return int(missed)


Row = tuple[str, "float | None", str, "Sequence[float]"]
"""What was measured, its goal, the unit, and the figures."""


def _checking(services: int) -> Iterator[Row]:
    """Whole runs of `dnslb check`."""
    yield "`dnslb check` of an empty zone", None, "s", [_check(1)[0] for _ in range(CHECKS)]
    for is_json, (zones, shared) in itertools.product(
        (False, True), ((1, False), (10, False), (100, False), (1, True))
    ):
        runs = [
            _check(services, zones=zones, shared=shared, is_json=is_json) for _ in range(CHECKS)
        ]
        what = (
            f"`dnslb check`, {'JSON' if is_json else 'YAML'}, {services:,} services, "
            f"{'shared' if shared else 'own'} pools, {zones} {'zone' if zones == 1 else 'zones'}"
        )
        yield what, 5, "s", [seconds for seconds, _ in runs]
        yield f"{what}: most memory", None, "MB", [megabytes for _, megabytes in runs]


def _check(services: int, **how: bool | int) -> tuple[float, float]:
    """Seconds and megabytes of one run."""
    # whoever runs it more than once has its modules compiled
    env = {key: text for key, text in os.environ.items() if key != "PYTHONDONTWRITEBYTECODE"}
    with tempfile.TemporaryDirectory(prefix="dnslb-bench-") as name:
        path = write(Path(name), services, **how)  # type: ignore[arg-type]
        command = [sys.executable, "-m", "dnslb", "check", str(path)]
        began = time.perf_counter()
        process = subprocess.Popen(command, stdout=subprocess.DEVNULL, env=env)
        _, status, used = os.wait4(process.pid, 0)
        seconds = time.perf_counter() - began
        process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise RuntimeError("`dnslb check` found problems")
    return seconds, used.ru_maxrss / 1000


def _publishing(services: int) -> Iterator[Row]:
    """Compiling and publishing."""
    yield (
        "1,000 services compiled and published", 200, "ms",
        asyncio.run(_config_changes(1_000, REPEATS)),
    )  # fmt: skip
    yield (
        f"{services:,} services compiled and published", None, "ms",
        asyncio.run(_config_changes(services, 3)),
    )  # fmt: skip
    config = _config(services, shared=False)
    yield (
        f"a verdict on the wire, {services:,} services, one holds the backend", 50, "ms",
        asyncio.run(_flips(config)),
    )  # fmt: skip
    yield (
        f"{RATE} verdicts a second, {services:,} services, each held by one: of a core", None, "%",
        [asyncio.run(_sustained(config))],
    )  # fmt: skip
    yield (
        f"a verdict on the wire, all of {services:,} services hold the backend", None, "ms",
        asyncio.run(_flips(_config(services, shared=True))),
    )  # fmt: skip


def _reloading(services: int) -> Iterator[Row]:
    """Reloads of a server that runs; it answers all the while, so this is about checks and API."""
    with tempfile.TemporaryDirectory(prefix="dnslb-bench-") as name:
        path = write(Path(name), services, check=PUSHED)
        command = [sys.executable, __file__, "--reloading", str(path)]
        done = subprocess.run(command, stdout=subprocess.PIPE, check=True)
    found = json.loads(done.stdout)
    yield f"reload of {services:,} services in YAML", None, "s", found["took"]
    yield "the longest time in it that checks and API wait", None, "ms", found["longest"]


async def _reload(path: Path) -> dict[str, list[float]]:
    """Seconds that reloads take, and milliseconds that the loop is held up in each at the most."""
    configure("error")
    config, _ = load(path)
    server = Server(config, owns_process=True)
    server.bind()
    await server.start()
    for backend in config.backends():
        server.monitor.heartbeat(backend.id, Result(Outcome.OK))
    found: dict[str, list[float]] = {"took": [], "longest": []}
    for _ in range(RELOADS):
        longest = asyncio.create_task(_longest())
        await asyncio.sleep(0.5)
        began = time.perf_counter()
        if not await server.reload():
            raise RuntimeError("the reload was refused")
        found["took"].append(time.perf_counter() - began)
        await asyncio.sleep(0)
        longest.cancel()
        found["longest"].append(await longest)
    await server.stop()
    return found


async def _longest() -> float:
    """The longest time, in milliseconds, that the loop took for a step, until cancelled."""
    longest = 0.0
    last = time.perf_counter()
    try:
        while True:
            await asyncio.sleep(STEP)
            now = time.perf_counter()
            longest, last = max(longest, now - last), now
    except asyncio.CancelledError:
        return max(longest, time.perf_counter() - last) * 1e3


async def _config_changes(count: int, repeats: int) -> list[float]:
    """Milliseconds that publishing a configuration anew takes, all of it changed."""
    publisher = Publisher(new_engine(), dict)
    times = []
    for _ in range(repeats):
        config = _config(count, shared=False)
        gc.collect()
        began = time.perf_counter()
        await publisher.replace(config)
        times.append((time.perf_counter() - began) * 1e3)
    return times


async def _sustained(config: Config) -> float:
    """Percent of a core that publishes take, `RATE` a second, each because of another backend."""
    backends = [next(service.pool.backends()).id for service in config.services()]
    standings = {backend.id: ALWAYS_UP for backend in config.backends()}
    publisher = Publisher(new_engine(), lambda: standings)
    await publisher.replace(config)
    settle()  # as a server does
    running = asyncio.create_task(publisher.run())
    before, began = time.process_time(), time.monotonic()
    for number in range(int(SUSTAINED * RATE)):
        backend = backends[number % len(backends)]
        standings[backend] = DOWN
        publisher.changed([backend])
        await asyncio.sleep(max(0.0, began + (number + 1) / RATE - time.monotonic()))
    share = (time.process_time() - before) / (time.monotonic() - began)
    running.cancel()
    return share * 100


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


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parts = ["check", "publish", "reload"]
    parser.add_argument("--only", nargs="+", choices=parts, default=parts)
    parser.add_argument("--services", type=int, default=10_000)
    parser.add_argument("--reloading", type=Path, help=argparse.SUPPRESS)
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
