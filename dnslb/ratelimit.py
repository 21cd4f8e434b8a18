"""Response-rate limiting: what the engine is told of it, and what the log is."""

from __future__ import annotations

import asyncio
import logging
from dataclasses import astuple, dataclass
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from dnslb.config.model import Address, RateLimit

__all__ = ["EngineRateLimit", "LimitLog"]

INTERVAL: Final = 2.0
"""Seconds between two looks at whom the engine limits."""

QUIET: Final = 10.0
"""Seconds without an answer beyond the rate, after which a network counts as within it again."""

MAX_LINES: Final = 10
"""Networks that one look tells by name: a flood on everybody must not become one of log lines."""

log = logging.getLogger("dnslb.ratelimit")


@dataclass(frozen=True, slots=True)
class EngineRateLimit:
    """What `Engine.publish` reads of response-rate limiting."""

    log_only: bool
    rates: tuple[int, ...]
    burst: int  # milliseconds
    slip: int
    prefix: tuple[int, int]
    exempt: tuple[tuple[Address, int], ...]

    @classmethod
    def of(cls, limit: RateLimit) -> EngineRateLimit:
        """`limit` as the engine takes it."""
        return cls(
            log_only=limit.log_only,
            rates=astuple(limit.rates),
            burst=round(limit.burst * 1000),
            slip=limit.slip,
            prefix=limit.prefix,
            exempt=tuple((one.network_address, one.prefixlen) for one in limit.exempt),
        )


class LimitLog:
    """Logs when answers to a network go beyond their rate, and when that is over."""

    def __init__(self, limited: Callable[[float], Mapping[tuple[str, str], int]]) -> None:
        self._limited = limited
        self._counts: dict[tuple[str, str], int] = {}  # as the engine told them last
        self._sums: dict[tuple[str, str], int] = {}

    async def run(self) -> None:
        """Look again and again, until cancelled."""
        while True:
            await asyncio.sleep(INTERVAL)
            self.look(await asyncio.to_thread(self._limited, QUIET))

    def look(self, counts: Mapping[tuple[str, str], int]) -> None:
        """Log what has changed; `counts` is what `Engine.limited` returns."""
        began = sorted(counts.keys() - self._counts.keys())
        ended = sorted(self._counts.keys() - counts.keys())
        for key, count in counts.items():
            before = self._counts.get(key, 0)
            # the engine counts anew when a network has paused
            self._sums[key] = self._sums.get(key, 0) + count - (before if count >= before else 0)
        for network, kind in began[:MAX_LINES]:
            log.warning("answers to %s are beyond their rate (%s)", network, kind)
        if len(began) > MAX_LINES:
            log.warning("and so are those to %d further networks", len(began) - MAX_LINES)
        for network, kind in ended[:MAX_LINES]:
            count = self._sums[network, kind]
            text = "answers to %s are within their rate (%s) again; %d were beyond it"
            log.info(text, network, kind, count)
        if len(ended) > MAX_LINES:
            log.info("and so are those to %d further networks", len(ended) - MAX_LINES)
        for key in ended:
            del self._sums[key]
        self._counts = dict(counts)
