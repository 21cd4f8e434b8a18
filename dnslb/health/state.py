"""Rise and fall: how results in a row become a verdict.

              first result          fall failures in a row
    unknown ───────────────▶ up ────────────────────────────▶ down
       │                      ◀────────────────────────────    ▲
       └────────────────────   rise passes in a row, and       │
              first result     its delay is over ──────────────┘

Arithmetic on a state, a result and its time, without clock or I/O. The first result decides at
once: the first answer waits for it, and a backend that was never seen to work has no credit.

A backend that falls again and again is held down longer each time: its second fall costs
`first`, each further one twice as much up to `most`, until it has been up for `calm`.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from dnslb.health.checks.base import HoldDown

__all__ = ["UNKNOWN", "State", "delay", "step"]


@dataclass(frozen=True, slots=True)
class State:
    """A verdict, since when it holds, and how many results in a row speak against it."""

    up: bool | None = None  # None: no result yet
    against: int = 0
    since: float = 0.0  # seconds, by the clock of whoever steps
    falls: int = 0  # one after the other, without a calm time between them


UNKNOWN: Final = State()
"""Before the first result."""


def step(state: State, *, ok: bool, at: float, rise: int, fall: int, hold: HoldDown) -> State:
    """The state after one more result, which came at the time `at`; rise and fall are >= 1."""
    if state.up is None:
        return State(up=ok, since=at, falls=0 if ok else 1)
    if ok == state.up:
        return replace(state, against=0) if state.against else state
    against = state.against + 1
    if state.up and against >= fall:
        calm = at - state.since >= hold.calm
        return State(up=False, since=at, falls=1 if calm else state.falls + 1)
    if not state.up and against >= rise and at >= state.since + delay(state.falls, hold):
        return State(up=True, since=at, falls=state.falls)
    return replace(state, against=against)


def delay(falls: int, hold: HoldDown) -> float:
    """Seconds that a backend stays down at least, after so many falls."""
    if falls < 2 or not hold.first:
        return 0.0
    # beyond this many doublings any first delay has reached the most
    return min(hold.most, hold.first * 2.0 ** min(falls - 2, 64))
