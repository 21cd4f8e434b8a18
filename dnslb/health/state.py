"""Rise and fall: how results in a row become a verdict.

              first result          fall failures in a row
    unknown ───────────────▶ up ────────────────────────────▶ down
       │                      ◀────────────────────────────    ▲
       └────────────────────   rise passes in a row            │
              first result ────────────────────────────────────┘

Arithmetic on a state and a result, without clock or I/O. The first result decides at once: the
first answer waits for it, and a backend that was never seen to work has no credit.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

__all__ = ["UNKNOWN", "State", "step"]


@dataclass(frozen=True, slots=True)
class State:
    """A verdict, and how many results in a row speak against it."""

    up: bool | None = None  # None: no result yet
    against: int = 0


UNKNOWN: Final = State()
"""Before the first result."""


def step(state: State, *, ok: bool, rise: int, fall: int) -> State:
    """The state after one more result; `rise` and `fall` are at least 1."""
    if state.up is None:
        return State(up=ok)
    if ok == state.up:
        return State(up=state.up)
    against = state.against + 1
    if against >= (rise if ok else fall):
        return State(up=ok)
    return State(state.up, against)
