"""Publishing: what changed is compiled and handed to the engine, in one task, in order.

    standings changed ─▶ the services that hold these backends ─▶ compile ─▶ publish
    reload            ─▶ all zones and services                ─▶ compile ─▶ publish

The first change goes out at once; what happens within the next few tens of milliseconds goes out
together, so a rack that fails costs a handful of publishes rather than hundreds.
"""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING, Final

from dnslb.errors import PlanError
from dnslb.policy.compile import Compiler
from dnslb.zone.data import engine_zone

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from dnslb._engine import Engine
    from dnslb.config.model import BackendId, Config, Service, ServiceId
    from dnslb.health.standing import Standing
    from dnslb.policy.plan import ServicePlan

__all__ = ["Publisher"]

COALESCE: Final = 0.02
"""Seconds between two publishes that changed standings provoke."""

log = logging.getLogger("dnslb.publish")


class Publisher:
    """Keeps the engine's snapshot in step with configuration and standings."""

    def __init__(
        self, engine: Engine, standings: Callable[[], Mapping[BackendId, Standing]]
    ) -> None:
        self._engine = engine
        self._standings = standings
        self._holders: dict[BackendId, list[Service]] = {}
        self._changed: set[BackendId] = set()
        self._wake = asyncio.Event()
        self._turn = asyncio.Lock()
        self._failing: set[ServiceId] = set()
        self._down: set[ServiceId] = set()

    async def replace(self, config: Config) -> None:
        """Publish all of `config`. On an error the old snapshot stays in force.

        Raises:
            PlanError: a strategy failed, or a plan is beyond the engine's bounds.
        """
        holders: dict[BackendId, list[Service]] = {}
        for service in config.services():
            for backend in service.pool.backends():
                holders.setdefault(backend.id, []).append(service)
        async with self._turn:
            compiler = Compiler(dict(self._standings()))
            await asyncio.to_thread(_publish_all, self._engine, config, compiler)
            self._holders = holders
            self._failing.clear()
            services = list(config.services())
            self._down &= {service.id for service in services}
            for service in services:
                self._tell(service, up=compiler.is_up(service))

    def changed(self, backends: Iterable[BackendId]) -> None:
        """Have the plans that hold `backends` compiled anew, soon."""
        self._changed.update(backends)
        self._wake.set()

    async def run(self) -> None:
        """Publish what `changed` reports, until cancelled."""
        while True:
            await self._wake.wait()
            self._wake.clear()
            async with self._turn:
                changed, self._changed = self._changed, set()
                # by identity: a service is found in the list of each of its backends
                services = {
                    id(service): service
                    for backend in changed
                    for service in self._holders.get(backend, ())
                }
                if services:
                    await asyncio.to_thread(
                        self._publish, list(services.values()), dict(self._standings())
                    )
            await asyncio.sleep(COALESCE)

    def _publish(
        self, services: Iterable[Service], standings: Mapping[BackendId, Standing]
    ) -> None:
        compiler = Compiler(standings)
        plans: dict[ServiceId, ServicePlan] = {}
        for service in services:
            try:
                plans[service.id] = compiler.service(service)
            except PlanError as error:
                self._failed(service, error)
            else:
                self._failing.discard(service.id)
            self._tell(service, up=compiler.is_up(service))
        try:
            generation = self._engine.publish(plans)
        except ValueError as error:
            log.error("cannot publish, so the plans in force stay: %s", error)
        else:
            log.debug("generation %d: %d services", generation, len(plans))

    def _tell(self, service: Service, *, up: bool) -> None:
        """Log when a service goes over to `when_down`, and when it comes back."""
        if up and service.id in self._down:
            self._down.discard(service.id)
            log.info("service %s up", service.id)
        elif not up and service.id not in self._down:
            self._down.add(service.id)
            action = service.when_down.action
            log.warning("service %s down: everything under it is; when_down %s", service.id, action)

    def _failed(self, service: Service, error: PlanError) -> None:
        if service.id not in self._failing:
            self._failing.add(service.id)
            log.error("service %s keeps the plan in force: %s", service.id, error)


def _publish_all(engine: Engine, config: Config, compiler: Compiler) -> None:
    plans = {service.id: compiler.service(service) for service in config.services()}
    zones = [engine_zone(zone) for zone in config.zones.values()]
    try:
        generation = engine.publish(plans, zones)
    except ValueError as error:
        raise PlanError(str(error)) from error
    log.debug("generation %d: %d zones, %d services", generation, len(zones), len(plans))
