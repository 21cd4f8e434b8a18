from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dnslb.health.checks.base import HoldDown
from dnslb.health.state import UNKNOWN, State, delay, step

WORDS = {None: "?", True: "up", False: "down"}
NEVER = HoldDown(0.0)


def verdicts(results: str, rise: int, fall: int) -> list[str]:
    state, seen = UNKNOWN, []
    for at, result in enumerate(results):
        state = step(state, ok=result == "+", at=at, rise=rise, fall=fall, hold=NEVER)
        seen.append(WORDS[state.up])
    return seen


@pytest.mark.parametrize(
    ("results", "rise", "fall", "expected"),
    [
        ("+", 2, 3, "up"),
        ("-", 2, 3, "down"),
        ("+---", 2, 3, "up up up down"),
        ("+--+--", 2, 3, "up up up up up up"),
        ("-++", 2, 3, "down down up"),
        ("-+-+", 2, 3, "down down down down"),
        ("+-+-", 1, 1, "up down up down"),
        ("+---+-++", 2, 3, "up up up down down down down up"),
        ("-+++++", 5, 1, "down down down down down up"),
    ],
    ids=[
        "first-pass", "first-failure", "fall", "a-pass-starts-fall-over", "rise",
        "a-failure-starts-rise-over", "at-once", "there-and-back", "slow-rise",
    ],
)  # fmt: skip
def test_verdicts(results, rise, fall, expected):
    assert verdicts(results, rise, fall) == expected.split()


COUNTS = st.integers(1, 6)
HOLDS = st.builds(
    HoldDown, st.just(0.0) | st.floats(0.001, 60), st.floats(60, 600), st.floats(0, 1200)
)  # fmt: skip
STEPS = st.lists(st.tuples(st.booleans(), st.floats(0, 120)), min_size=1, max_size=80)


@given(STEPS, COUNTS, COUNTS, HOLDS)
def test_no_sequence_flips_faster_than_rise_fall_and_hold_down_allow(steps, rise, fall, hold):
    state, at, oks = UNKNOWN, 0.0, []
    for ok, passed in steps:
        at += passed
        oks.append(ok)
        after = step(state, ok=ok, at=at, rise=rise, fall=fall, hold=hold)
        if state.up is None:
            assert after == State(up=ok, since=at, falls=0 if ok else 1)
        elif after.up != state.up:
            needed = rise if ok else fall
            assert oks[-needed:] == [ok] * needed
            assert len(oks) > needed
            assert (after.since, after.against) == (at, 0)
            if after.up:
                assert at >= state.since + delay(state.falls, hold)
            else:
                calm = at - state.since >= hold.calm
                assert after.falls == (1 if calm else state.falls + 1)
        else:
            assert after.since == state.since
        state = after


@given(COUNTS, COUNTS, st.booleans())
def test_exactly_so_many_flip_it(rise, fall, up):
    needed = fall if up else rise
    state = State(up=up)
    for at in range(needed - 1):
        state = step(state, ok=not up, at=at, rise=rise, fall=fall, hold=NEVER)
        assert state.up is up
    assert step(state, ok=not up, at=needed, rise=rise, fall=fall, hold=NEVER).up is not up


@given(st.integers(0, 2000), HOLDS)
def test_the_delay_doubles_from_the_second_fall_up_to_the_most(falls, hold):
    before, now = delay(falls, hold), delay(falls + 1, hold)
    assert 0 <= before <= now <= max(hold.most, 0)
    if falls < 1:
        assert now == 0
    elif falls == 1:
        assert now == min(hold.first, hold.most)
    elif hold.first:
        assert now == min(hold.most, 2 * before)


def test_a_flapping_backend_stays_down_longer_each_time():
    state, at, down = UNKNOWN, 0.0, []
    hold = HoldDown(10.0, most=60.0, calm=600.0)
    while len(down) < 6:
        # up for a second, then down, and passing from then on
        state = step(state, ok=True, at=at, rise=1, fall=1, hold=hold)
        at += 1
        state = step(state, ok=False, at=at, rise=1, fall=1, hold=hold)
        fell = at
        while not state.up:
            at += 1
            state = step(state, ok=True, at=at, rise=1, fall=1, hold=hold)
        down.append(at - fell)
    assert down == [1, 10, 20, 40, 60, 60]


def test_a_calm_time_makes_the_next_fall_the_first():
    state = State(up=True, since=0.0, falls=5)
    hold = HoldDown(10.0, calm=600.0)
    assert step(state, ok=False, at=599, rise=1, fall=1, hold=hold).falls == 6
    assert step(state, ok=False, at=600, rise=1, fall=1, hold=hold).falls == 1
