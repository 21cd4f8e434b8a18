"""Between the monitor's own state and what is kept of it."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Final

from dnslb.config.model import Family
from dnslb.health.checks.base import AgentMode, Result
from dnslb.health.damping import Damped
from dnslb.health.standing import Standing
from dnslb.health.state import State
from dnslb.health.store import SavedBackend, SavedProbe, monotonic, wall

if TYPE_CHECKING:
    from dnslb.health.history import History
    from dnslb.health.operators import Wish
    from dnslb.health.store import Saved
    from dnslb.health.watched import Watched

__all__ = ["recall_history", "recall_standing", "save_backend", "save_history"]

FRESH: Final = 600.0
"""Seconds for which a verdict goes on as if there had been no restart. An older one is kept until
the first result, which then decides at once: too much may have happened meanwhile for rise and fall
to count on. So is one from the future: the clock was set back, and nobody knows how old it is."""


def save_history(history: History, now: float) -> SavedProbe | None:
    """What is kept of a probe; None while it has no verdict."""
    state = history.state
    if state.up is None:
        return None
    failure = history.failure
    return SavedProbe(
        up=state.up,
        since=wall(state.since, now),
        falls=state.falls,
        against=state.against,
        failure=(failure.outcome, failure.detail) if failure else None,
        load=None if history.load is None else (history.load, wall(history.load_at, now)),
        weight=history.weight,
        mode=history.mode.value,
        latency=history.latency,
    )


def recall_history(history: History, saved: SavedProbe, whole: Saved, now: float) -> None:
    """Have `history` go on where `saved`, a part of `whole`, ends.

    One that is too old only lends what it reported.
    """
    if abs(time.time() - whole.at) < FRESH:
        # a server that was killed may have had results since, so none are in a row with the next
        against = saved.against if whole.ended else 0
        since = monotonic(saved.since, whole.at, now)
        history.recall(State(saved.up, against, since, saved.falls), saved.latency)
    if saved.failure is not None:
        history.failure = Result(*saved.failure)
    if saved.load is not None:
        history.damped = Damped.at_rest(saved.load[0])
        history.load_at = monotonic(saved.load[1], whole.at, now)
    history.weight = saved.weight
    if saved.mode in {mode.value for mode in AgentMode}:
        history.mode = AgentMode(saved.mode)


def save_backend(item: Watched, standing: Standing, wish: Wish, now: float) -> SavedBackend:
    """What is kept of a backend."""
    pushed = item.pushed if item.pushed and item.pushed.until > now else None
    return SavedBackend(
        down=tuple(sorted(family.value for family in standing.down)),
        reason=standing.reason,
        since=standing.since,
        returned=None if item.returned is None else wall(item.returned, now),
        load=standing.load,
        latency=standing.latency,
        state=wish.state,
        state_reason=wish.reason,
        until=wish.until,
        held=standing.held,
        pushed=(pushed.load, wall(pushed.until, now)) if pushed else None,
    )


def recall_standing(saved: SavedBackend) -> Standing:
    """Where a backend stood, which holds until its checks say otherwise."""
    known = {family.value for family in Family}
    return Standing(
        down=frozenset(Family(value) for value in saved.down if value in known),
        load=saved.load,
        latency=saved.latency,
        state=saved.state,
        reason=saved.reason,
        held=saved.held,
        since=saved.since,
    )
