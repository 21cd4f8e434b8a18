"""Where a backend stands, by what its probes say and who has a word in it.

probes ─▶ judged ─▶ cut off? ─▶ doubted? ─▶ held up by its pool? ─▶ slow start ─▶ standing
                      │ yes       │ yes       │ yes
                      └───────────┴───────────┴─▶ as before, but for the operator's state
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, NamedTuple

from dnslb.health.standing import ALWAYS_UP, Standing

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from dnslb.health.canary import Canaries
    from dnslb.health.guard import Guards
    from dnslb.health.history import History
    from dnslb.health.operators import Operators
    from dnslb.health.scheduler import ProbeKey
    from dnslb.health.telling import Teller
    from dnslb.health.watched import Watched

__all__ = ["Cause", "Judge"]


class Cause(NamedTuple):
    """The probe whose verdict has turned down."""

    key: ProbeKey
    first: bool  # whether by its first result


class Judge:
    """Judges backends, and has what is new told."""

    def __init__(
        self,
        canaries: Canaries,
        guards: Guards,
        operators: Operators,
        teller: Teller,
        clock: Callable[[], float],
    ) -> None:
        self.doubted: set[ProbeKey] = set()  # what turned down, and no canary passed since
        self._canaries = canaries
        self._guards = guards
        self._operators = operators
        self._teller = teller
        self._clock = clock

    def at_first(
        self,
        item: Watched,
        before: Standing | None,
        histories: Mapping[ProbeKey, History],
        *,
        new: bool = False,
    ) -> Standing:
        """Where a backend stands when it is configured: its verdict keeps its age.

        `new` is one that was not watched until now: where it stood is known from `before` that.
        """
        name, now = item.backend.id, self._clock()
        wanted = self._operators.of(name).state
        if before is None:
            return item.standing(histories, wanted, now)
        if before.held and new:
            self._guards.hold(name)  # as before the restart
        doubted = not self.doubted.isdisjoint(item.keys)  # no canary has passed yet
        if self._canaries.isolated or doubted or self._guards.holds(name):
            return replace(before, state=wanted)
        judged = item.standing(histories, wanted, now)
        return judged if judged is ALWAYS_UP else replace(judged, since=before.since)

    def again(
        self,
        item: Watched,
        before: Standing,
        histories: Mapping[ProbeKey, History],
        cause: Cause | None,
    ) -> Standing:
        """Where a backend stands now, where it stood `before`."""
        wanted = self._operators.of(item.backend.id).state
        if self._canaries.isolated:
            return replace(before, state=wanted)
        now = self._clock()
        judged = item.standing(histories, wanted, now)
        fell, won = judged.down - before.down, before.down - judged.down
        if fell and not self.doubted.isdisjoint(item.keys):
            # not before a canary has passed
            return replace(before, state=wanted)
        if self._is_held(item, before, judged):
            return replace(before, state=wanted, held=True, reason=judged.reason)
        if won and item.was_down:
            item.returned = now
            judged = item.standing(histories, wanted, now)
        if cause and judged.down:
            history = histories[cause.key]
            lost = item.only_failed_by(cause.key, histories)
            self._teller.down(item, lost, cause.key, history, first=cause.first)
        if won:
            self._teller.up(item, won, first=not item.was_down)
        if fell or (won and item.was_down) or (cause and cause.first and judged.down):
            self._teller.verdict(item.backend.id, judged)
        news = fell or won or (cause and cause.first)
        return replace(judged, since=item.note(judged, histories) if news else before.since)

    def _is_held(self, item: Watched, before: Standing, judged: Standing) -> bool:
        """Whether the guard of its pool holds up what has fallen."""
        name = item.backend.id
        if not judged.down:
            frozen = self._guards.frozen(name)
            self._guards.rise(name)
            if frozen and not self._guards.frozen(name):
                self._teller.thawed(name[:2])
        elif judged.down - before.down:
            frozen = self._guards.frozen(name)
            if not self._guards.fall(name, self._clock()):
                if not before.held:
                    limit = self._guards.limit(name)
                    self._teller.frozen(name, limit, judged.reason, first=not frozen)
                return True
        return False
