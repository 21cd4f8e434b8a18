"""A monitor to play with: scripted backends, and a time that stands still until it is told to pass."""

from __future__ import annotations

import asyncio
from ipaddress import ip_address

from health_script import Backends, ScriptedCheck, Time, longest, settle

from dnslb.config.model import Backend, BackendId, Pool
from dnslb.health.monitor import Monitor
from dnslb.policy.strategies import find

V4, V6 = "192.0.2.1", "2001:db8::1"


class Stage:
    """What a test of the monitor plays on."""

    def __init__(self) -> None:
        self.there = Backends()
        self.time = Time()
        self.changes: list[set[str]] = []
        self.monitor = Monitor(
            lambda changed: self.changes.append({item.name for item in changed}),
            sleep=self.time.sleep,
            clock=self.time.clock,
            uniform=longest,
            later=self.time.later,
        )

    def backend(self, name="a", *addresses, target=None, **check):
        made = ScriptedCheck(backends=self.there, **check)
        where = tuple(map(ip_address, addresses or ([] if target else [V4])))
        return Backend(BackendId("example.com.", "p", name), where, target, made)

    async def configure(self, *backends):
        self.monitor.configure(backends)
        await settle()
        self.changes.clear()

    async def results(self, *results, at=V4):
        for result in results:
            self.there.results[at] = result
            await self.time.pass_by()

    def standing(self, name="a"):
        return self.monitor.standing(BackendId("example.com.", "p", name))


def play(scenario):
    async def run():
        stage = Stage()
        try:
            await scenario(stage)
        finally:
            await stage.monitor.close()

    asyncio.run(run())


def scene(scenario):
    """A test that is played on a stage."""

    def test():
        play(scenario)

    test.__name__ = scenario.__name__
    return test


def pool(**rules):
    return Pool("example.com.", "p", find("weighted"), (), **rules)


async def pass_by(stage, rounds=1):
    for _ in range(rounds):
        await stage.time.pass_by()


async def watch(stage, backends, pools=(), canaries=()):
    stage.monitor.configure(backends, pools, canaries=canaries)
    await pass_by(stage)
    stage.changes.clear()
