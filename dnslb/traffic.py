"""Traffic: what the engine's counters say of the last minute, and when each backend was answered.

    once a second ─▶ has anybody asked? ─▶ engine.stats() ─▶ a ring of what they were ─▶ rates
                                                         └─▶ one that moved: handed out just now

The engine counts and knows no time; times here are those of the samples. A backend was thus handed
out at its `last_answer` or up to one sample before it, never after.
"""

from __future__ import annotations

import asyncio
import logging
import time
from array import array
from collections import deque
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Final

from dnslb.config.model import BackendId

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from dnslb._engine import Stats
    from dnslb.config.model import ServiceId

    Asked = tuple[int, Mapping[tuple[str, str], int]]

__all__ = ["Traffic"]

EVERY: Final = 1.0
"""Seconds between two samples."""

KEPT: Final = 60
"""Samples that are kept, besides the one that they are compared with: the last minute."""

RECENT: Final = 10
"""Samples that rates are made of: short enough to see a drain work, long enough to be calm."""

SHARE: Final = 0.02
"""The part of the time that sampling may take, however many counters there are."""

log = logging.getLogger("dnslb.traffic")


@dataclass(frozen=True, slots=True)
class _Sample:
    at: float  # seconds of the monotonic clock
    asked: Asked  # before the others were read
    queries: Mapping[tuple[str, str], int]
    answers: array[int] = field(repr=False)  # by the place of the counter


class Traffic:
    """Samples the engine's counters by its `stats`, when its `asked` says that some have moved.

    `clock` is monotonic, `wall` the time.
    """

    def __init__(
        self,
        stats: Callable[[], Stats],
        asked: Callable[[], Asked],
        clock: Callable[[], float] = time.monotonic,
        wall: Callable[[], float] = time.time,
    ) -> None:
        self._stats = stats
        self._asked = asked
        self._clock = clock
        self._wall = wall
        self._places: dict[tuple[str, str, str, str], int] = {}
        self._by_backend: dict[BackendId, list[int]] = {}
        self._by_service: dict[tuple[str, str], list[tuple[BackendId, int]]] = {}
        self._last: dict[BackendId, float] = {}
        self._samples: deque[_Sample] = deque(maxlen=KEPT + 1)
        self.since = wall()
        """When sampling began, in seconds since 1970; what was answered before is not known."""

    async def run(self) -> None:
        """Sample again and again, until cancelled."""
        while True:
            started = self._clock()
            try:
                self.sample()
            except Exception:
                log.exception("a fault in reading the counters; it is tried again")
            took = self._clock() - started
            await asyncio.sleep(max(EVERY - took, took / SHARE))

    def sample(self) -> None:
        """Read the counters now."""
        asked, at, wall = self._asked(), self._clock(), self._wall()
        if [one.asked for one in (*self._samples,)[-2:]] == [asked, asked]:
            # nobody has asked since the one before the last, so nothing more was answered
            self._samples.append(replace(self._samples[-1], at=at))
            return
        stats = self._stats()
        before = self._samples[-1].answers if self._samples else None
        answers = array("Q", bytes(8 * len(self._places)) if before is None else before)
        for key, count in stats["answers"].items():
            place = self._places.get(key)
            if place is None:
                place = self._add(key)
            if place >= len(answers):
                answers.extend([0] * (place + 1 - len(answers)))
            # counters that were there when sampling began moved at a time that is not known
            if count != answers[place] and before is not None:
                zone, _, pool, name = key
                self._last[BackendId(zone, pool, name)] = wall
            answers[place] = count
        self._samples.append(_Sample(at, asked, dict(stats["queries"]), answers))

    def rate(self, backend: BackendId) -> float:
        """Answers a second with `backend`, over the last ten seconds."""
        first, last = self._span(RECENT)
        if first is None or last is None:
            return 0.0
        moved = sum(_moved(first, last, place) for place in self._by_backend.get(backend, ()))
        return moved / (last.at - first.at)

    def queries(self) -> dict[tuple[str, str], float]:
        """Queries a second by transport and rcode, over the last ten seconds."""
        first, last = self._span(RECENT)
        if first is None or last is None:
            return {}
        seconds = last.at - first.at
        return {
            key: max(0, count - first.queries.get(key, 0)) / seconds
            for key, count in last.queries.items()
        }

    def total(self) -> dict[str, float]:
        """Queries a second by rcode, over the last ten seconds."""
        sums: dict[str, float] = {}
        for (_, rcode), rate in self.queries().items():
            sums[rcode] = sums.get(rcode, 0.0) + rate
        return sums

    def counted(self, service: ServiceId) -> dict[BackendId, int]:
        """Answers of `service` with each backend, over the last minute."""
        first, last = self._span(KEPT)
        if first is None or last is None:
            return {}
        return {
            backend: _moved(first, last, place)
            for backend, place in self._by_service.get((service.zone, service.name), ())
        }

    @property
    def window(self) -> float:
        """Seconds that `counted` is over: up to about sixty."""
        first, last = self._span(KEPT)
        return last.at - first.at if first is not None and last is not None else 0.0

    def last_answer(self, backend: BackendId) -> float | None:
        """When an answer with `backend` last went out, in seconds since 1970.

        None: not since sampling began.
        """
        return self._last.get(backend)

    def _add(self, key: tuple[str, str, str, str]) -> int:
        zone, service, pool, name = key
        place = self._places[key] = len(self._places)
        backend = BackendId(zone, pool, name)
        self._by_backend.setdefault(backend, []).append(place)
        self._by_service.setdefault((zone, service), []).append((backend, place))
        return place

    def _span(self, samples: int) -> tuple[_Sample | None, _Sample | None]:
        """The last sample, and the one that many before it, or the oldest."""
        if len(self._samples) < 2:
            return None, None
        first = self._samples[max(0, len(self._samples) - 1 - samples)]
        last = self._samples[-1]
        return (first, last) if last.at > first.at else (None, None)


def _moved(first: _Sample, last: _Sample, place: int) -> int:
    """How far a counter went; one that is younger than the first sample began at 0."""
    before = first.answers[place] if place < len(first.answers) else 0
    # a counter that went back is that of another engine
    return max(0, last.answers[place] - before)
