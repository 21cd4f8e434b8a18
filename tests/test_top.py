"""Who asks most: counting samples, and drawing as many as are needed."""

from __future__ import annotations

import asyncio
from ipaddress import ip_address
from threading import current_thread, main_thread

import pytest

from dnslb.geo.atlas import EMPTY, Atlas
from dnslb.geo.database import open_database
from dnslb.top import INTERVAL, MOST, RATE, STRETCH, Top
from dnslb.zone.names import from_text
from geo.databases import city
from geo.databases import write as write_database


class Sampler:
    """So many queries come between two drains, all alike; the engine's half, in figures."""

    def __init__(self, queries):
        self.queries = queries
        self.probability = 0.0

    def sample(self, probability):
        self.probability = probability

    def samples(self, most):
        if not self.probability:
            return []
        count = min(most, round(self.queries * self.probability))
        return [sample("www.example.com", weight=1 / self.probability)] * count


def sample(name, client="192.0.2.1", rtype=1, weight=1.0):
    return ip_address(client).packed, from_text(f"{name}."), rtype, weight


def top(engine=None, atlas=EMPTY, clock=lambda: 0.0):
    return Top(engine or Sampler(0), lambda: atlas, clock)


def test_names_and_networks_by_weight():
    counted = top()
    counted.count(
        [
            sample("a.example", "192.0.2.1"),
            sample("a.example", "192.0.2.200", weight=5),
            sample("a.example", "2001:db8:1:2::3", rtype=28, weight=2),
            sample("b.example", "2001:db8:1:9::9", weight=2),
        ]
    )
    ranking = counted.ranking(3)
    assert [(one.name, one.type, one.share) for one in ranking.names] == [
        ("a.example.", "A", 0.6),
        ("a.example.", "AAAA", 0.2),
        ("b.example.", "A", 0.2),
    ]
    assert [(one.name, one.share) for one in ranking.networks] == [
        ("192.0.2.0/24", 0.6),
        ("2001:db8:1::/48", 0.4),
    ]
    assert ranking.sampled == 4
    assert len(counted.ranking(1).names) == 1


def test_a_steady_rate_is_told_as_it_is():
    now = 0.0
    counted = top(clock=lambda: now)
    for _ in range(100):
        now += 1.0
        counted.count([sample("a.example", weight=7)])
        (name,) = counted.ranking(1).names
        assert name.rate == pytest.approx(7, rel=0.02)


def test_countries_come_from_the_atlas(tmp_path):
    file = tmp_path / "city.mmdb"
    write_database(file, {"198.51.100.0/24": city("DE", "EU"), "203.0.113.0/24": city("FR", "EU")})
    counted = top(atlas=Atlas(open_database(file)))
    clients = ["198.51.100.7", "198.51.100.8", "203.0.113.1", "192.0.2.1"]
    counted.count([sample("a.example", client) for client in clients])
    shares = {one.name: one.share for one in counted.ranking(9).countries}
    assert shares == {"DE": 0.5, "FR": 0.25, "unknown": 0.25}


@pytest.mark.parametrize("queries", [10, 1_000, 1_000_000])
def test_samples_follow_the_load(queries):
    engine = Sampler(queries)
    counted = top(engine)
    counted.set(on=True)
    taken = [asyncio.run(counted.drain()) for _ in range(20)]
    assert max(taken) <= MOST
    assert min(queries, RATE * INTERVAL) * 0.75 <= taken[-1] <= RATE * INTERVAL * 1.3
    engine.queries = 10
    for _ in range(20):
        asyncio.run(counted.drain())
    assert engine.probability == 1.0


def test_off_is_off():
    engine = Sampler(10)
    counted = top(engine)
    counted.set(on=True)
    assert asyncio.run(counted.drain()) == 10
    counted.set(on=False)
    assert (engine.probability, counted.ranking(5).names) == (0.0, ())


def test_the_loop_goes_on_while_samples_are_counted(monkeypatch):
    counted = top(Sampler(2 * STRETCH))
    counted.set(on=True)
    pausing = []
    monkeypatch.setattr("dnslb.top.time.sleep", lambda _: pausing.append(current_thread()))
    asyncio.run(counted.drain())
    assert pausing
    assert main_thread() not in pausing


def test_counting_takes_pauses_and_forgets_at_once(monkeypatch):
    counted = top(Sampler(10))
    counted.set(on=True)
    pauses = []

    def pause(_seconds):
        pauses.append(counted.ranking(1).sampled)
        if len(pauses) == 3:
            counted.set(on=False)

    monkeypatch.setattr("dnslb.top.time.sleep", pause)
    counted.count([sample("a.example")] * 10 * STRETCH)
    assert pauses == [STRETCH, 2 * STRETCH, 3 * STRETCH]
    assert counted.ranking(5).names == ()
