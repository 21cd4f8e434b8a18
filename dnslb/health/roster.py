"""Who is watched, by which probes, under one configuration; the next one makes another roster.

    backend ─▶ watched ─▶ its probes ─▶ what is known of each ◀─ all backends that share it

What has not changed goes on as it is, and so does all that is known of a probe.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from dnslb.health.watched import Before, Watched

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from dnslb.config.model import Backend, BackendId, Pool, Subject
    from dnslb.health.guard import PoolKey
    from dnslb.health.history import History
    from dnslb.health.recall import Past
    from dnslb.health.scheduler import ProbeKey
    from dnslb.health.standing import Standing

__all__ = ["Roster"]

SLICE: Final = 250
"""Backends that are dealt with in one step: a few milliseconds, so that probes go on."""


class Roster:
    """Backends and probes under watch; empty until it is `filled` after an `old` one.

    `past` knows what was watched before that, `now` is the time by the histories' clock.
    """

    __slots__ = ("_changed", "_now", "_old", "_past", "histories", "same", "sharers", "watched")

    def __init__(self, past: Past, old: Roster | None = None, now: float = 0.0) -> None:
        self.watched: dict[BackendId, Watched] = {}
        self.histories: dict[ProbeKey, History] = {}
        self.sharers: dict[ProbeKey, list[Watched]] = {}
        self.same: set[BackendId] = set()  # those of which nothing has changed
        self._changed: list[tuple[Watched, Watched]] = []  # and what they were before
        self._past = past
        self._old = old
        self._now = now

    def fill(
        self,
        backends: Iterable[Backend],
        pools: Mapping[PoolKey, Pool],
        ttls: Mapping[BackendId, float],
        standings: Mapping[Subject, Standing],
    ) -> Iterator[None]:
        """Have `backends` on it, a slice at each step; those of the old one have the `standings`.

        What happens between two steps is the old one's; `catch_up` with it after the last.
        """
        for count, backend in enumerate(backends):
            if count % SLICE == 0:
                yield
            name = backend.id
            pool = pools.get(name[:2])
            slow_start = pool.slow_start if pool else 0.0
            old = self._old.watched.get(name) if self._old else None
            if old is None:
                item = self._past.watched(backend, slow_start, self._now)
            elif self._is_same(old, backend, slow_start, standings[name]):
                self.same.add(name)
                item = old
                item.backend = backend  # equal, but of the configuration that stays
            else:
                item = Watched(backend, Before(old.backend, standings[name]), slow_start)
                self._changed.append((item, old))
            item.ttl = ttls.get(name, 0.0)
            self.watched[name] = item
        for count, item in enumerate(self.watched.values()):
            if count % SLICE == 0:
                yield
            self._share(item)
        yield
        measured = _measured(pools.values())
        for history, items in zip(self.histories.values(), self.sharers.values(), strict=True):
            history.ttl = max([item.ttl for item in items])
            history.measured = not pools or any(item.backend.id in measured for item in items)

    def catch_up(self, standings: Mapping[Subject, Standing]) -> None:
        """Go on from where the old one is by now, which is not needed any more."""
        for item, old in self._changed:
            item.keep(old, standings[old.backend.id])
        self._changed = []
        # what is held up meanwhile is so by a guard that may not be there any more
        self.same -= {name for name in self.same if standings[name].held}
        self._old = None

    def _share(self, item: Watched) -> None:
        """Have the probes of `item` on it, each with what is known of it."""
        known = self._old.histories if self._old else {}
        for key in item.keys:
            if key in self.histories:
                self.sharers[key].append(item)
            else:
                self.histories[key] = known.get(key) or self._past.history(key, self._now)
                self.sharers[key] = [item]

    def _is_same(
        self, item: Watched, backend: Backend, slow_start: float, standing: Standing
    ) -> bool:
        """Whether nothing of `item` has changed, and all is known."""
        if item.slow_start != slow_start or standing.held:
            return False
        if item.backend is not backend and item.backend != backend:
            return False
        histories = self._old.histories if self._old else {}
        return all(histories[key].state.up is not None for key in item.keys)


def _measured(pools: Iterable[Pool]) -> set[BackendId]:
    """The backends whose load or latency a plan looks at."""
    return {
        backend.id
        for pool in pools
        if pool.strategy.measured or pool.spill is not None
        for backend in pool.backends()
    }
