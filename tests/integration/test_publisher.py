"""The publisher, with a real engine and standings that the test moves."""

from __future__ import annotations

import asyncio
import logging
from dataclasses import replace
from pathlib import Path

import pytest
from dnslib import DNSRecord
from harness import need_engine
from hypothesis import given, settings
from hypothesis import strategies as st

from dnslb.config.model import Config, Family, Service, ServiceId, Zone
from dnslb.engine import new_engine
from dnslb.health.standing import ALWAYS_UP, Standing
from dnslb.policy.plan import Answer
from dnslb.policy.strategies import Strategy
from dnslb.publisher import Publisher
from dnslb.zone.names import from_text
from dnslb.zone.records import RRset
from policy.making import backend, pool

need_engine()

ORIGIN = from_text("example.")
SOA = from_text("ns.example.") * 2 + bytes(20)
DOWN = Standing(down=frozenset(Family), reason="dead")


class Bad(Strategy):
    """Fine with both members, and beyond all bounds with one."""

    name = "bad"

    def __init__(self, nonsense):
        self.nonsense = nonsense

    def plan(self, candidates, choice):
        del choice
        return candidates[0].node if len(candidates) > 1 else self.nonsense(candidates)


class Scene:
    """An engine, a publisher, and two services over pools of their own."""

    def __init__(self, *strategies):
        self.standings = {}
        self.engine = new_engine()
        self.publisher = Publisher(self.engine, lambda: self.standings)
        self.services = {}
        for number, strategy in enumerate(strategies):
            name = f"s{number}"
            of = pool(
                backend("a", pool=name), backend("b", pool=name), strategy=strategy, name=name
            )
            self.services[name] = Service(ServiceId("example.", name), of)
        rrsets = (RRset(ORIGIN, 6, 300, (SOA,)), RRset(ORIGIN, 2, 300, (ORIGIN,)))
        zone = Zone("example.", rrsets, self.services, {})
        self.config = Config(Path("dnslb.yaml"), {"example.": zone})

    def members(self, service):
        return [member.of for member in self.services[service].pool.members]

    def answers(self, service):
        packet = DNSRecord.question(f"{service}.example").pack()
        replies = [self.engine.answer(bytes(packet), "192.0.2.99") for _ in range(4)]
        return {str(record.rdata) for reply in replies for record in DNSRecord.parse(reply).rr}

    async def move(self, **standings):
        """Give the n-th backends of services new standings and wait until that is worked off."""
        changed = set()
        for service, standing in standings.items():
            key = self.members(service)[0].id
            self.standings[key] = standing
            changed.add(key)
        before = self.engine.stats()["generation"]
        self.publisher.changed(changed)
        await self.settled()
        return self.engine.stats()["generation"] - before

    async def settled(self):
        while self.publisher._wake.is_set() or self.publisher._turn.locked():
            await asyncio.sleep(0)


def played(scene, play):
    async def run():
        await scene.publisher.replace(scene.config)
        task = asyncio.create_task(scene.publisher.run())
        try:
            return await play(scene)
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)

    return asyncio.run(run())


def raising(_):
    raise RuntimeError("out of ideas")


@pytest.mark.parametrize(
    "nonsense",
    [
        raising,
        lambda _: None,
        lambda candidates: Answer(list(candidates[0].node.backends), 30),
        lambda candidates: replace(candidates[0].node, ttl=30.5),
        lambda candidates: replace(candidates[0].node, rcode=3),
    ],
    ids=["raises", "none", "list", "half-a-second", "rcode"],
)
def test_a_bad_strategy_holds_up_its_own_service_only(nonsense, caplog):
    caplog.set_level(logging.ERROR, "dnslb")
    scene = Scene(Bad(nonsense), "round-robin")
    kept = None

    async def play(scene):
        nonlocal kept
        kept = scene.answers("s0")
        await scene.move(s0=DOWN, s1=DOWN)
        return scene.answers("s0"), scene.answers("s1")

    bad, good = played(scene, play)
    assert bad == kept
    assert good == {str(scene.members("s1")[1].addresses[0])}
    assert "service s0.example. keeps the plan in force" in caplog.text


def test_what_nobody_looks_at_publishes_nothing():
    scene = Scene("weighted", "least-load", "fastest")
    scene.standings[scene.members("s1")[1].id] = replace(ALWAYS_UP, load=0.1)

    async def play(scene):
        return [
            await scene.move(s0=replace(ALWAYS_UP, latency=9.0, load=0.9)),
            await scene.move(s1=replace(ALWAYS_UP, load=0.9)),
            await scene.move(s2=replace(ALWAYS_UP, latency=9.0)),
            await scene.move(s1=replace(ALWAYS_UP, load=0.9, latency=3.0)),
        ]

    assert played(scene, play) == [0, 1, 1, 0]


def test_a_fault_is_told_and_tried_again(caplog, monkeypatch):
    scene = Scene("round-robin")
    monkeypatch.setattr("dnslb.publisher.RETRY", 0.01)
    compiler = Publisher._publish
    calls = []

    def once(self, *arguments):
        calls.append(arguments)
        if len(calls) == 1:
            raise OSError("out of luck")
        compiler(self, *arguments)

    monkeypatch.setattr(Publisher, "_publish", once)

    async def play(scene):
        await scene.move(s0=DOWN)
        while len(calls) < 2:
            await asyncio.sleep(0)
        await scene.settled()
        return scene.answers("s0")

    assert played(scene, play) == {str(scene.members("s0")[1].addresses[0])}
    assert "publishing failed; it is tried again" in caplog.text


@settings(max_examples=25)
@given(st.lists(st.tuples(st.sampled_from(["s0", "s1"]), st.booleans()), min_size=1, max_size=12))
def test_whatever_happened_the_last_standings_are_in_force(moves):
    scene = Scene("round-robin", "failover")

    async def play(scene):
        for service, up in moves:
            await scene.move(**{service: ALWAYS_UP if up else DOWN})
        return {service: scene.answers(service) for service in ("s0", "s1")}

    last = dict(moves)
    found = played(scene, play)
    first, second = ({str(member.addresses[0])} for member in scene.members("s0"))
    assert found["s0"] == ((first | second) if last.get("s0", True) else second)
    first, second = ({str(member.addresses[0])} for member in scene.members("s1"))
    assert found["s1"] == (first if last.get("s1", True) else second)
