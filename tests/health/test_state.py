from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dnslb.health.state import UNKNOWN, State, step

WORDS = {None: "?", True: "up", False: "down"}


def verdicts(results: str, rise: int, fall: int) -> list[str]:
    state, seen = UNKNOWN, []
    for result in results:
        state = step(state, ok=result == "+", rise=rise, fall=fall)
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


@given(st.lists(st.booleans(), min_size=1), COUNTS, COUNTS)
def test_a_verdict_changes_only_after_so_many_in_a_row(results, rise, fall):
    state = step(UNKNOWN, ok=results[0], rise=rise, fall=fall)
    assert state == State(up=results[0])
    for index, ok in enumerate(results[1:], 2):
        after = step(state, ok=ok, rise=rise, fall=fall)
        needed = rise if ok else fall
        if after.up != state.up:
            assert results[index - needed : index] == [ok] * needed
            assert after.against == 0
        else:
            assert after.against < (rise if not after.up else fall)
        state = after


@given(COUNTS, COUNTS, st.booleans())
def test_exactly_so_many_flip_it(rise, fall, up):
    needed = fall if up else rise
    state = State(up=up)
    for _ in range(needed - 1):
        state = step(state, ok=not up, rise=rise, fall=fall)
        assert state.up is up
    assert step(state, ok=not up, rise=rise, fall=fall) == State(up=not up)
