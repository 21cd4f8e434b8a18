"""The sketch of who comes most often, against exact counts."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dnslb.sketch import Sketch

STREAM = st.lists(
    st.tuples(st.integers(0, 12), st.integers(1, 50), st.integers(0, 5)), max_size=300
)


@given(STREAM, st.integers(1, 8), st.sampled_from([0.001, 3.0, 1e6]))
def test_no_count_is_off_by_more_than_its_bound(stream, places, decay):
    sketch: Sketch[int] = Sketch(places, decay)
    exact: dict[int, float] = {}
    now = last = 1000.0
    for key, weight, pause in stream:
        now += pause
        sketch.add(key, weight, now)
        for one in exact:
            exact[one] *= math.exp((last - now) / decay)
        exact[key] = exact.get(key, 0.0) + weight
        last = now
        assert len(sketch) <= places
    total = sum(exact.values())
    assert sketch.total(now) == pytest.approx(total)
    bound = total / places
    found = {one.key: one for one in sketch.top(places, now)}
    slack = 1e-6 * total
    for key, one in found.items():
        assert one.least - slack <= exact[key] <= one.most + slack
        assert one.most - one.least <= bound + slack
    for key, weight in exact.items():
        if weight > bound + slack:
            assert key in sketch


def test_the_busiest_are_found_among_many():
    sketch: Sketch[str] = Sketch(100)
    for number in range(20_000):
        sketch.add(f"once {number}", 1, 0)
        if number % 10 == 0:
            sketch.add("often", 1, 0)
        if number % 20 == 0:
            sketch.add("less often", 1, 0)
    assert [one.key for one in sketch.top(2, 0)] == ["often", "less often"]
    assert len(sketch) == 100


def test_what_was_is_forgotten():
    sketch: Sketch[str] = Sketch(10, decay=60)
    sketch.add("old", 100, 0)
    sketch.add("new", 10, 300)
    assert [one.key for one in sketch.top(2, 300)] == ["new", "old"]
    assert sketch.total(300) == pytest.approx(10 + 100 / math.e**5)


def test_growth_has_an_end():
    sketch: Sketch[str] = Sketch(10, decay=1)
    for now in range(0, 3000, 7):  # as much as no float holds
        sketch.add("a", 1, now)
        sketch.add("b", 2, now)
    (first, second) = sketch.top(2, now)
    assert (first.key, second.key) == ("b", "a")
    assert second.most == pytest.approx(1 / (1 - math.exp(-7)))
