"""Messages that repeat themselves."""

from __future__ import annotations

import logging

from dnslb.log import ALIKE, SAME, WINDOW, Repeats


class Clock:
    def __init__(self):
        self.now = 0.0

    def __call__(self):
        return self.now


def record(text, *arguments, name="dnslb.server", level=logging.INFO):
    return logging.LogRecord(name, level, "", 0, text, arguments, None)


def test_the_same_again_and_again():
    clock = Clock()
    repeats = Repeats(clock)
    passed = [repeats.filter(record("disk %s is full", "a")) for _ in range(100)]
    assert sum(passed) == SAME
    assert passed[0]
    assert repeats.filter(record("disk %s is full", "b")), "another is told"
    (summary,) = repeats.summaries()
    assert summary.getMessage() == f"{100 - SAME} more times: disk a is full"
    assert repeats.filter(summary)
    assert repeats.summaries() == []
    clock.now = WINDOW
    assert repeats.filter(record("disk %s is full", "a")), "a new window"


def test_many_that_are_alike():
    repeats = Repeats(Clock())
    passed = [repeats.filter(record("backend %s down", number)) for number in range(3 * ALIKE)]
    assert sum(passed) == ALIKE
    (summary,) = repeats.summaries()
    assert summary.getMessage() == f"{2 * ALIKE} more times: backend %s down"


def test_what_operators_do_is_told_in_full():
    repeats = Repeats(Clock())
    assert all(repeats.filter(record("drain", name="dnslb.audit")) for _ in range(100))
