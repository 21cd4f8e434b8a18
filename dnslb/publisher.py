"""Publishing: what changed is compiled and handed to the engine, in one task, in order.

    standings changed ─▶ the services that hold these backends ─▶ compile ─▶ publish
    reload            ─▶ all zones and services                ─▶ compile ─▶ publish

The first change goes out at once; what happens within the next few tens of milliseconds goes out
together, so a rack that fails costs a handful of publishes rather than hundreds.
"""

from __future__ import annotations

import asyncio
import logging
import secrets
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from dnslb.config.describe import counted
from dnslb.config.model import Backend
from dnslb.engine import network_map
from dnslb.errors import PlanError
from dnslb.events import Events
from dnslb.garbage import paused
from dnslb.geo.atlas import EMPTY
from dnslb.health.standing import ALWAYS_UP, turned
from dnslb.histogram import Histogram
from dnslb.policy.compile import Compiler
from dnslb.ratelimit import EngineRateLimit
from dnslb.zone.data import engine_zone

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from dnslb._engine import Engine, NetworkMap
    from dnslb.config.model import Config, Network, Pool, PoolId, Service, ServiceId, Subject
    from dnslb.geo.atlas import Atlas
    from dnslb.health.standing import Standing
    from dnslb.policy.plan import ServicePlan

__all__ = ["Publisher"]

COALESCE: Final = 0.02
"""Seconds between two publishes that changed standings provoke."""

RETRY: Final = 1.0
"""Seconds until a publish that failed is tried again."""

log = logging.getLogger("dnslb.publish")


@dataclass(frozen=True, slots=True)
class EngineSettings:
    """What `Engine.publish` reads of the settings."""

    udp_payload: int
    identity: bytes | None
    version: bytes | None
    cookie_secrets: tuple[bytes, ...]
    cookies_required: bool
    keepalive: int  # how long idle TCP connections are kept, in units of 100 ms
    rrl: EngineRateLimit | None = None
    ecs_trust: NetworkMap | None = None

    @classmethod
    def of(cls, config: Config, secret: bytes) -> EngineSettings:
        """Those of `config` as the engine takes them; `secret` is for cookies without one."""
        settings = config.settings
        cookies = settings.cookies
        return cls(
            udp_payload=settings.udp_payload,
            identity=settings.identity,
            version=settings.version,
            ecs_trust=_trusted(settings.ecs_trust),
            cookie_secrets=(cookies.secrets or (secret,)) if cookies else (),
            cookies_required=cookies is not None and cookies.required,
            keepalive=round(config.tcp.idle_timeout * 10),
            rrl=EngineRateLimit.of(settings.rrl) if settings.rrl else None,
        )


def _trusted(networks: Sequence[Network] | None) -> NetworkMap | None:
    if networks is None:
        return None
    return network_map([(network, 1) for network in networks])


class Publisher:
    """Keeps the engine's snapshot in step with configuration and standings."""

    def __init__(
        self,
        engine: Engine,
        standings: Callable[[], Mapping[Subject, Standing]],
        events: Events | None = None,
    ) -> None:
        self._engine = engine
        self._own_secret = secrets.token_bytes(16)
        self._standings = standings
        self._events = events or Events()
        self._holders = _Holders(())
        self._atlas = EMPTY
        self._placing: list[Service] = []  # those whose plans depend on where clients are
        self._changed: set[Subject] = set()
        self._wake = asyncio.Event()
        self._turn = asyncio.Lock()
        self._known: dict[Subject, Standing] = {}  # what the plans in force were made with
        self._plans: dict[ServiceId, ServicePlan] = {}  # the plans in force
        self.seconds = Histogram()  # that publishing takes: compiling, and the engine's part
        self._failing: set[ServiceId] = set()
        self._down: set[ServiceId] = set()

    async def replace(self, config: Config) -> None:
        """Publish all of `config`. On an error the old snapshot stays in force.

        Raises:
            PlanError: a strategy failed, or a plan is beyond the engine's bounds.
        """
        services = list(config.services())
        async with self._turn:
            standings = dict(self._standings())
            compiler = Compiler(standings, config.atlas)
            settings = EngineSettings.of(config, self._own_secret)
            started = time.perf_counter()
            plans = await asyncio.to_thread(_publish_all, self._engine, config, compiler, settings)
            self.seconds.add(time.perf_counter() - started)
            holders, placing = await asyncio.to_thread(_held_by, services)
            self._holders, self._known, self._plans = holders, standings, plans
            self._atlas, self._placing = config.atlas, placing
            self._failing.clear()
            self._down &= {service.id for service in services}
            for service in services:
                self._tell(service, up=compiler.is_up(service))

    async def relocate(self, atlas: Atlas) -> None:
        """Publish anew, with `atlas`, the services whose plans depend on where clients are.

        A service that cannot be compiled with it keeps its plan, which is logged. On a fault the
        old atlas and all plans stay, and the fault is raised.
        """
        async with self._turn:
            old, self._atlas = self._atlas, atlas
            try:
                await asyncio.to_thread(self._publish, self._placing, self._known)
            except Exception:
                self._atlas = old
                raise

    def changed(self, subjects: Iterable[Subject]) -> None:
        """Have the plans that hold these backends and pools compiled anew, soon."""
        self._changed.update(subjects)
        self._wake.set()

    async def run(self) -> None:
        """Publish what `changed` reports, until cancelled."""
        while True:
            await self._wake.wait()
            self._wake.clear()
            pause = COALESCE
            async with self._turn:
                changed, self._changed = self._changed, set()
                services = self._holders.of(changed, self._known, self._standings())
                standings = self._holders.standings(services, self._standings())
                try:
                    if services:
                        started = time.perf_counter()
                        await asyncio.to_thread(self._publish, services, standings)
                        self.seconds.add(time.perf_counter() - started)
                except Exception:
                    log.exception("publishing failed; it is tried again, the plans in force stay")
                    self.changed(changed)
                    pause = RETRY
                else:
                    self._known.update(standings)
            await asyncio.sleep(pause)

    def _publish(self, services: Iterable[Service], standings: Mapping[Subject, Standing]) -> None:
        compiler = Compiler(standings, self._atlas)
        plans: dict[ServiceId, ServicePlan] = {}
        same: dict[tuple[int, int], bool] = {}  # services that share plans share the comparison
        told = []
        for service in services:
            try:
                plan = compiler.service(service)
            except Exception as error:  # noqa: BLE001 - one service's fault must not hold up others
                self._failed(service, error)
                continue
            told.append(service)
            old = self._plans.get(service.id)
            pair = id(plan), id(old)
            if pair not in same:
                same[pair] = plan == old
            if not same[pair]:
                plans[service.id] = plan
        refused = self._hand_over(plans) if plans else set()
        for service in told:
            if service.id not in refused:
                self._failing.discard(service.id)
                self._tell(service, up=compiler.is_up(service))

    def _hand_over(self, plans: Mapping[ServiceId, ServicePlan]) -> set[ServiceId]:
        """Have the engine take `plans`; returns the services whose plan it refuses."""
        try:
            generation = self._engine.publish(plans)
        except ValueError as error:
            if len(plans) == 1:
                (refused,) = plans
                self._failed_id(refused, error)
                return {refused}
            # one bad plan refuses all that come with it, so each goes by itself
            return set().union(*(self._hand_over({key: plan}) for key, plan in plans.items()))
        self._plans.update(plans)
        log.debug("generation %d: %s", generation, counted(len(plans), "service"))
        return set()

    def _tell(self, service: Service, *, up: bool) -> None:
        """Log when a service goes over to `when_down`, and when it comes back."""
        if up and service.id in self._down:
            self._down.discard(service.id)
            log.info("service %s up", service.id)
            self._told(service, up=True)
        elif not up and service.id not in self._down:
            self._down.add(service.id)
            action = service.when_down.action
            log.warning("service %s down: everything under it is; when_down %s", service.id, action)
            self._told(service, up=False)

    def _told(self, service: Service, *, up: bool) -> None:
        action = service.when_down.action
        zone, name = service.id
        self._events.tell("service", zone=zone, service=name, up=up, when_down=action)

    def _failed(self, service: Service, error: Exception) -> None:
        if service.id not in self._failing and not isinstance(error, PlanError):
            log.error("a fault in compiling service %s", service.id, exc_info=error)
        self._failed_id(service.id, error)

    def _failed_id(self, service: ServiceId, error: Exception) -> None:
        if service not in self._failing:
            self._failing.add(service)
            log.error("service %s keeps the plan in force: %s", service, error)


class _Holders:
    """Which services hold a backend, and which of them look at its load or latency."""

    def __init__(self, services: Iterable[Service]) -> None:
        self._all: dict[Subject, list[Service]] = {}
        self._subjects: dict[int, Sequence[Subject]] = {}  # by the service's id
        self._measuring: dict[Subject, list[Service]] = {}
        measured: dict[int, bool] = {}
        for service in services:
            backends = list(service.backends())
            subjects: list[Subject] = [one.id for one in backends]
            subjects += _pools(service)
            self._subjects[id(service)] = subjects
            for subject in subjects:
                self._all.setdefault(subject, []).append(service)
            if any(_measured(pool, measured) for pool in service.pools()):
                for backend in backends:
                    self._measuring.setdefault(backend.id, []).append(service)

    def of(
        self,
        changed: Iterable[Subject],
        before: Mapping[Subject, Standing],
        now: Mapping[Subject, Standing],
    ) -> list[Service]:
        """The services whose plan may differ, each once."""
        found: dict[int, Service] = {}
        for subject in changed:
            old, new = before.get(subject, ALWAYS_UP), now.get(subject, ALWAYS_UP)
            holders = self._all if turned(old, new) else self._measuring
            found.update((id(service), service) for service in holders.get(subject, ()))
        return list(found.values())

    def standings(
        self, services: Iterable[Service], now: Mapping[Subject, Standing]
    ) -> dict[Subject, Standing]:
        """Those of all that `services` hold, as they are `now`: what is compiled must not move."""
        subjects = [self._subjects[id(service)] for service in services]
        if sum(map(len, subjects)) > len(now):
            return dict(now)
        return {one: now.get(one, ALWAYS_UP) for some in subjects for one in some}


def _held_by(services: Sequence[Service]) -> tuple[_Holders, list[Service]]:
    """Which services hold what, and those whose plans depend on where clients are."""
    known: dict[int, bool] = {}
    placing = [
        service for service in services if any(_placed(pool, known) for pool in service.pools())
    ]
    return _Holders(services), placing


def _pools(service: Service) -> list[PoolId]:
    """Its pools and those below them, each once."""
    found = {pool.id: pool for pool in service.pools()}
    stack = list(found.values())
    while stack:
        for member in stack.pop().members:
            if not isinstance(member.of, Backend) and member.of.id not in found:
                found[member.of.id] = member.of
                stack.append(member.of)
    return list(found)


def _measured(pool: Pool, known: dict[int, bool]) -> bool:
    """Whether a strategy in `pool` or below it looks at load or latency."""
    if id(pool) not in known:
        pools = [member.of for member in pool.members if not isinstance(member.of, Backend)]
        looks = pool.strategy.measured or pool.spill is not None
        known[id(pool)] = looks or any(_measured(one, known) for one in pools)
    return known[id(pool)]


def _placed(pool: Pool, known: dict[int, bool]) -> bool:
    """Whether a strategy in `pool` or below it looks at where clients are."""
    if id(pool) not in known:
        pools = [member.of for member in pool.members if not isinstance(member.of, Backend)]
        known[id(pool)] = pool.strategy.places or any(_placed(one, known) for one in pools)
    return known[id(pool)]


def _publish_all(
    engine: Engine, config: Config, compiler: Compiler, settings: EngineSettings
) -> dict[ServiceId, ServicePlan]:
    with paused():
        plans = compiler.services(config.services())
    zones = [engine_zone(zone) for zone in config.zones.values()]
    try:
        generation = engine.publish(plans, zones, settings)
    except ValueError as error:
        raise PlanError(str(error)) from error
    log.debug(
        "generation %d: %s, %s",
        generation,
        counted(len(zones), "zone"),
        counted(len(plans), "service"),
    )
    return plans
