"""Who asks for what most: names, clients' networks and countries, of the last minute or so.

    engine ── about 1,000 queries a second, drawn ─▶ sketches in fixed memory ─▶ API, `dnslb top`

A sample stands for as many queries as it was one of. How many are drawn follows the load, so that a
server with few queries sees all, and one with many pays for no more.
"""

from __future__ import annotations

import asyncio
import itertools
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

STRETCH: Final = 32
"""Samples that are counted in one go, in less than 0.1 ms: a query that comes meanwhile on the same
CPU may have to wait for the end of it."""

PAUSE: Final = 0.0005
"""Seconds between two stretches."""

PLACES: Final = 1_000
"""Names, and networks, that are counted at a time."""

COUNTRIES: Final = 300
"""More than there are."""

PREFIXES: Final = {4: 24, 16: 48}
"""Bits that make a network, by the octets of an address."""

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
                    await self.drain()
                except Exception:  # nobody's answers depend on it
                    log.exception("a fault in counting who asks most; it is off")
                    self.set(on=False)

    async def drain(self) -> int:
        """Count what was sampled since the last time. Returns how many queries that were."""
        samples = self._engine.samples(MOST)
        if samples:
            return await asyncio.to_thread(self._weigh, samples)
        # mostly there are none, and then no thread is worth its waking
        return self._weigh(samples)

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
        """Count `samples`, as `Engine.samples` tells them, with a pause now and then."""
        countries = _Countries(self._atlas())
        rest = iter(samples)
        names = self._names
        while stretch := list(itertools.islice(rest, STRETCH)):
            with self._lock:
                if self._names is not names:
                    return  # what was seen is to be forgotten
                self._add(stretch, countries)
            time.sleep(PAUSE)

    def _add(self, samples: Collection[Sample], countries: _Countries) -> None:
        now = self._clock()
        for client, name, rtype, weight in samples:
            if name:  # who asks for a cookie only asks for no name
                self._names.add((name, rtype), weight, now)
            network = client[: PREFIXES[len(client)] // 8].ljust(len(client), b"\0")
            self._networks.add(network, weight, now)
            self._countries.add(countries.of(client), weight, now)
        self._sampled += len(samples)

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

    def of(self, client: bytes) -> str:
        if self._judged is None:
            return UNKNOWN
        label, _ = self._judged.map.find(ip_address(client))
        return str(self._judged.results[label])


def _country(location: Location | None) -> str:
    return (location and location.country) or UNKNOWN


def _network(packed: bytes) -> str:
    return f"{ip_address(packed)}/{PREFIXES[len(packed)]}"
