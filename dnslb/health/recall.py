"""Between the monitor's own state and what is kept of it."""

from __future__ import annotations

import time
from dataclasses import replace
from typing import TYPE_CHECKING, Final

from dnslb.config.model import Family
from dnslb.health.checks.base import AgentMode, Result
from dnslb.health.damping import Damped
from dnslb.health.history import History
from dnslb.health.standing import OperatorState, Standing
from dnslb.health.state import State
from dnslb.health.store import (
    LASTS,
    Saved,
    SavedBackend,
    SavedPool,
    SavedProbe,
    fingerprint,
    monotonic,
    wall,
)
from dnslb.health.watched import Before, Pushed, Watched

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping

    from dnslb.config.model import Backend, BackendId, PoolId, Subject
    from dnslb.health.operators import Wish
    from dnslb.health.scheduler import ProbeKey

__all__ = ["Past", "save"]

FRESH: Final = 600.0
"""Seconds for which a verdict goes on as if there had been no restart. An older one is kept until
the first result, which then decides at once: too much may have happened meanwhile for rise and fall
to count on. So is one from the future: the clock was set back, and nobody knows how old it is."""


class Past:
    """What is known from before a restart, and of backends that left the configuration lately."""

    def __init__(self) -> None:
        self._saved = Saved(0.0)

    @property
    def names(self) -> Collection[Subject]:
        """The backends and pools that something is known of."""
        return {*self._saved.backends, *self._saved.pools}

    def restore(self, saved: Saved) -> None:
        """Take in what was kept."""
        at = time.time()
        # a copy, since whoever keeps `saved` reads it in another thread; what is configured no more
        # is gone from now on
        backends = {
            name: one if one.gone else replace(one, gone=at) for name, one in saved.backends.items()
        }
        pools = {
            pool: one if one.gone else replace(one, gone=at) for pool, one in saved.pools.items()
        }
        self._saved = replace(saved, backends=backends, pools=pools)

    def standing(self, name: BackendId) -> Standing | None:
        """Where a backend stood, which holds until its checks say otherwise."""
        saved = self._saved.backends.get(name)
        return _recall_standing(saved) if saved else None

    def watched(self, backend: Backend, slow_start: float, now: float) -> Watched:
        """`backend` under watch, going on from what is known of it."""
        saved = self._saved.backends.get(backend.id)
        if saved is None:
            return Watched(backend, None, slow_start)
        item = Watched(backend, Before(backend, _recall_standing(saved)), slow_start)
        if saved.returned is not None:
            item.returned = monotonic(saved.returned, self._saved.at, now)
        if saved.pushed is not None:
            load, until = saved.pushed
            until = monotonic(until, self._saved.at, now)
            item.pushed = Pushed(Damped.at_rest(load), now, until)
        return item

    def history(self, key: ProbeKey, now: float) -> History:
        """The history of a probe that is new, going on from what is known of it."""
        history = History(key.check)
        if self._saved.probes and (saved := self._saved.probes.get(fingerprint(key))):
            _recall_history(history, saved, self._saved, now)
        return history

    def remember(self, gone: Iterable[tuple[Watched, Standing, Wish]], now: float) -> None:
        """Keep for a day what is known of backends that are no more in the configuration."""
        known, at = self._saved.backends, time.time()
        for item, standing, wish in gone:
            known[item.backend.id] = replace(_save_backend(item, standing, wish, now), gone=at)
        for name in [name for name, one in known.items() if one.gone and at - one.gone >= LASTS]:
            del known[name]

    def remember_pools(self, gone: Iterable[tuple[PoolId, Wish]]) -> None:
        """Keep for a day what the operator wants of pools that are no more."""
        known, at = self._saved.pools, time.time()
        known.update(_save_pools(gone, gone=at))
        for pool in [pool for pool, one in known.items() if one.gone and at - one.gone >= LASTS]:
            del known[pool]


def save(
    histories: Mapping[ProbeKey, History],
    backends: Iterable[tuple[Watched, Standing, Wish]],
    pools: Mapping[PoolId, Wish],
    now: float,
) -> Saved:
    """What is to survive a restart."""
    probes = {
        fingerprint(key): saved
        for key, history in histories.items()
        if (saved := _save_history(history, now))
    }
    kept = {
        item.backend.id: _save_backend(item, standing, wish, now)
        for item, standing, wish in backends
    }
    return Saved(time.time(), probes, kept, _save_pools(pools.items()))


def _save_pools(
    pools: Iterable[tuple[PoolId, Wish]], gone: float | None = None
) -> dict[PoolId, SavedPool]:
    return {
        pool: SavedPool(wish.state, wish.reason, wish.until, gone)
        for pool, wish in pools
        if gone is None or wish.state is not OperatorState.AUTO
    }


def _save_history(history: History, now: float) -> SavedProbe | None:
    """What is kept of a probe; None while it has no verdict."""
    state = history.state
    if state.up is None:
        return None
    failure = history.failure
    return SavedProbe(
        up=state.up,
        since=wall(state.since, now),
        falls=state.falls,
        against=state.against,
        failure=(failure.outcome, failure.detail) if failure else None,
        load=None if history.load is None else (history.load, wall(history.load_at, now)),
        weight=history.weight,
        mode=history.mode.value,
        latency=history.latency,
    )


def _recall_history(history: History, saved: SavedProbe, whole: Saved, now: float) -> None:
    """Have `history` go on where `saved`, a part of `whole`, ends.

    One that is too old only lends what it reported.
    """
    if abs(time.time() - whole.at) < FRESH:
        # a server that was killed may have had results since, so none are in a row with the next
        against = saved.against if whole.ended else 0
        since = monotonic(saved.since, whole.at, now)
        history.recall(State(saved.up, against, since, saved.falls), saved.latency)
    if saved.failure is not None:
        history.failure = Result(*saved.failure)
    if saved.load is not None:
        history.damped = Damped.at_rest(saved.load[0])
        history.load_at = monotonic(saved.load[1], whole.at, now)
    history.weight = saved.weight
    if saved.mode in {mode.value for mode in AgentMode}:
        history.mode = AgentMode(saved.mode)


def _save_backend(item: Watched, standing: Standing, wish: Wish, now: float) -> SavedBackend:
    """What is kept of a backend."""
    pushed = item.pushed if item.pushed and item.pushed.until > now else None
    return SavedBackend(
        down=tuple(sorted(family.value for family in standing.down)),
        reason=standing.reason,
        since=standing.since,
        returned=None if item.returned is None else wall(item.returned, now),
        load=standing.load,
        latency=standing.latency,
        state=wish.state,
        state_reason=wish.reason,
        until=wish.until,
        held=standing.held,
        pushed=(pushed.load, wall(pushed.until, now)) if pushed else None,
    )


def _recall_standing(saved: SavedBackend) -> Standing:
    """Where a backend stood, which holds until its checks say otherwise."""
    known = {family.value for family in Family}
    return Standing(
        down=frozenset(Family(value) for value in saved.down if value in known),
        load=saved.load,
        latency=saved.latency,
        state=saved.state,
        reason=saved.reason,
        held=saved.held,
        since=saved.since,
    )
