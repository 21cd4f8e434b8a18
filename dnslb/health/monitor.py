"""The monitor: which backends are probed, and where each of them stands.

    backend ─▶ one probe for each address (or for its target, or for the check's own address)
    results ─▶ verdict of each probe ─▶ down families, load, latency, weight ─▶ judged standing
    judged  ─▶ canaries, guard of its pool, slow start ─▶ standing ─▶ on_change

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
from functools import lru_cache
from math import inf
from types import MappingProxyType
from typing import TYPE_CHECKING, Final, NamedTuple

from dnslb.config.model import PoolId
from dnslb.events import Events
from dnslb.health.canary import Canaries
from dnslb.health.checks.base import Outcome, Result
from dnslb.health.checks.push import PushCheck
from dnslb.health.guard import Guards, PoolKey
from dnslb.health.operators import Operators, Wish
from dnslb.health.probe import probe_once
from dnslb.health.recall import Past, save
from dnslb.health.scheduler import ProbeKey
from dnslb.health.standing import ALWAYS_UP, OperatorState, Standing, matters
from dnslb.health.telling import Teller
from dnslb.health.timers import Timers
from dnslb.health.watched import Before, Pushed, Transition, Watched
from dnslb.health.workers import scheduler
from dnslb.histogram import Histogram
from dnslb.waiting import happens

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence

    from dnslb.config.model import Backend, BackendId, Pool, Subject
    from dnslb.health.checks.base import Check
    from dnslb.health.history import History
    from dnslb.health.store import Saved

__all__ = ["Monitor"]

NO_TTLS: Final[Mapping[BackendId, float]] = MappingProxyType({})

log = logging.getLogger("dnslb.health")


class Monitor:
    """Probes backends and keeps their standings; needs a running event loop.

    `on_change` is called with what stands otherwise in a way that matters for plans: for backends
    verdict, weight and operator state at once, load and latency when they moved by more than noise.
    What happens is told to `events`. With 2 and more `processes`, so many others make the probes.
    `sleep`, `clock` and `uniform` are the scheduler's, `later` is the loop's `call_later`.
    """

    def __init__(
        self,
        on_change: Callable[[frozenset[Subject]], None],
        *,
        events: Events | None = None,
        processes: int = 1,
        concurrent: int | None = None,
        sleep: Callable[[float], Awaitable[object]] | None = None,
        clock: Callable[[], float] = time.monotonic,
        uniform: Callable[[float, float], float] = random.uniform,
        later: Callable[[float, Callable[[], None]], asyncio.TimerHandle] | None = None,
    ) -> None:
        self._on_change = on_change
        self._teller = Teller(events or Events())
        self._scheduler = scheduler(
            self._on_result,
            processes=processes,
            concurrent=concurrent,
            sleep=sleep,
            clock=clock,
            uniform=uniform,
        )
        self._clock = clock
        self._timers: Timers[Subject | ProbeKey] = Timers(clock, later)
        self._canaries = Canaries(probe_once, self._on_isolation)
        self._guards = Guards()
        self._operators = Operators()
        self._histories: dict[ProbeKey, History] = {}
        self._watched: dict[BackendId, Watched] = {}
        self._sharers: dict[ProbeKey, list[Watched]] = {}
        self._standings: dict[Subject, Standing] = {}
        self._announced: dict[Subject, Standing] = {}
        self._pools: frozenset[PoolId] = frozenset()
        self._doubted: set[ProbeKey] = set()  # what turned down, and no canary passed since
        self._past = Past()
        self.durations: dict[str, Histogram] = {}  # of probes, by the type of their check
        self._results: Counter[str] = Counter({outcome.value: 0 for outcome in Outcome})
        self._waited: set[ProbeKey] = set()
        self._round = asyncio.Event()

    def configure(
        self,
        backends: Iterable[Backend],
        pools: Iterable[Pool] = (),
        ttls: Mapping[BackendId, float] = NO_TTLS,
        canaries: Sequence[Check] = (),
    ) -> None:
        """Watch exactly `backends`: start, keep or end probes. `pools` say how they are judged.

        `ttls` are the seconds that resolvers keep answers with a backend; loads are damped by them.

        A probe whose check and address did not change keeps its state. A backend whose check did
        change keeps its verdict until the new check has a result.
        """
        by_name = {(pool.zone, pool.name): pool for pool in pools}
        now = self._clock()
        watched, same = self._watch_all(backends, by_name)
        histories, sharers = self._sharing(watched, ttls)
        measured = _measured(by_name.values())
        for history, items in zip(histories.values(), sharers.values(), strict=True):
            history.ttl = max([item.ttl for item in items])
            history.measured = not by_name or any(item.backend.id in measured for item in items)
        self._guards.configure(by_name, [name for name, item in watched.items() if item.keys])
        standings: dict[Subject, Standing] = {
            name: self._standings[name] if name in same else self._stands(item, histories, now)
            for name, item in watched.items()
        }
        ids = frozenset(pool.id for pool in by_name.values())
        standings.update(self._operators.standings(ids))
        gone = self._watched.keys() - watched.keys()
        self._past.remember(
            [(self._watched[one], self._standings[one], self._operators.of(one)) for one in gone],
            now,
        )
        self._past.remember_pools((pool, self._operators.of(pool)) for pool in self._pools - ids)
        self._pools = ids
        self._watched, self._histories, self._sharers = watched, histories, sharers
        self._standings = standings
        self._doubted &= set(histories)
        self._operators.keep({*watched, *ids, *self._past.names})
        self._announced = {
            name: self._announced.get(name, standing) for name, standing in self._standings.items()
        }
        own = [ProbeKey(check, check.address) for check in canaries if check.address is not None]
        self._canaries.configure(own)
        probed = [key for key in histories if not isinstance(key.check, PushCheck)]
        self._waited = {key for key in probed if histories[key].verdict is None}
        self._round = asyncio.Event()
        if not self._waited:
            self._round.set()
        self._timers.keep({*watched, *histories, *ids})
        self._scheduler.schedule([*probed, *own])
        for key in histories:
            if isinstance(key.check, PushCheck) and key not in self._timers:
                self._expect_heartbeat(key)
        for name in watched.keys() - same:
            self._set_timer(name)
        for pool in ids:
            self._set_pool_timer(pool)
        self._announce(standings)

    def saved(self) -> Saved:
        """What is to survive a restart. May be called in another thread."""
        # a reload replaces these, and changes none
        watched, standings = self._watched, self._standings
        backends = [
            (item, standings[name], self._operators.of(name))
            for name, item in watched.items()
            if name in standings
        ]
        pools = {pool: self._operators.of(pool) for pool in self._pools}
        return save(self._histories, backends, pools, self._clock())

    def restore(self, saved: Saved) -> None:
        """Have what is configured from now on go on where `saved` ends."""
        self._past.restore(saved)
        for name, one in saved.backends.items():
            if one.until is None or one.until > time.time():
                self._operators.set(name, Wish(one.state, one.state_reason, one.until))
        for pool, kept in saved.pools.items():
            wish = Wish(kept.state, kept.reason, kept.until)
            if not wish.over:
                self._operators.set(pool, wish)

    async def first_round(self, grace: float) -> bool:
        """Wait until every probe has had a result, for at most `grace` seconds.

        Returns whether every one has. New backends without one are down until they have it.
        """
        if await happens(self._round, grace):
            return True
        log.warning(
            "%d checks have no result after %gs; their backends count as down until they do",
            len(self._waited),
            grace,
        )
        return False

    def standing(self, subject: Subject) -> Standing:
        """Where a backend or pool stands; one that is not watched is up."""
        return self._standings.get(subject, ALWAYS_UP)

    def standings(self) -> Mapping[Subject, Standing]:
        """Where every backend stands, and every pool: as it changes, until the next `configure`.

        Of pools only the operator's state is in it.
        """
        return self._standings

    def set_state(
        self,
        subject: Subject,
        state: OperatorState,
        reason: str = "",
        until: float | None = None,
    ) -> None:
        """Set what the operator wants of a backend, beside its verdict, or of a pool.

        After `until`, in seconds since 1970, it is `auto` again.

        Raises:
            KeyError: no such backend is watched, or there is no such pool.
        """
        before = self._standings[subject]
        self._operators.set(subject, Wish(state, reason, until))
        if isinstance(subject, PoolId):
            members = [one for one in self._watched if one[:2] == subject]
        else:
            members = [subject]
        if before.withheld and state in {OperatorState.AUTO, OperatorState.UP}:
            for member in members:
                self._watched[member].returned = self._clock()
        if before.state is not state:
            self._teller.state(subject, self._operators.of(subject))
        self._refresh(members)
        if isinstance(subject, PoolId):
            self._standings[subject] = Standing(state=state)
            self._set_pool_timer(subject)
            self._announce([subject])

    def wish(self, subject: Subject) -> Wish:
        """What the operator wants of a backend or pool, why, and until when."""
        return self._operators.of(subject)

    def ttl(self, backend: BackendId) -> float:
        """Seconds that resolvers keep answers with `backend`; 0 for one that is not watched."""
        item = self._watched.get(backend)
        return item.ttl if item else 0.0

    def push_load(self, backend: BackendId, load: float, max_age: float) -> None:
        """Take in a load of `backend` that counts for `max_age` seconds.

        Raises:
            KeyError: no such backend is watched.
        """
        item = self._watched[backend]
        item.pushed = Pushed.after(item.pushed, load, self._clock(), max_age, item.ttl)
        self._refresh([backend])

    def heartbeat(self, backend: BackendId, result: Result) -> None:
        """Take in what `backend` reports of itself.

        Raises:
            KeyError: no such backend is watched.
            ValueError: it has no push check.
        """
        keys = [key for key in self._watched[backend].keys if isinstance(key.check, PushCheck)]
        if not keys:
            raise ValueError(f"{backend} has no check of type push")
        for key in keys:
            self._expect_heartbeat(key)
            self._on_result(key, result)

    @property
    def isolated(self) -> bool:
        """Whether all canaries fail, so that verdicts stay as they are."""
        return self._canaries.isolated

    def frozen(self) -> Mapping[PoolKey, frozenset[BackendId]]:
        """The pools that are frozen, with the backends that are held up."""
        return self._guards.all_frozen()

    def thaw(self, zone: str, pool: str) -> frozenset[BackendId]:
        """Let the backends that a frozen pool holds up go down; returns them.

        Raises:
            KeyError: the pool has no `max_down`.
        """
        held = self._guards.thaw((zone, pool))
        if held:
            self._teller.thawed((zone, pool), held)
        self._refresh(held)
        return held

    def transitions(self, backend: BackendId) -> Sequence[Transition]:
        """The last changes of the verdict of `backend`, oldest first.

        Raises:
            KeyError: no such backend is watched.
        """
        return tuple(self._watched[backend].transitions)

    def now(self) -> float:
        """The time by the clock that the histories' times are told by."""
        return self._clock()

    @property
    def lateness(self) -> Histogram:
        """How late probes began."""
        return self._scheduler.lateness

    def results(self) -> Mapping[str, int]:
        """How many results there were, by outcome, since the monitor was made."""
        return dict(self._results)

    def last(self, backend: BackendId) -> Mapping[str, Result | None]:
        """The last result of each of a backend's probes, by what is probed.

        Raises:
            KeyError: no such backend is watched.
        """
        return {str(key): self._histories[key].last for key in self._watched[backend].keys}

    def histories(self, backend: BackendId) -> Mapping[ProbeKey, History]:
        """What is known of each of a backend's probes.

        Raises:
            KeyError: no such backend is watched.
        """
        return {key: self._histories[key] for key in self._watched[backend].keys}

    async def close(self) -> None:
        """End all probes; the standings stay."""
        self._timers.keep(())
        await self._canaries.close()
        await self._scheduler.close()

    def _watch_all(
        self, backends: Iterable[Backend], pools: Mapping[PoolKey, Pool]
    ) -> tuple[dict[BackendId, Watched], set[BackendId]]:
        """`backends` under watch, and those of them of which nothing has changed."""
        watched: dict[BackendId, Watched] = {}
        same: set[BackendId] = set()
        for backend in backends:
            name = backend.id
            pool = pools.get(name[:2])
            item = self._same(backend, pool)
            if item is None:
                item = self._watch(backend, pool)
            else:
                same.add(name)
            watched[name] = item
        return watched, same

    def _sharing(
        self, watched: Mapping[BackendId, Watched], ttls: Mapping[BackendId, float]
    ) -> tuple[dict[ProbeKey, History], dict[ProbeKey, list[Watched]]]:
        """What is known of the probes of `watched`, and who shares each."""
        now = self._clock()
        histories: dict[ProbeKey, History] = {}
        sharers: dict[ProbeKey, list[Watched]] = {}
        for name, item in watched.items():
            item.ttl = ttls.get(name, 0.0)
            for key in item.keys:
                if key in histories:
                    sharers[key].append(item)
                else:
                    histories[key] = self._histories.get(key) or self._past.history(key, now)
                    sharers[key] = [item]
        return histories, sharers

    def _same(self, backend: Backend, pool: Pool | None) -> Watched | None:
        """`backend` as it is watched already, when nothing of it has changed and all is known."""
        item = self._watched.get(backend.id)
        slow_start = pool.slow_start if pool else 0.0
        if item is None or item.slow_start != slow_start or self._standings[backend.id].held:
            return None
        if item.backend is not backend and item.backend != backend:
            return None
        for key in item.keys:
            if self._histories[key].state.up is None:
                return None
        item.backend = backend  # equal, but of the configuration that stays
        return item

    def _watch(self, backend: Backend, pool: Pool | None) -> Watched:
        """`backend` under watch, going on from what is known of it."""
        slow_start = pool.slow_start if pool else 0.0
        if old := self._watched.get(backend.id):
            item = Watched(backend, Before(old.backend, self._standings[backend.id]), slow_start)
            item.keep(old)
        else:
            item = self._past.watched(backend, slow_start, self._clock())
        return item

    def _stands(self, item: Watched, histories: Mapping[ProbeKey, History], now: float) -> Standing:
        """Where a backend stands when it is configured: its verdict keeps its age."""
        name = item.backend.id
        wanted = self._operators.of(name).state
        before = self._standings.get(name) or self._past.standing(name)
        if before is None:
            return item.standing(histories, wanted, now)
        if before.held and name not in self._watched:
            self._guards.hold(name)  # as before the restart
        doubted = not self._doubted.isdisjoint(item.keys)  # no canary has passed yet
        if self.isolated or doubted or self._guards.holds(name):
            return replace(before, state=wanted)
        judged = item.standing(histories, wanted, now)
        return judged if judged is ALWAYS_UP else replace(judged, since=before.since)

    def _on_result(self, key: ProbeKey, result: Result) -> None:
        self._results[result.outcome.value] += 1
        self._took(key, result)
        if self._canaries and key in self._canaries:
            self._canaries.add(key, result)
        history = self._histories.get(key)
        if history is None:
            return
        self._teller.result(key, history, result)
        verdict = history.verdict
        if self.isolated:
            history.see(result, self._clock())
        else:
            history.add(result, self._clock())
            turned = history.verdict is False and verdict is not False
            cause = _Cause(key, first=verdict is None) if turned else None
            if cause and verdict and self._canaries:
                self._doubted.add(key)
                self._canaries.confirm(lambda: self._on_confirmed(cause))
            if history.has_news():
                self._refresh([item.backend.id for item in self._sharers[key]], cause)
        if self._waited:
            self._waited.discard(key)
        if not self._waited:
            self._round.set()

    def _took(self, key: ProbeKey, result: Result) -> None:
        if not isinstance(key.check, PushCheck):
            name = _kind(type(key.check))
            if name not in self.durations:
                self.durations[name] = Histogram()
            self.durations[name].add(result.milliseconds / 1000)

    def _on_confirmed(self, cause: _Cause) -> None:
        """Let what turned down count, now that the canaries were probed."""
        if cause.key in self._doubted and not self.isolated:
            self._doubted.discard(cause.key)
            self._refresh([item.backend.id for item in self._sharers[cause.key]], cause)

    def _on_isolation(self, isolated: bool) -> None:  # noqa: FBT001 - a callback has one argument
        self._teller.isolated(isolated=isolated)
        if isolated:
            # what led here speaks against this server rather than against the backends
            for key, history in self._histories.items():
                history.forgive(up=key in self._doubted or history.verdict is True)
            self._doubted.clear()
        else:
            self._refresh(self._watched)

    def _on_timer(self, name: BackendId) -> None:
        if self._operators.of(name).over:
            self.set_state(name, OperatorState.AUTO, "its time is over")
        else:
            self._refresh([name])

    def _set_pool_timer(self, pool: PoolId) -> None:
        """Have the state of `pool` end when its time is over."""
        until = self._operators.of(pool).until
        if until is None:
            self._timers.drop(pool)
            return

        def act() -> None:
            if self._operators.of(pool).over:
                self.set_state(pool, OperatorState.AUTO, "its time is over")
            else:
                self._set_pool_timer(pool)  # clocks differ a little

        self._timers.set(pool, self._clock() + until - time.time(), act)

    def _expect_heartbeat(self, key: ProbeKey) -> None:
        check = key.check
        if isinstance(check, PushCheck):
            self._timers.set(
                key, self._clock() + check.deadline, lambda: self._on_silence(key, check.deadline)
            )

    def _on_silence(self, key: ProbeKey, deadline: float) -> None:
        self._expect_heartbeat(key)
        self._on_result(key, Result(Outcome.SILENT, f"no heartbeat within {deadline:g}s"))

    def _refresh(self, names: Iterable[BackendId], cause: _Cause | None = None) -> None:
        """Judge backends anew; `cause` is the probe whose verdict has just turned down."""
        names = list(names)
        for name in names:
            before = self._standings[name]
            wanted = self._operators.of(name).state
            if self.isolated:
                self._standings[name] = replace(before, state=wanted)
            else:
                self._standings[name] = self._judge(self._watched[name], before, wanted, cause)
            self._set_timer(name)
        self._announce(names)

    def _judge(
        self, item: Watched, before: Standing, wanted: OperatorState, cause: _Cause | None
    ) -> Standing:
        """Where a backend stands now, where it stood `before`."""
        now = self._clock()
        judged = item.standing(self._histories, wanted, now)
        fell, won = judged.down - before.down, before.down - judged.down
        if fell and not self._doubted.isdisjoint(item.keys):
            # not before a canary has passed
            return replace(before, state=wanted)
        if self._is_held(item, before, judged):
            return replace(before, state=wanted, held=True, reason=judged.reason)
        if won and item.was_down:
            item.returned = now
            judged = item.standing(self._histories, wanted, now)
        if cause and judged.down:
            history = self._histories[cause.key]
            lost = item.only_failed_by(cause.key, self._histories)
            self._teller.down(item, lost, cause.key, history, first=cause.first)
        if won:
            self._teller.up(item, won, first=not item.was_down)
        if fell or (won and item.was_down) or (cause and cause.first and judged.down):
            self._teller.verdict(item.backend.id, judged)
        news = fell or won or (cause and cause.first)
        return replace(judged, since=item.note(judged, self._histories) if news else before.since)

    def _is_held(self, item: Watched, before: Standing, judged: Standing) -> bool:
        """Whether the guard of its pool holds up what has fallen."""
        name = item.backend.id
        if not judged.down:
            frozen = self._guards.frozen(name)
            self._guards.rise(name)
            if frozen and not self._guards.frozen(name):
                self._teller.thawed(name[:2])
        elif judged.down - before.down:
            frozen = self._guards.frozen(name)
            if not self._guards.fall(name, self._clock()):
                if not before.held:
                    limit = self._guards.limit(name)
                    self._teller.frozen(name, limit, judged.reason, first=not frozen)
                return True
        return False

    def _set_timer(self, name: BackendId) -> None:
        """Have `name` looked at again when time alone changes something."""
        due = self._watched[name].due(self._histories, self._clock())
        until = self._operators.of(name).until
        if until is not None:
            due = min(due, self._clock() + until - time.time())
        if due < inf:
            self._timers.set(name, due, lambda: self._on_timer(name))
        else:
            self._timers.drop(name)

    def _announce(self, subjects: Iterable[Subject]) -> None:
        changed = frozenset(
            subject
            for subject in subjects
            if matters(self._announced[subject], self._standings[subject])
        )
        for subject in changed:
            self._announced[subject] = self._standings[subject]
        if changed:
            self._on_change(changed)


class _Cause(NamedTuple):
    """The probe whose verdict has turned down."""

    key: ProbeKey
    first: bool  # whether by its first result


@lru_cache(maxsize=128)
def _kind(check: type[Check]) -> str:
    """The word for a type of check in metrics."""
    return check.__name__.removesuffix("Check").lower()


def _measured(pools: Iterable[Pool]) -> set[BackendId]:
    """The backends whose load or latency a plan looks at."""
    return {
        backend.id
        for pool in pools
        if pool.strategy.measured or pool.spill is not None
        for backend in pool.backends()
    }
