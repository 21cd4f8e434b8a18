"""The monitor: which backends are probed, and where each of them stands.

    backend ─▶ one probe for each address (or for its target, or for the check's own address)
    results ─▶ verdict of each probe ─▶ down families, load, latency ─▶ standing ─▶ on_change

A family is down while any of its addresses is: an answer carries all of them, so a client would
meet the dead one. A target's one verdict, and that of a check's own address, is for both families.
"""

from __future__ import annotations

import asyncio
import logging
import random
import time
from collections import Counter
from dataclasses import replace
from typing import TYPE_CHECKING

from dnslb.health.checks.base import Outcome
from dnslb.health.history import History
from dnslb.health.scheduler import CONCURRENT, ProbeKey, Scheduler
from dnslb.health.standing import ALWAYS_UP, OperatorState, Standing, matters
from dnslb.health.watched import Before, Watched

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterable, Mapping

    from dnslb.config.model import Backend, BackendId, Family
    from dnslb.health.checks.base import Result

__all__ = ["Monitor"]

log = logging.getLogger("dnslb.health")


class Monitor:
    """Probes backends and keeps their standings; needs a running event loop.

    `on_change` is called with the backends whose standing changed in a way that matters for plans:
    verdict and operator state at once, load and latency when they moved by more than noise.
    `sleep`, `clock` and `uniform` are the scheduler's.
    """

    def __init__(
        self,
        on_change: Callable[[frozenset[BackendId]], None],
        *,
        concurrent: int = CONCURRENT,
        sleep: Callable[[float], Awaitable[object]] = asyncio.sleep,
        clock: Callable[[], float] = time.monotonic,
        uniform: Callable[[float, float], float] = random.uniform,
    ) -> None:
        self._on_change = on_change
        self._scheduler = Scheduler(
            self._on_result, concurrent=concurrent, sleep=sleep, clock=clock, uniform=uniform
        )
        self._histories: dict[ProbeKey, History] = {}
        self._watched: dict[BackendId, Watched] = {}
        self._sharers: dict[ProbeKey, list[Watched]] = {}
        self._standings: dict[BackendId, Standing] = {}
        self._announced: dict[BackendId, Standing] = {}
        self._results: Counter[str] = Counter({outcome.value: 0 for outcome in Outcome})
        self._waited: set[ProbeKey] = set()
        self._round = asyncio.Event()

    def configure(self, backends: Iterable[Backend]) -> None:
        """Watch exactly `backends`: start, keep or end probes.

        A probe whose check and address did not change keeps its state. A backend whose check did
        change keeps its verdict until the new check has a result.
        """
        watched: dict[BackendId, Watched] = {}
        histories: dict[ProbeKey, History] = {}
        sharers: dict[ProbeKey, list[Watched]] = {}
        for backend in backends:
            old = self._watched.get(backend.id)
            before = Before(old.backend, self._standings[backend.id]) if old else None
            item = watched[backend.id] = Watched(backend, before)
            for key in item.keys:
                if key not in histories:
                    histories[key] = self._histories.get(key) or History(key.check)
                sharers.setdefault(key, []).append(item)
        self._standings = {
            name: item.standing(histories, self.standing(name).state)
            for name, item in watched.items()
        }
        self._watched, self._histories, self._sharers = watched, histories, sharers
        self._announced = {
            name: self._announced.get(name, standing) for name, standing in self._standings.items()
        }
        self._waited = {key for key, history in histories.items() if history.last is None}
        self._round = asyncio.Event()
        if not self._waited:
            self._round.set()
        self._scheduler.schedule(histories)
        self._announce(watched)

    async def first_round(self, grace: float) -> bool:
        """Wait until every probe has had a result, for at most `grace` seconds.

        Returns whether every one has. New backends without one are down until they have it.
        """
        try:
            # a grace of 0 would not even look
            if not self._round.is_set():
                await asyncio.wait_for(self._round.wait(), grace)
        except (asyncio.TimeoutError, TimeoutError):
            log.warning(
                "%d checks have no result after %gs; their backends count as down until they do",
                len(self._waited),
                grace,
            )
            return False
        return True

    def standing(self, backend: BackendId) -> Standing:
        """Where `backend` stands; one that is not watched is up."""
        return self._standings.get(backend, ALWAYS_UP)

    def standings(self) -> Mapping[BackendId, Standing]:
        """Where every backend stands: as it changes, until the next `configure`."""
        return self._standings

    def set_state(self, backend: BackendId, state: OperatorState) -> None:
        """Set what the operator wants of `backend`; verdicts go on beside it.

        Raises:
            KeyError: no such backend is watched.
        """
        before = self._standings[backend]
        if before.state is not state:
            self._standings[backend] = replace(before, state=state)
            log.info("backend %s: operator state %s", backend, state.value)
            self._announce([backend])

    def results(self) -> Mapping[str, int]:
        """How many results there were, by outcome, since the monitor was made."""
        return dict(self._results)

    def last(self, backend: BackendId) -> Mapping[str, Result | None]:
        """The last result of each of a backend's probes, by what is probed.

        Raises:
            KeyError: no such backend is watched.
        """
        return {str(key): self._histories[key].last for key in self._watched[backend].keys}

    async def close(self) -> None:
        """End all probes; the standings stay."""
        await self._scheduler.close()

    def _on_result(self, key: ProbeKey, result: Result) -> None:
        self._results[result.outcome.value] += 1
        history = self._histories.get(key)
        if history is None:
            return
        _tell(key, history, result)
        verdict = history.verdict
        history.add(result)
        for item in self._sharers[key]:
            name = item.backend.id
            before = self._standings[name]
            after = self._standings[name] = item.standing(self._histories, before.state)
            if history.verdict is False and verdict is not False:
                lost = item.only_failed_by(key, self._histories)
                _tell_down(item, lost, key, history, first=verdict is None)
            if won := before.down - after.down:
                # the first passes of a start are as many as there are backends, and no news
                level = logging.DEBUG if verdict is None and item.is_new else logging.INFO
                log.log(level, "backend %s up%s", name, item.over(won))
        self._waited.discard(key)
        if not self._waited:
            self._round.set()
        self._announce(item.backend.id for item in self._sharers[key])

    def _announce(self, backends: Iterable[BackendId]) -> None:
        changed = frozenset(
            backend
            for backend in backends
            if matters(self._announced[backend], self._standings[backend])
        )
        for backend in changed:
            self._announced[backend] = self._standings[backend]
        if changed:
            self._on_change(changed)


def _tell(key: ProbeKey, history: History, result: Result) -> None:
    """Log what an operator should see once, not at every probe."""
    failed_before = history.last is not None and history.last.outcome is Outcome.ERROR
    if result.outcome is Outcome.ERROR and not failed_before:
        log.error("check of %s cannot be made: %s", key, result.detail)
    if result.note and not history.noted:
        log.warning("check of %s passes, but %s", key, result.note)
    log.debug("check of %s: %s in %.1f ms", key, result, result.milliseconds)


def _tell_down(
    item: Watched, families: frozenset[Family], key: ProbeKey, history: History, *, first: bool
) -> None:
    """Log that a probe takes these families of a backend down, if there are any."""
    if families:
        name, over, fall = item.backend.id, item.over(families), key.check.fall
        count = "first result" if first else f"{fall} of {fall}"
        log.warning("backend %s down%s: %s; %s (%s)", name, over, history.failure, key, count)
