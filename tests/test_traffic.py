"""Traffic: rates and moments out of counters."""

from __future__ import annotations

import pytest

from dnslb.config.model import BackendId, ServiceId
from dnslb.traffic import KEPT, Traffic

A = BackendId("example.com.", "p", "a")
B = BackendId("example.com.", "p", "b")
WWW = ServiceId("example.com.", "www")


class Counters:
    """An engine's counters, and a clock."""

    def __init__(self):
        self.now = 0.0
        self.queries = {}
        self.answers = {}
        self.reads = 0
        self.traffic = Traffic(self.read, self.asked, lambda: self.now, lambda: 1000.0 + self.now)

    def asked(self):
        return 1, dict(self.queries)

    def read(self):
        self.reads += 1
        return {"queries": dict(self.queries), "answers": dict(self.answers)}

    def count(self, backend, answers, service="www"):
        key = (backend.zone, service, backend.pool, backend.name)
        self.answers[key] = self.answers.get(key, 0) + answers
        key = ("udp", "NOERROR")
        self.queries[key] = self.queries.get(key, 0) + answers

    def tick(self, seconds=1.0):
        self.now += seconds
        self.traffic.sample()


@pytest.fixture
def counters():
    return Counters()


def test_nothing_is_known_before_the_second_sample(counters):
    counters.count(A, 5)
    assert counters.traffic.rate(A) == 0
    counters.tick()
    assert (counters.traffic.rate(A), counters.traffic.total()) == (0, {})
    assert counters.traffic.last_answer(A) is None  # it may have been long ago


def test_rates_are_over_the_last_ten_samples(counters):
    counters.tick()
    for _ in range(20):
        counters.count(A, 30)
        counters.count(B, 10, service="api")
        counters.tick()
    assert counters.traffic.rate(A) == 30
    assert counters.traffic.rate(B) == 10
    assert counters.traffic.total() == {"NOERROR": 40}
    assert counters.traffic.queries() == {("udp", "NOERROR"): 40}
    for _ in range(5):
        counters.tick()
    assert counters.traffic.rate(A) == 15
    for _ in range(5):
        counters.tick()
    assert counters.traffic.rate(A) == 0


def test_a_counter_that_moved_means_handed_out_then(counters):
    counters.tick()
    counters.count(A, 1)
    counters.tick()
    counters.tick()
    assert counters.traffic.last_answer(A) == 1002
    assert counters.traffic.last_answer(B) is None
    counters.count(B, 1)
    counters.tick()
    assert counters.traffic.last_answer(B) == 1004
    counters.count(A, 1, service="api")
    counters.tick()
    assert counters.traffic.last_answer(A) == 1005


def test_a_minute_is_counted_by_service(counters):
    counters.tick()
    for _ in range(KEPT + 30):
        counters.count(A, 2)
        counters.count(A, 1, service="api")
        counters.tick()
    assert counters.traffic.window == KEPT
    assert counters.traffic.counted(WWW) == {A: 2 * KEPT}
    assert counters.traffic.counted(WWW._replace(name="no")) == {}


def test_counters_that_went_back_make_no_negative_rates(counters):
    counters.count(A, 100)
    counters.tick()
    counters.answers.clear()
    counters.queries.clear()
    counters.count(A, 1)
    counters.tick()
    assert counters.traffic.rate(A) == 0


def test_counters_are_not_read_while_nobody_asks(counters):
    counters.count(A, 5)
    for _ in range(20):
        counters.tick()
    assert counters.reads == 2
    counters.count(A, 5)
    counters.tick()
    assert counters.reads == 3
    assert counters.traffic.rate(A) == 0.5
