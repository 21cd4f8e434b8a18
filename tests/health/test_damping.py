from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dnslb.health.damping import Damped, damped

LOADS = st.floats(0, 3)
TIMES = st.floats(0, 100)


def at(load):
    return Damped.at_rest(load)


def risen(load, ttl=5, by=0.05):
    """How much of a small rise counts at the next report."""
    return damped(at(load), load + by, seconds=10, ttl=ttl, interval=10).load - load


def test_the_first_report_counts_at_once():
    assert damped(None, 0.7, seconds=0, ttl=5, interval=10) == at(0.7)


def test_where_caches_are_slow_enough_nothing_is_added():
    assert damped(at(0.5), 0.95, seconds=10, ttl=300, interval=10) == at(0.95)
    assert damped(at(0.5), 0.7, seconds=10, ttl=5, interval=10).load < 0.6


def test_without_caches_all_of_it_counts_slowly():
    load, settled = damped(at(0.5), 0.9, seconds=10, ttl=0, interval=10)
    assert load == settled
    assert 0.5 < load < 0.6


def test_the_fuller_the_slower():
    steps = [risen(load) for load in (0.1, 0.3, 0.5, 0.7, 0.9)]
    assert steps == sorted(steps, reverse=True)
    assert steps[0] > 5 * steps[-1]


def test_what_caches_bear_counts_at_once():
    parts = [
        damped(at(0.8), 0.85, seconds=0, ttl=ttl, interval=10).load - 0.8
        for ttl in (5, 15, 30, 60, 120)
    ]
    assert parts == sorted(parts)
    assert parts[0] < 0.001
    assert parts[-1] > 0.025, "a gain of 2.8 is borne, and one of 4 to 5.7 there"


@given(LOADS, LOADS, LOADS, TIMES, TIMES, TIMES)
def test_it_lies_between_its_slow_part_and_what_is_reported(
    load, settled, reported, seconds, ttl, interval
):
    new = damped(Damped(load, settled), reported, seconds=seconds, ttl=ttl, interval=interval)
    assert min(settled, reported) <= new.settled <= max(settled, reported)
    assert min(new.settled, reported) <= new.load <= max(new.settled, reported)


@given(LOADS, LOADS, LOADS, TIMES, st.floats(0.1, 60))
def test_who_reports_more_counts_as_no_less_at_once(settled, one, other, ttl, interval):
    low, high = (
        damped(at(settled), load, seconds=0, ttl=ttl, interval=interval).load
        for load in sorted((one, other))
    )
    assert low <= high + 1e-9


@given(LOADS, LOADS, st.floats(1, 60), st.floats(0, 60))
def test_reports_that_stay_are_where_it_rests(settled, reported, interval, ttl):
    counts, left = at(settled), abs(settled - reported)
    for _ in range(2000):
        counts = damped(counts, reported, seconds=interval, ttl=ttl, interval=interval)
        before, left = left, abs(counts.load - reported)
        assert left <= before + 1e-12
        assert (counts.load - reported) * (settled - reported) >= 0, "it never oversteps"
    assert counts.load == pytest.approx(reported, abs=0.001)


@given(LOADS, LOADS, TIMES, TIMES, st.floats(0, 60), st.floats(0.1, 60))
def test_a_longer_time_brings_it_closer(settled, reported, more, seconds, ttl, interval):
    near, far = (
        damped(at(settled), reported, seconds=time, ttl=ttl, interval=interval).load
        for time in (seconds + more, seconds)
    )
    assert abs(near - reported) <= abs(far - reported) + 1e-9
