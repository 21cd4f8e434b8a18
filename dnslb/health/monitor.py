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
from math import inf
from types import MappingProxyType
from typing import TYPE_CHECKING, Final

from dnslb.config.model import PoolId
from dnslb.events import Events
from dnslb.health.canary import Canaries
from dnslb.health.checks.base import Outcome, Result
from dnslb.health.checks.push import PushCheck
from dnslb.health.counts import Counts
from dnslb.health.guard import Guards, PoolKey
from dnslb.health.judge import Cause, Judge
from dnslb.health.operators import Operators, Wish
from dnslb.health.probe import probe_once
from dnslb.health.recall import Past, save
from dnslb.health.roster import Roster
from dnslb.health.scheduler import ProbeKey
from dnslb.health.standing import ALWAYS_UP, OperatorState, Standing, matters
from dnslb.health.telling import Teller
from dnslb.health.timers import Timers
from dnslb.health.watched import Pushed, Transition, Watched
from dnslb.health.workers import scheduler
from dnslb.waiting import happens

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterable, Iterator, Mapping, Sequence

    from dnslb.config.model import Backend, BackendId, Pool, Subject
    from dnslb.health.checks.base import Check
    from dnslb.health.history import History
    from dnslb.health.store import Saved
    from dnslb.histogram import Histogram

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
        self._judge = Judge(self._canaries, self._guards, self._operators, self._teller, clock)
        self._standings: dict[Subject, Standing] = {}
        self._announced: dict[Subject, Standing] = {}
        self._pools: frozenset[PoolId] = frozenset()
        self._past = Past()
        self._roster = Roster(self._past)
        self._counts = Counts()
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
        for _ in self._configured(backends, pools, ttls, canaries):
            pass

    async def reconfigure(
        self,
        backends: Iterable[Backend],
        pools: Iterable[Pool] = (),
        ttls: Mapping[BackendId, float] = NO_TTLS,
        canaries: Sequence[Check] = (),
    ) -> None:
        """As `configure`, in slices between which the loop goes on; not twice at a time."""
        for _ in self._configured(backends, pools, ttls, canaries):
            await asyncio.sleep(0)

    def recognise(self, backends: Iterable[Backend]) -> None:
        """Find those of `backends` that are watched as they are, which spares `configure` the time.

        May be called in another thread, as long as nobody calls `configure` meanwhile.
        """
        for backend in backends:
            item = self._roster.watched.get(backend.id)
            if item is not None and item.backend == backend:
                item.backend = backend

    def saved(self) -> Saved:
        """What is to survive a restart. May be called in another thread."""
        # a reload replaces these, and changes none
        watched, standings = self._roster.watched, self._standings
        backends = [
            (item, standings[name], self._operators.of(name))
            for name, item in watched.items()
            if name in standings
        ]
        pools = {pool: self._operators.of(pool) for pool in self._pools}
        return save(self._roster.histories, backends, pools, self._clock())

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
            members = [one for one in self._roster.watched if one[:2] == subject]
        else:
            members = [subject]
        if before.withheld and state in {OperatorState.AUTO, OperatorState.UP}:
            for member in members:
                self._roster.watched[member].returned = self._clock()
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
        item = self._roster.watched.get(backend)
        return item.ttl if item else 0.0

    def push_load(self, backend: BackendId, load: float, max_age: float) -> None:
        """Take in a load of `backend` that counts for `max_age` seconds.

        Raises:
            KeyError: no such backend is watched.
        """
        item = self._roster.watched[backend]
        item.pushed = Pushed.after(item.pushed, load, self._clock(), max_age, item.ttl)
        self._refresh([backend])

    def heartbeat(self, backend: BackendId, result: Result) -> None:
        """Take in what `backend` reports of itself.

        Raises:
            KeyError: no such backend is watched.
            ValueError: it has no push check.
        """
        keys = [
            key for key in self._roster.watched[backend].keys if isinstance(key.check, PushCheck)
        ]
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
        return tuple(self._roster.watched[backend].transitions)

    def now(self) -> float:
        """The time by the clock that the histories' times are told by."""
        return self._clock()

    @property
    def lateness(self) -> Histogram:
        """How late probes began."""
        return self._scheduler.lateness

    def results(self) -> Mapping[str, int]:
        """How many results there were, by outcome, since the monitor was made."""
        return self._counts.results()

    @property
    def durations(self) -> Mapping[str, Histogram]:
        """How long probes took, by the type of their check."""
        return self._counts.durations

    def last(self, backend: BackendId) -> Mapping[str, Result | None]:
        """The last result of each of a backend's probes, by what is probed.

        Raises:
            KeyError: no such backend is watched.
        """
        return {
            str(key): self._roster.histories[key].last for key in self._roster.watched[backend].keys
        }

    def histories(self, backend: BackendId) -> Mapping[ProbeKey, History]:
        """What is known of each of a backend's probes.

        Raises:
            KeyError: no such backend is watched.
        """
        return {key: self._roster.histories[key] for key in self._roster.watched[backend].keys}

    async def close(self) -> None:
        """End all probes; the standings stay."""
        self._timers.keep(())
        await self._canaries.close()
        await self._scheduler.close()

    def _configured(
        self,
        backends: Iterable[Backend],
        pools: Iterable[Pool],
        ttls: Mapping[BackendId, float],
        canaries: Sequence[Check],
    ) -> Iterator[None]:
        by_name = {(pool.zone, pool.name): pool for pool in pools}
        now = self._clock()
        roster = Roster(self._past, self._roster, now)
        yield from roster.fill(backends, by_name, ttls, self._standings)
        roster.catch_up(self._standings)
        watched, histories, same = roster.watched, roster.histories, roster.same
        self._guards.configure(by_name, [name for name, item in watched.items() if item.keys])
        standings: dict[Subject, Standing] = {
            name: self._standings[name] if name in same else self._stands(item, histories)
            for name, item in watched.items()
        }
        ids = frozenset(pool.id for pool in by_name.values())
        standings.update(self._operators.standings(ids))
        gone = self._roster.watched.keys() - watched.keys()
        self._past.remember(
            [
                (self._roster.watched[one], self._standings[one], self._operators.of(one))
                for one in gone
            ],
            now,
        )
        self._past.remember_pools((pool, self._operators.of(pool)) for pool in self._pools - ids)
        self._pools = ids
        self._roster, self._standings = roster, standings
        self._judge.doubted &= set(histories)
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
        yield  # all that is watched is known: what is left is when it is looked at
        self._scheduler.schedule([*probed, *own])
        yield
        for key in histories:
            if isinstance(key.check, PushCheck) and key not in self._timers:
                self._expect_heartbeat(key)
        for name in watched.keys() - same:
            self._set_timer(name)
        for pool in ids:
            self._set_pool_timer(pool)
        yield
        self._announce(standings)

    def _stands(self, item: Watched, histories: Mapping[ProbeKey, History]) -> Standing:
        """Where a backend stands when it is configured."""
        name = item.backend.id
        before = self._standings.get(name)
        if before is not None:
            return self._judge.at_first(item, before, histories)
        return self._judge.at_first(item, self._past.standing(name), histories, new=True)

    def _on_result(self, key: ProbeKey, result: Result) -> None:
        self._counts.add(key.check, result)
        if self._canaries and key in self._canaries:
            self._canaries.add(key, result)
        history = self._roster.histories.get(key)
        if history is None:
            return
        self._teller.result(key, history, result)
        verdict = history.verdict
        if self.isolated:
            history.see(result, self._clock())
        else:
            history.add(result, self._clock())
            turned = history.verdict is False and verdict is not False
            cause = Cause(key, first=verdict is None) if turned else None
            if cause and verdict and self._canaries:
                self._judge.doubted.add(key)
                self._canaries.confirm(lambda: self._on_confirmed(cause))
            if history.has_news():
                self._refresh([item.backend.id for item in self._roster.sharers[key]], cause)
        if self._waited:
            self._waited.discard(key)
        if not self._waited:
            self._round.set()

    def _on_confirmed(self, cause: Cause) -> None:
        """Let what turned down count, now that the canaries were probed."""
        if cause.key in self._judge.doubted and not self.isolated:
            self._judge.doubted.discard(cause.key)
            self._refresh([item.backend.id for item in self._roster.sharers[cause.key]], cause)

    def _on_isolation(self, isolated: bool) -> None:  # noqa: FBT001 - a callback has one argument
        self._teller.isolated(isolated=isolated)
        if isolated:
            # what led here speaks against this server rather than against the backends
            for key, history in self._roster.histories.items():
                history.forgive(up=key in self._judge.doubted or history.verdict is True)
            self._judge.doubted.clear()
        else:
            self._refresh(self._roster.watched)

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

    def _refresh(self, names: Iterable[BackendId], cause: Cause | None = None) -> None:
        """Judge backends anew; `cause` is the probe whose verdict has just turned down."""
        names = list(names)
        for name in names:
            self._standings[name] = self._judge.again(
                self._roster.watched[name], self._standings[name], self._roster.histories, cause
            )
            self._set_timer(name)
        self._announce(names)

    def _set_timer(self, name: BackendId) -> None:
        """Have `name` looked at again when time alone changes something."""
        due = self._roster.watched[name].due(self._roster.histories, self._clock())
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
