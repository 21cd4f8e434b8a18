from __future__ import annotations

import pytest
from health_script import OK, REFUSED, Backends, ScriptedCheck

from dnslb.health.checks.base import AgentMode, Outcome, Result
from dnslb.health.history import History


def history(*results):
    """A history whose news up to here were told."""
    made = History(ScriptedCheck(backends=Backends()))
    for at, result in enumerate(results):
        made.add(result, float(at))
        made.has_news()
    return made


UP = (OK, OK, OK)


@pytest.mark.parametrize(
    ("before", "result", "news"),
    [
        ((), OK, True),
        ((), Result(Outcome.ERROR), True),
        (UP, OK, False),
        (UP, Result(Outcome.OK, milliseconds=10.2), False),
        (UP, Result(Outcome.ERROR), False),
        (UP, REFUSED, False),  # the first of three
        ((*UP, REFUSED, REFUSED), REFUSED, True),
        ((REFUSED,), REFUSED, True),  # the reason may be another one
        ((REFUSED, OK), OK, True),
        (UP, Result(Outcome.OK, milliseconds=10.0, load=0.5), True),
        ((*UP, Result(Outcome.OK, milliseconds=10.0, load=0.5)), OK, True),
        (UP, Result(Outcome.OK, milliseconds=10.0, weight=0.5), True),
        (UP, Result(Outcome.OK, milliseconds=10.0, mode=AgentMode.DRAIN), True),
    ],
    ids=[
        "first", "no-result", "same", "noise", "error", "one-failure", "down", "still-down", "up",
        "load", "load-ends", "weight", "mode",
    ],
)  # fmt: skip
def test_news(before, result, news):
    made = history(*before)
    made.add(result, 100.0)
    assert made.has_news() is news


def test_a_latency_that_no_plan_looks_at_has_to_move_far():
    made = history(*UP)
    made.measured = False
    told = [
        made.has_news()
        for _ in range(8)
        if not made.add(Result(Outcome.OK, milliseconds=14.9), 9.0)
    ]
    assert not any(told)
    told = [
        made.has_news()
        for _ in range(8)
        if not made.add(Result(Outcome.OK, milliseconds=15.1), 9.0)
    ]
    assert told.count(True) == 1


def test_a_latency_that_creeps_is_news_in_the_end():
    made = history(*UP)
    told = 0
    for step in range(1, 40):
        made.add(Result(Outcome.OK, milliseconds=10.0 + step / 10), float(step))
        told += made.has_news()
    assert 4 <= told <= 8
