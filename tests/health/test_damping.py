from __future__ import annotations

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from dnslb.health.damping import damped

LOADS = st.floats(0, 3)
TIMES = st.floats(0, 100)


def test_the_first_report_counts_at_once():
    assert damped(None, 0.7, seconds=0, ttl=5, interval=10) == 0.7


def test_where_caches_are_slow_enough_nothing_is_added():
    assert damped(0.5, 0.7, seconds=10, ttl=300, interval=10) == 0.7
    assert damped(0.5, 0.7, seconds=10, ttl=5, interval=10) < 0.6


def test_the_fuller_the_slower():
    steps = [
        damped(load, load + 0.05, seconds=10, ttl=0, interval=10) - load
        for load in (0.1, 0.3, 0.5, 0.7, 0.9)
    ]
    assert steps == sorted(steps, reverse=True)
    assert steps[0] > 5 * steps[-1]


@given(LOADS, LOADS, TIMES, TIMES, TIMES)
def test_it_lies_between_what_counted_and_what_is_reported(
    counts, reported, seconds, ttl, interval
):
    new = damped(counts, reported, seconds=seconds, ttl=ttl, interval=interval)
    assert min(counts, reported) <= new <= max(counts, reported)


@given(LOADS, LOADS, st.floats(1, 60), st.floats(0, 60))
def test_reports_that_stay_are_where_it_rests(counts, reported, interval, ttl):
    before = abs(counts - reported)
    for _ in range(2000):
        counts = damped(counts, reported, seconds=interval, ttl=ttl, interval=interval)
        assert abs(counts - reported) <= before
        before = abs(counts - reported)
    assert counts == pytest.approx(reported, abs=0.001)


@given(LOADS, LOADS, LOADS, st.floats(0, 60), st.floats(0, 60), st.floats(0.1, 60))
def test_a_longer_time_brings_it_closer(counts, reported, shorter, seconds, ttl, interval):
    assume(counts != reported)
    near = damped(counts, reported, seconds=seconds + shorter, ttl=ttl, interval=interval)
    far = damped(counts, reported, seconds=seconds, ttl=ttl, interval=interval)
    assert abs(near - reported) <= abs(far - reported)


@given(LOADS, LOADS, TIMES, TIMES, st.floats(0, 60), st.floats(0.1, 60))
def test_one_period_is_as_good_as_two(counts, reported, first, second, ttl, interval):
    def after(load, seconds):
        return damped(load, reported, seconds=seconds, ttl=ttl, interval=interval)

    whole, parts = after(counts, first + second), after(after(counts, first), second)
    if reported >= counts:
        assert parts == pytest.approx(whole, abs=1e-9)
    else:
        assert parts <= whole + 1e-9, "what empties is followed faster on its way"
