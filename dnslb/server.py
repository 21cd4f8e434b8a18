"""The server: wiring and life cycle.

    bind ─▶ "not ready" ─▶ first round of checks ─▶ publish ─▶ answer ─▶ … reload … ─▶ stop

Sockets come first, so that a port in use is told at once. Until the first round of checks has
ended every query gets SERVFAIL, so that resolvers ask another server at once and no client meets a
backend that was never checked.
"""

from __future__ import annotations

import asyncio
import logging
from contextlib import nullcontext, suppress
from dataclasses import replace
from typing import TYPE_CHECKING, Final

from dnslb.config.describe import counted, describe
from dnslb.config.load import load
from dnslb.engine import new_engine
from dnslb.errors import ConfigError, ListenError, PlanError
from dnslb.events import Events
from dnslb.fastpath import attach, prepare
from dnslb.garbage import settle
from dnslb.geo.watch import Watcher
from dnslb.health.checks.group import leaves
from dnslb.health.monitor import Monitor
from dnslb.health.store import Keeper, SavedBackend, SavedPool
from dnslb.hooks.deliver import Hooks
from dnslb.listening import Given, bind, bind_api
from dnslb.priority import answering
from dnslb.publisher import Publisher
from dnslb.querylog import QueryLog
from dnslb.ratelimit import LimitLog
from dnslb.reload import Reloaded, changes
from dnslb.top import Top
from dnslb.traffic import Traffic

if TYPE_CHECKING:
    import socket
    from collections.abc import Callable, Iterable, Mapping

    from dnslb._engine import Stats
    from dnslb.config.model import Backend, BackendId, Config, Listen, Subject
    from dnslb.geo.atlas import Atlas
    from dnslb.handover import Predecessor, Successor
    from dnslb.health.store import Saved
    from dnslb.reload import Change
    from dnslb.web.site import Site

__all__ = ["Server"]

MAX_GRACE: Final = 30.0
"""Seconds that the first round of checks may hold back the first answer, however long its checks
may take."""

PROCESS_START: Final = 5.0
"""Seconds that processes which probe may take to start, on a machine that is busy."""

FIRST_RATE: Final = 1_000
"""Probes a second that the first round makes at least, on a machine that is busy."""

LINGER: Final = 30.0
"""Seconds that TCP clients are served after another process has taken over; one that has nothing to
ask has gone by then, unless `tcp.idle_timeout` is longer."""

LOOK: Final = 0.1
"""Seconds between two looks at whether the last of them has gone."""

THOROUGH: Final = 16
"""Of so many reloads one has everything looked through for garbage, during which checks wait; the
others leave behind what happens to be under way, a few kilobytes that this frees."""

TOLD: Final = 20
"""Problems and changes of a reload that are told to those who listen; the log has all."""

log = logging.getLogger("dnslb.server")


class Server:
    """One running configuration: sockets, checks, published plans.

    Make it, `bind` it, `start` it and `stop` it, all in one event loop. One that `owns_process`
    also sets what there is once in a process: who runs first, and when garbage is looked for.
    """

    def __init__(self, config: Config, *, owns_process: bool = False) -> None:
        self.config = config
        self._owns_process = owns_process
        self.listening: tuple[Listen, ...] = ()
        self._engine = new_engine()
        self.events = Events()
        self.monitor = Monitor(
            self._on_change, events=self.events, processes=config.health.processes
        )
        self.publisher = Publisher(self._engine, self.monitor.standings, self.events)
        self.api: Listen | None = None  # where HTTP is served
        self._site: Site | None = None
        self._api_socket: socket.socket | None = None
        self._tasks: list[asyncio.Task[None]] = []
        self._reloading = asyncio.Lock()
        self._reloads = 0
        self._keeper = Keeper(config.state, self.monitor.saved)
        self.traffic = Traffic(self.stats, self._engine.asked)
        self.hooks = Hooks(self.events)
        self.query_log = QueryLog(self._engine)
        self.top = Top(self._engine, lambda: self.config.atlas)
        self.databases = Watcher(lambda: self.config, self._relocate, self._reloading)

    def bind(self, given: Given | None = None) -> None:
        """Take the sockets; of those that are `given`, what is not used is closed.

        Raises:
            ListenError: an address cannot be had; no socket is kept.
        """
        given = given or Given()
        try:
            if self.config.api is not None:
                self._api_socket = bind_api(self.config.api, given)
            self.listening = bind(self._engine, self.config, given)
            prepare(self._engine, self.config.xdp)
        finally:
            given.close()

    async def start(self, after: Predecessor | None = None) -> None:
        """Check every backend once, publish, and answer.

        Where there is a server that this one comes `after`, it answers until all that is done, and
        then leaves.

        Raises:
            PlanError: a strategy failed, or a plan is beyond the engine's bounds.
            ListenError: the API cannot be served, or an interface cannot be had.
        """
        self.hooks.configure(self.config.hooks)
        if after is None:
            self._answer()
            await asyncio.to_thread(attach, self._engine)
        saved = after.saved if after else await asyncio.to_thread(self._keeper.load)
        if saved:
            self.monitor.restore(saved)
        # before there are probes, whose limits do not wait while modules are imported
        await self._prepare_api()
        backends = list(self.config.backends())
        await self._watch(self.config, backends, _ttls(self.config))
        if after is None:
            # not before: whoever asks it, asks about backends that are watched
            await self._open_api()
        await self._first_round(backends)
        await self.publisher.replace(self.config)
        if after is not None:
            self._answer()
            await self._succeed(after, saved)
            try:
                await asyncio.to_thread(attach, self._engine)
            except ListenError as error:
                log.warning("%s; until the next start, sockets have its queries", error)
            await self._open_api()
        await self._set_samples()
        limits = LimitLog(self._engine.limited)
        self._tasks = [
            asyncio.create_task(self.publisher.run(), name="publish"),
            asyncio.create_task(limits.run(), name="limits"),
            asyncio.create_task(self.traffic.run(), name="traffic"),
            asyncio.create_task(self.query_log.run(), name="query log"),
            asyncio.create_task(self.top.run(), name="top"),
            asyncio.create_task(self._keeper.run(), name="state"),
            asyncio.create_task(self.databases.run(), name="databases"),
        ]
        self._settle()

    async def reload(self) -> Reloaded:
        """Read the configuration anew and put it in force, all of it or nothing.

        What came of it is logged, and returned. Backends whose check did not change keep their
        verdict, and new ones are checked once before the new plans are published.
        """
        async with self._reloading:
            try:
                config, warnings = await asyncio.to_thread(load, self.config.path)
            except ConfigError as error:
                for problem in error.problems:
                    log.error("%s", problem)
                count = counted(len(error.problems), "problem")
                log.error("reload: %s, so nothing changes", count)
                return self._reloaded(Reloaded(ok=False, problems=tuple(map(str, error.problems))))
            for warning in warnings:
                log.warning("%s", warning)
            if _at_start(config) != _at_start(self.config):
                log.warning(
                    "listen, workers, xdp, api, state, user, group, health.processes and tcp, "
                    "except idle_timeout, take effect at the next start, or with `serve --replace`"
                )
            # the old configuration is in force until the new one is published, so both are watched
            backends, both, ttls = await asyncio.to_thread(_to_watch, config, self.config)
            await asyncio.to_thread(self.monitor.recognise, backends)
            await self._watch(config, both, ttls)
            await self._first_round(both)
            try:
                await self.publisher.replace(config)
            except Exception as error:
                await self._watch(self.config, self.config.backends(), _ttls(self.config))
                if not isinstance(error, PlanError):
                    log.exception("reload: a fault, so nothing changes")
                else:
                    log.error("reload: %s, so nothing changes", error)
                fault = str(error) or type(error).__name__
                return self._reloaded(Reloaded(ok=False, problems=(fault,)))
            replaced, self.config = [self.config], config
            if len(both) > len(backends):
                await self._watch(config, backends, ttls)
            del both
            self.hooks.configure(config.hooks)
            if self._site is not None:
                self._site.renew(config.api)
            await self._set_samples()
            self._reloads += 1
            self._settle(thoroughly=self._reloads % THOROUGH == 0)
            different = await asyncio.to_thread(_compared, replaced, config)
            return self._reloaded(Reloaded(ok=True, changes=different))

    def _reloaded(self, reloaded: Reloaded) -> Reloaded:
        """Tell those who listen, and the log, what came of a reload."""
        for line in reloaded.lines():
            log.info("reload: %s", line)
        if reloaded:
            log.info("reloaded: %s", describe(self.config))
        changed = [str(change) for change in reloaded.changes[:TOLD]]
        problems = list(reloaded.problems[:TOLD])
        self.events.tell("reload", ok=reloaded.ok, problems=problems, changes=changed)
        return reloaded

    async def hand_over(self, successor: Successor, leaving: Callable[[], None]) -> None:
        """Have another process answer on the sockets, and take nothing new from then on.

        `leaving` is called once that is certain. TCP clients are served for a while; see `linger`.

        Raises:
            OSError: it does not come to that, and this server goes on.
        """
        async with self._reloading:
            files = self._engine.sockets()
            if self._api_socket is not None:
                files.append(self._api_socket.fileno())
            saved = await asyncio.to_thread(self.monitor.saved)
            await successor.offer(files, saved)
            leaving()
            # queries first: each that is received from now on is the other's
            await asyncio.to_thread(self._engine.retire, LINGER)
            await self._end()
            await successor.part(await asyncio.to_thread(self.monitor.saved), self.stats())

    async def linger(self) -> None:
        """Wait, after another has taken over, until the last TCP client has gone or has to."""
        clock = asyncio.get_running_loop().time
        end = clock() + LINGER
        while self.stats()["tcp"]["open"] and clock() < end:  # noqa: ASYNC110 - threads tell no event
            await asyncio.sleep(LOOK)

    async def stop(self) -> None:
        """Answer what has been received, and end everything. Does nothing twice."""
        await self._end()
        await asyncio.to_thread(self._engine.stop)

    async def _end(self) -> None:
        """End everything but the engine."""
        started, self._tasks = self._tasks, []
        for task in started:
            task.cancel()
        await asyncio.gather(*started, return_exceptions=True)
        if self._site is not None:
            await self._site.stop()
        if self._api_socket is not None:
            self._api_socket.close()
        await self.monitor.close()
        await self.hooks.close()
        # before the first round has ended there is nothing that would be worth keeping
        await asyncio.to_thread(self._keeper.close, write=bool(started))

    @property
    def started(self) -> bool:
        """Whether the first round of checks has ended, and answers are given."""
        return bool(self._tasks)

    @property
    def keeps(self) -> bool:
        """Whether what survives a restart is kept, which only one server does in one folder."""
        return self._keeper.holds

    def keep(self) -> None:
        """Have what survives a restart written soon."""
        self._keeper.changed()

    async def _set_samples(self) -> None:
        """Have queries logged, and the busiest watched, as configured."""
        await asyncio.to_thread(self.query_log.set, self.config.dnstap)
        self.top.set(on=self.config.top)

    def _settle(self, *, thoroughly: bool = True) -> None:
        """Look for garbage once, now that a configuration is in force, and not in it again."""
        if self._owns_process:
            settle(thoroughly=thoroughly)

    def attached(self) -> dict[str, int]:
        """Answers made past the kernel's sockets, by interface."""
        return self._engine.attached()

    def stats(self) -> Stats:
        """The engine's counters."""
        return self._engine.stats()

    def _answer(self) -> None:
        with answering() if self._owns_process else nullcontext():
            self._engine.start()

    async def _prepare_api(self) -> None:
        """Find what is wrong with the API before anybody depends on it."""
        if self.config.api is not None:
            from dnslb.web.site import Site  # noqa: PLC0415 - without an API nobody waits for it

            self._site = Site(self.config.api, self)
            await self._site.prepare()

    async def _open_api(self) -> None:
        if self._site is not None and self._api_socket is not None:
            self.api = await self._site.start(self._api_socket)
            tls = self.config.api is not None and self.config.api.tls is not None
            log.info("api: %s://%s", "https" if tls else "http", self.api)

    async def _succeed(self, predecessor: Predecessor, known: Saved | None) -> None:
        """Have `predecessor` leave, and take in what has happened there since `known`."""
        parting = await predecessor.leave()
        if parting.stats is not None:
            self._engine.restore(parting.stats)
        before = known.backends if known else {}
        for name, one in parting.saved.backends.items() if parting.saved else ():
            wish = one.state, one.state_reason, one.until
            old = before.get(name, SavedBackend())
            if wish != (old.state, old.state_reason, old.until):
                with suppress(KeyError):  # it is in the old configuration only
                    self.monitor.set_state(name, *wish)
        pools = known.pools if known else {}
        for pool, kept in parting.saved.pools.items() if parting.saved else ():
            if kept != pools.get(pool, SavedPool()):
                with suppress(KeyError):
                    self.monitor.set_state(pool, kept.state, kept.reason, kept.until)
        await asyncio.to_thread(self._keeper.load)  # the folder is this server's from now on

    async def _watch(
        self, config: Config, backends: Iterable[Backend], ttls: Mapping[BackendId, float]
    ) -> None:
        """Watch `backends`, judged as `config` says."""
        await self.monitor.reconfigure(backends, config.pools(), ttls, config.health.canary)

    async def _first_round(self, backends: Iterable[Backend]) -> None:
        """Wait until each of `backends` has had a result, within reason."""
        timeouts = [check.timeout for backend in backends for check in leaves(backend.check)]
        start = PROCESS_START if self.config.health.processes > 1 and not self._tasks else 0.0
        grace = max(timeouts, default=0.0) + 0.5 + start + len(timeouts) / FIRST_RATE
        await self.monitor.first_round(min(grace, MAX_GRACE))

    async def _relocate(self, atlas: Atlas) -> None:
        await self.publisher.relocate(atlas)
        self.config = replace(self.config, atlas=atlas)

    def _on_change(self, subjects: frozenset[Subject]) -> None:
        self.publisher.changed(subjects)
        self._keeper.see((name, self.monitor.standing(name)) for name in subjects)


def _compared(replaced: list[Config], new: Config) -> tuple[Change, ...]:
    """What is different in `new` from the one that is `replaced`, which is taken and freed.

    It is freed bit by bit: in one piece it would hold up the event loop.
    """
    old = replaced.pop()
    found = changes(old, new)
    parts: list[object] = [
        part
        for zone in old.zones.values()
        for part in (*zone.services.values(), *zone.pools.values())
    ]
    del old
    while parts:
        parts.pop()
    return found


def _to_watch(
    config: Config, old: Config
) -> tuple[list[Backend], list[Backend], dict[BackendId, float]]:
    """The backends of `config`, these and those of `old` alone, and the ttls of `config`."""
    backends = list(config.backends())
    known = {backend.id for backend in backends}
    gone = [backend for backend in old.backends() if backend.id not in known]
    return backends, [*backends, *gone], _ttls(config)


def _ttls(config: Config) -> dict[BackendId, float]:
    """Seconds that resolvers keep answers with each backend: the longest of its services."""
    ttls: dict[BackendId, float] = {}
    for service in config.services():
        for backend in service.backends():
            ttls[backend.id] = max(ttls.get(backend.id, 0.0), service.ttl)
    return ttls


def _at_start(config: Config) -> tuple[object, ...]:
    """What is read when the server starts, and only then."""
    return (
        config.listen,
        config.workers,
        config.xdp,
        config.api and (config.api.listen, config.api.tls is None),
        config.state,
        config.user,
        config.group,
        config.health.processes,
        replace(config.tcp, idle_timeout=0.0),
    )
