from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from dnslb.config.model import BackendId, MaxDown, Pool
from dnslb.health.guard import Guard, Guards
from dnslb.policy.strategies import find

NAMES = [BackendId("example.com.", "p", f"b{index}") for index in range(6)]
A, B, C, D = NAMES[:4]


def test_up_to_the_limit_backends_go_down():
    guard = Guard(2, 60)
    assert [guard.fall(A, 0), guard.fall(B, 1)] == [True, True]
    assert not guard.frozen
    assert not guard.fall(C, 2)
    assert guard.frozen
    assert guard.held == {C}


def test_one_that_is_down_may_go_down_in_its_other_family_too():
    guard = Guard(1, 60)
    assert guard.fall(A, 0)
    assert guard.fall(A, 1)


def test_falls_outside_the_window_do_not_count():
    guard = Guard(1, 60)
    assert guard.fall(A, 0)
    assert guard.fall(B, 60)
    assert not guard.fall(C, 119)


def test_while_frozen_nothing_goes_down_however_much_time_passes():
    guard = Guard(1, 60)
    guard.fall(A, 0)
    guard.fall(B, 1)
    assert not guard.fall(C, 10_000)
    guard.rise(B)
    assert guard.frozen
    guard.rise(C)
    assert not guard.frozen
    assert guard.fall(C, 10_001)


def test_one_that_is_up_again_makes_room():
    guard = Guard(1, 60)
    guard.fall(A, 0)
    guard.rise(A)
    assert guard.fall(B, 1)


def test_thawing_lets_go_of_all_and_does_not_freeze_again():
    guard = Guard(1, 60)
    guard.fall(A, 0)
    guard.fall(B, 1)
    guard.fall(C, 1)
    assert guard.thaw() == {B, C}
    assert [guard.fall(B, 2), guard.fall(C, 2)] == [True, True]
    assert not guard.fall(D, 3)


def test_a_frozen_pool_stays_frozen_when_a_reload_changes_its_size():
    guards, key = Guards(), ("example.com.", "p")
    pools = {key: Pool(*key, find("weighted"), (), max_down=MaxDown(0.5))}
    guards.configure(pools, NAMES[:2])
    assert [guards.fall(A, 0), guards.fall(B, 1)] == [True, False]
    guards.configure(pools, NAMES)
    assert guards.limit(A) == 3
    assert guards.holds(B)
    guards.configure(pools, NAMES[2:])
    assert not guards.frozen(C)


@given(
    st.integers(1, 4),
    st.lists(st.tuples(st.sampled_from(NAMES), st.booleans(), st.floats(0, 30)), max_size=60),
)
def test_never_do_more_go_down_within_the_window(limit, steps):
    guard, at, falls, down = Guard(limit, 60), 0.0, {}, set()
    for name, passes, passed in steps:
        at += passed
        if passes:
            guard.rise(name)
            falls.pop(name, None)
            down.discard(name)
        elif name not in down and guard.fall(name, at):
            down.add(name)
            falls[name] = at
        assert sum(1 for time in falls.values() if at - time < 60) <= limit
        assert not guard.held & down
