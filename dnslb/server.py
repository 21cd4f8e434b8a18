"""The server: wiring and life cycle.

    bind ─▶ "not ready" ─▶ first round of checks ─▶ publish ─▶ answer ─▶ … reload … ─▶ stop

Sockets come first, so that a port in use is told at once. Until the first round of checks has
ended every query gets SERVFAIL, so that resolvers ask another server at once and no client meets a
backend that was never checked.
"""

from __future__ import annotations

import asyncio
import errno
import logging
import os
import resource
import signal
from contextlib import nullcontext
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final

from dnslb import log as logs
from dnslb.config.describe import counted, describe
from dnslb.config.load import load
from dnslb.config.model import DEFAULT_LISTEN, Listen
from dnslb.descriptors import raise_file_limit
from dnslb.engine import new_engine
from dnslb.errors import ConfigError, ListenError, PlanError
from dnslb.events import Events
from dnslb.garbage import settle
from dnslb.geo.watch import Watcher
from dnslb.health.checks.group import leaves
from dnslb.health.monitor import Monitor
from dnslb.health.store import Keeper
from dnslb.hooks.deliver import Hooks
from dnslb.priority import answering
from dnslb.publisher import Publisher
from dnslb.ratelimit import LimitLog
from dnslb.traffic import Traffic
from dnslb.web.site import Site

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence
    from pathlib import Path

    from dnslb._engine import Stats
    from dnslb.config.model import Backend, BackendId, Config, Tcp
    from dnslb.geo.atlas import Atlas

__all__ = ["Server", "serve"]

MAX_GRACE: Final = 30.0
"""Seconds that the first round of checks may hold back the first answer, however long its checks
may take."""

PROCESS_START: Final = 5.0
"""Seconds that processes which probe may take to start, on a machine that is busy."""

FIRST_RATE: Final = 1_000
"""Probes a second that the first round makes at least, on a machine that is busy."""

RESERVED_FILES: Final = 600
"""Files that TCP clients leave alone: the probes in flight (400), sockets, zones, logs."""

TOLD: Final = 20
"""Problems of a reload that are told to those who listen; the log has all."""

MAX_CONNECTIONS: Final = 16_384
"""TCP clients at a time unless the operator says otherwise."""

MIN_CONNECTIONS: Final = 16
"""TCP clients that are served however few files there are."""

PER_CLIENT: Final = 256
"""TCP connections of one client: what a busy resolver opens, and then some. It never has more than
a quarter of all."""

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
        self._tasks: list[asyncio.Task[None]] = []
        self._reloading = asyncio.Lock()
        self._keeper = Keeper(config.state, self.monitor.saved)
        self.traffic = Traffic(self.stats)
        self.hooks = Hooks(self.events)
        self.databases = Watcher(lambda: self.config, self._relocate, self._reloading)

    def bind(self) -> None:
        """Take the sockets.

        Raises:
            ListenError: an address cannot be had; no socket is kept.
        """
        workers = self.config.workers or _cpus()
        raise_file_limit()
        wanted = self.config.listen
        try:
            bound = self._bind(wanted, workers)
        except OSError as error:
            # a host without IPv6 need not say so to use the default
            if wanted != DEFAULT_LISTEN or error.errno not in _NO_IPV6:
                raise ListenError(_listen_problem(error)) from error
            log.warning("IPv6 is not available here (%s): serving IPv4 only", error.strerror)
            try:
                bound = self._bind(wanted[:1], workers)
            except OSError as second:
                raise ListenError(_listen_problem(second)) from second
        self.listening = bound

    async def start(self) -> None:
        """Check every backend once, publish, and answer.

        Raises:
            PlanError: a strategy failed, or a plan is beyond the engine's bounds.
            ListenError: the address of `api` cannot be had.
        """
        with answering() if self._owns_process else nullcontext():
            self._engine.start()
        self.hooks.configure(self.config.hooks)
        if saved := await asyncio.to_thread(self._keeper.load):
            self.monitor.restore(saved)
        backends = list(self.config.backends())
        self._watch(self.config, backends)
        if self.config.api is not None:
            # not before: whoever asks it, asks about backends that are watched
            self._site = Site(self.config.api, self)
            self.api = await self._site.start()
            scheme = "http" if self.config.api.tls is None else "https"
            log.info("api: %s://%s", scheme, self.api)
        await self._first_round(backends)
        await self.publisher.replace(self.config)
        limits = LimitLog(self._engine.limited)
        self._tasks = [
            asyncio.create_task(self.publisher.run(), name="publish"),
            asyncio.create_task(limits.run(), name="limits"),
            asyncio.create_task(self.traffic.run(), name="traffic"),
            asyncio.create_task(self._keeper.run(), name="state"),
            asyncio.create_task(self.databases.run(), name="databases"),
        ]
        self._settle()

    async def reload(self) -> bool:
        """Read the configuration anew and put it in force, all of it or nothing.

        Returns whether it is in force; its problems are logged. Backends whose check did not change
        keep their verdict, and new ones are checked once before the new plans are published.
        """
        async with self._reloading:
            try:
                config, warnings = await asyncio.to_thread(load, self.config.path)
            except ConfigError as error:
                for problem in error.problems:
                    log.error("%s", problem)
                count = counted(len(error.problems), "problem")
                log.error("reload: %s, so nothing changes", count)
                problems = [str(problem) for problem in error.problems]
                self.events.tell("reload", ok=False, problems=problems[:TOLD])
                return False
            for warning in warnings:
                log.warning("%s", warning)
            if _at_start(config) != _at_start(self.config):
                log.warning(
                    "listen, workers, api, state, health.processes and tcp, except idle_timeout, "
                    "take effect at the next start"
                )
            # the old configuration is in force until the new one is published, so both are watched
            both = {backend.id: backend for backend in self.config.backends()}
            both |= {backend.id: backend for backend in config.backends()}
            await self._check(config, both.values())
            try:
                await self.publisher.replace(config)
            except Exception as error:
                self._watch(self.config, self.config.backends())
                if not isinstance(error, PlanError):
                    log.exception("reload: a fault, so nothing changes")
                else:
                    log.error("reload: %s, so nothing changes", error)
                self.events.tell("reload", ok=False, problems=[str(error)])
                return False
            self.config = config
            self._watch(config, config.backends())
            self.hooks.configure(config.hooks)
            if self._site is not None:
                self._site.renew(config.api)
            self._settle()
            log.info("reloaded: %s", describe(config))
            self.events.tell("reload", ok=True, problems=[])
            return True

    async def stop(self) -> None:
        """Answer what has been received, and end everything. Does nothing twice."""
        started, self._tasks = self._tasks, []
        for task in started:
            task.cancel()
        await asyncio.gather(*started, return_exceptions=True)
        if self._site is not None:
            await self._site.stop()
        await asyncio.to_thread(self._engine.stop)
        await self.monitor.close()
        await self.hooks.close()
        # before the first round has ended there is nothing that would be worth keeping
        await asyncio.to_thread(self._keeper.close, write=bool(started))

    @property
    def started(self) -> bool:
        """Whether the first round of checks has ended, and answers are given."""
        return bool(self._tasks)

    def keep(self) -> None:
        """Have what survives a restart written soon."""
        self._keeper.changed()

    def _settle(self) -> None:
        """Look for garbage once, now that a configuration is in force, and not in it again."""
        if self._owns_process:
            settle()

    def stats(self) -> Stats:
        """The engine's counters."""
        return self._engine.stats()

    def _bind(self, wanted: Sequence[Listen], workers: int) -> tuple[Listen, ...]:
        addresses = [(str(item.address), item.port) for item in wanted]
        bound = self._engine.bind(addresses, workers, _tcp_limits(self.config.tcp))
        return tuple(
            Listen(item.address, port) for item, (_, port) in zip(wanted, bound, strict=True)
        )

    def _watch(self, config: Config, backends: Iterable[Backend]) -> None:
        """Watch `backends`, judged as `config` says."""
        self.monitor.configure(backends, config.pools(), _ttls(config), config.health.canary)

    async def _check(self, config: Config, backends: Iterable[Backend]) -> None:
        """Watch `backends`, and wait until each has had a result."""
        backends = list(backends)
        self._watch(config, backends)
        await self._first_round(backends)

    async def _first_round(self, backends: Iterable[Backend]) -> None:
        """Wait until each of `backends` has had a result, within reason."""
        timeouts = [check.timeout for backend in backends for check in leaves(backend.check)]
        start = PROCESS_START if self.config.health.processes > 1 and not self._tasks else 0.0
        grace = max(timeouts, default=0.0) + 0.5 + start + len(timeouts) / FIRST_RATE
        await self.monitor.first_round(min(grace, MAX_GRACE))

    async def _relocate(self, atlas: Atlas) -> None:
        await self.publisher.relocate(atlas)
        self.config = replace(self.config, atlas=atlas)

    def _on_change(self, backends: frozenset[BackendId]) -> None:
        self.publisher.changed(backends)
        self._keeper.see((name, self.monitor.standing(name)) for name in backends)


def _ttls(config: Config) -> dict[BackendId, float]:
    """Seconds that resolvers keep answers with each backend: the longest of its services."""
    ttls: dict[BackendId, float] = {}
    for service in config.services():
        for backend in service.backends():
            ttls[backend.id] = max(ttls.get(backend.id, 0.0), service.ttl)
    return ttls


async def serve(path: Path, ready: Callable[[str], None]) -> None:
    """Run the configuration at `path` until SIGTERM or SIGINT; SIGHUP reloads it.

    `ready` is called with one line once the server answers.

    Raises:
        ConfigError: the configuration has problems.
        DnslbError: as `Server` says.
    """
    config, warnings = load(path)
    logs.configure(config.log_level, config.log_format)
    for warning in warnings:
        log.warning("%s", warning)
    server = Server(config, owns_process=True)
    server.bind()
    loop = asyncio.get_running_loop()
    stop = asyncio.Event()
    reloads: set[asyncio.Task[None]] = set()

    async def reload() -> None:
        if await server.reload():
            logs.configure(server.config.log_level, server.config.log_format)

    def on_hangup() -> None:
        task = loop.create_task(reload(), name="reload")
        reloads.add(task)
        task.add_done_callback(reloads.discard)

    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    early = asyncio.Event()  # a reload asked for before there is anything to reload
    loop.add_signal_handler(signal.SIGHUP, early.set)
    starting = asyncio.create_task(server.start(), name="start")
    stopping = asyncio.create_task(stop.wait(), name="stop")
    try:
        await asyncio.wait((starting, stopping), return_when=asyncio.FIRST_COMPLETED)
        if not stop.is_set():
            await starting
            loop.add_signal_handler(signal.SIGHUP, on_hangup)
            ready(f"ready: {', '.join(map(str, server.listening))}: {describe(config)}")
            if early.is_set():
                on_hangup()
            await stopping
        log.info("stopping")
    finally:
        for task in (starting, stopping, *reloads):
            task.cancel()
        await asyncio.gather(starting, stopping, *reloads, return_exceptions=True)
        await server.stop()


_NO_IPV6: Final = {errno.EAFNOSUPPORT, errno.EADDRNOTAVAIL, errno.EPROTONOSUPPORT}


def _cpus() -> int:
    """The CPUs that this process may run on."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


@dataclass(frozen=True, slots=True)
class TcpLimits:
    """What `Engine.bind` reads."""

    connections: int
    per_client: int
    query_timeout: float


def _tcp_limits(tcp: Tcp) -> TcpLimits:
    """What TCP clients may take, so that checks and files keep their share."""
    wanted = tcp.connections or MAX_CONNECTIONS
    limit, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    left = wanted if limit == resource.RLIM_INFINITY else limit - RESERVED_FILES
    connections = min(wanted, max(left, MIN_CONNECTIONS))
    if connections < wanted:
        log.warning(
            "only %d files may be open, so %s served at a time; "
            "raise the limit (systemd: LimitNOFILE=)",
            limit,
            f"{connections:,} TCP clients are",
        )
    per_client = tcp.per_client or max(1, min(PER_CLIENT, connections // 4))
    return TcpLimits(connections, per_client, tcp.query_timeout)


def _at_start(config: Config) -> tuple[object, ...]:
    """What is read when the server starts, and only then."""
    return (
        config.listen,
        config.workers,
        config.api and (config.api.listen, config.api.tls is None),
        config.state,
        config.health.processes,
        replace(config.tcp, idle_timeout=0.0),
    )


def _listen_problem(error: OSError) -> str:
    where = f"cannot listen on {error.filename}"
    port = str(error.filename).rpartition(":")[2]
    if error.errno == errno.EADDRINUSE:
        return (
            f"{where}: another program has this port; see which with "
            f"`ss -lnptu 'sport = :{port}'`, or choose another address or port under `listen`"
        )
    if error.errno in {errno.EACCES, errno.EPERM}:
        return (
            f"{where}: ports below 1024 need a privilege; run as root, give the capability "
            "CAP_NET_BIND_SERVICE (systemd: AmbientCapabilities=), "
            "or choose a higher port under `listen`"
        )
    if error.errno in _NO_IPV6:
        return (
            f"{where}: this machine has no such address; see those it has with `ip address`, "
            "and correct `listen`"
        )
    return f"{where}: {error.strerror}"
