"""Who asks for what most: names, clients' networks and countries, of the last minute or so.

    engine ── about 1,000 queries a second, drawn ─▶ sketches in fixed memory ─▶ API, `dnslb top`

A sample stands for as many queries as it was one of. How many are drawn follows the load, so that a
server with few queries sees all, and one with many pays for no more.
"""

from __future__ import annotations

import asyncio
import logging
import math
import threading
import time
from ipaddress import ip_address
from typing import TYPE_CHECKING, Final, NamedTuple

from dnslb.sketch import Sketch
from dnslb.zone.names import to_text
from dnslb.zone.types import type_name

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable

    from dnslb._engine import Engine
    from dnslb.config.model import Address
    from dnslb.geo.atlas import Atlas, Judged
    from dnslb.geo.location import Location

__all__ = ["Ranked", "Ranking", "Top"]

WINDOW: Final = 60.0
"""Seconds after which what was seen counts 1/e."""

INTERVAL: Final = 0.25
"""Seconds between two drains: workers keep some 600 samples each."""

RATE: Final = 1_000.0
"""Samples a second that are aimed at."""

STEP: Final = 4.0
"""How many times as likely, or less likely, a sample becomes from one drain to the next."""

MOST: Final = 2_000
"""Samples of one drain at most."""

PLACES: Final = 1_000
"""Names, and networks, that are counted at a time."""

COUNTRIES: Final = 300
"""More than there are."""

PREFIXES: Final = {4: 24, 6: 48}
"""Bits that make a network."""

UNKNOWN: Final = "unknown"
"""The country of who is in no database."""

log = logging.getLogger("dnslb.top")

Sample = tuple[bytes, bytes, int, float]


class Ranked(NamedTuple):
    """One of the busiest: by what it is called, its part of all queries, and queries a second."""

    name: str
    share: float
    rate: float
    type: str | None = None  # of names


class Ranking(NamedTuple):
    """The busiest, each kind by how busy; `sampled` is how many queries were looked at in all."""

    window: float
    sampled: int
    names: tuple[Ranked, ...]
    networks: tuple[Ranked, ...]
    countries: tuple[Ranked, ...]


class Top:
    """Counts what the engine samples. Reading it may be done from any thread."""

    def __init__(
        self,
        engine: Engine,
        atlas: Callable[[], Atlas],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._engine = engine
        self._atlas = atlas
        self._clock = clock
        self._lock = threading.Lock()
        self._probability = 0.0
        self._clear()

    def set(self, *, on: bool) -> None:
        """Watch from now on, or forget what was seen and watch no more."""
        if on and not self._probability:
            self._aim(1.0)
        elif not on:
            self._aim(0.0)
            with self._lock:
                self._clear()

    async def run(self) -> None:
        """Count again and again, until cancelled."""
        while True:
            await asyncio.sleep(INTERVAL)
            if self._probability:
                try:
                    # mostly there are none, and then no thread is worth its waking
                    samples = self._engine.samples(MOST)
                    if samples:
                        await asyncio.to_thread(self._weigh, samples)
                    else:
                        self._weigh(samples)
                except Exception:  # nobody's answers depend on it
                    log.exception("a fault in counting who asks most; it is off")
                    self.set(on=False)

    def drain(self) -> int:
        """Count what was sampled since the last time. Returns how many queries that were."""
        return self._weigh(self._engine.samples(MOST))

    def _weigh(self, samples: Collection[Sample]) -> int:
        """Count `samples`, and decide how likely the next ones are. Returns how many they are."""
        if samples:
            self.count(samples)
        queries = sum(weight for *_, weight in samples)
        wished = min(1.0, RATE * INTERVAL / queries) if queries else 1.0
        # by steps, since what one drain has met may be a moment's
        aim = min(max(wished, self._probability / STEP), self._probability * STEP)
        if not 0.8 < aim / self._probability < 1.25:
            self._aim(aim)
        return len(samples)

    def count(self, samples: Iterable[Sample]) -> None:
        """Count `samples`, as `Engine.samples` tells them."""
        countries = _Countries(self._atlas())
        with self._lock:
            now = self._clock()
            for client, name, rtype, weight in samples:
                self._sampled += 1
                address = ip_address(client)
                if name:  # who asks for a cookie only asks for no name
                    self._names.add((name, rtype), weight, now)
                network = client[: PREFIXES[address.version] // 8].ljust(len(client), b"\0")
                self._networks.add(network, weight, now)
                self._countries.add(countries.of(address), weight, now)

    def ranking(self, count: int) -> Ranking:
        """The `count` busiest of each kind."""
        with self._lock:
            now = self._clock()
            total = self._countries.total(now)
            sampled = self._sampled
            names = self._names.top(count, now)
            networks = self._networks.top(count, now)
            countries = self._countries.top(count, now)
            # at one query a second, what decays has come to so many since the start
            seconds = WINDOW * -math.expm1((self._began - now) / WINDOW)

        def ranked(name: str, weight: float, rtype: str | None = None) -> Ranked:
            return Ranked(name, weight / total, weight / max(seconds, INTERVAL), rtype)

        return Ranking(
            WINDOW,
            sampled,
            tuple(ranked(to_text(one.key[0]), one.least, type_name(one.key[1])) for one in names),
            tuple(ranked(_network(one.key), one.least) for one in networks),
            tuple(ranked(one.key, one.least) for one in countries),
        )

    def _clear(self) -> None:
        self._sampled = 0
        self._began = self._clock()
        self._names: Sketch[tuple[bytes, int]] = Sketch(PLACES, WINDOW)
        self._networks: Sketch[bytes] = Sketch(PLACES, WINDOW)
        self._countries: Sketch[str] = Sketch(COUNTRIES, WINDOW)

    def _aim(self, probability: float) -> None:
        self._probability = probability
        self._engine.sample(probability)


class _Countries:
    """The countries of an atlas, looked up at once: one label a country."""

    def __init__(self, atlas: Atlas) -> None:
        database = atlas.provider("country")
        self._judged: Judged | None = None
        if database is not None:
            self._judged = atlas.remember(
                ("countries",), lambda: atlas.judge(database, ["country"], _country)
            )

    def of(self, address: Address) -> str:
        if self._judged is None:
            return UNKNOWN
        label, _ = self._judged.map.find(address)
        return str(self._judged.results[label])


def _country(location: Location | None) -> str:
    return (location and location.country) or UNKNOWN


def _network(packed: bytes) -> str:
    address = ip_address(packed)
    return f"{address}/{PREFIXES[address.version]}"
