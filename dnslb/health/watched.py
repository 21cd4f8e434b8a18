"""One backend under watch: which probes speak for it, and what they say together."""

from __future__ import annotations

import time
from collections import deque
from dataclasses import dataclass
from math import inf
from typing import TYPE_CHECKING, Final, NamedTuple

from dnslb.config.model import Family
from dnslb.health.checks.base import AgentMode
from dnslb.health.checks.group import leaves, verdict
from dnslb.health.checks.push import PushCheck
from dnslb.health.damping import Damped, damped
from dnslb.health.scheduler import ProbeKey
from dnslb.health.standing import ALWAYS_UP, OperatorState, Standing

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping

    from dnslb.config.model import Backend
    from dnslb.health.checks.base import Check
    from dnslb.health.history import History

__all__ = ["Before", "Pushed", "Transition", "Watched"]

_FAMILIES: Final = {4: Family.IPV4, 6: Family.IPV6}

RAMP_STEPS: Final = 10
"""In how many steps a slow start rises: each is a publish."""

TRANSITIONS: Final = 10
"""Changes of verdict that are remembered of a backend."""


@dataclass(frozen=True, slots=True)
class Before:
    """What was known of a backend under the previous configuration."""

    backend: Backend
    standing: Standing


class Pushed(NamedTuple):
    """A load that was told rather than found by a check."""

    damped: Damped
    at: float
    until: float  # when it no longer counts

    @classmethod
    def after(
        cls, old: Pushed | None, load: float, at: float, max_age: float, ttl: float
    ) -> Pushed:
        """What counts once `load` was told at the time `at`, for `max_age` seconds."""
        if old is None or old.until <= at:
            return cls(Damped.at_rest(load), at, at + max_age)
        passed = at - old.at
        counts = damped(old.damped, load, seconds=passed, ttl=ttl, interval=passed)
        return cls(counts, at, at + max_age)

    @property
    def load(self) -> float:
        """The load that counts."""
        return self.damped.load


class Transition(NamedTuple):
    """One change of a backend's verdict."""

    at: float  # seconds since 1970
    down: frozenset[Family]
    reason: str


class Watched:
    """A backend and its probes.

    What was known `before` holds until the probes that are new have a result.
    """

    __slots__ = (
        "_before", "_known", "_places", "backend", "families", "keys", "pushed", "returned",
        "slow_start", "transitions", "ttl", "was_down",
    )  # fmt: skip

    def __init__(
        self, backend: Backend, before: Before | None = None, slow_start: float = 0.0
    ) -> None:
        self.backend = backend
        self.slow_start = slow_start  # seconds
        self.ttl = 0.0  # seconds that resolvers keep answers with it
        self.returned: float | None = None  # when it last came back
        self.pushed: Pushed | None = None  # the load that was told through the API
        self.was_down = before is not None  # or whether any check has found it down
        self.transitions: deque[Transition] = deque(maxlen=TRANSITIONS)
        self.families: frozenset[Family] = frozenset()  # those that are watched
        self.keys: tuple[ProbeKey, ...] = ()
        if backend.check is None:
            return
        self._before = before.standing if before else ALWAYS_UP
        self._known = _families(before.backend) if before else frozenset()
        self._places = {family: _places(backend, family) for family in _families(backend)}
        self.families = frozenset(self._places)
        self.keys = tuple(
            dict.fromkeys(
                self._key(check, place)
                for places in self._places.values()
                for place in places
                for check in leaves(backend.check)
            )
        )

    def keep(self, old: Watched, standing: Standing) -> None:
        """Go on from what `old`, the same backend before, has met, and from where it stands."""
        if self.backend.check is not None:
            self._before = standing
        self.pushed, self.returned, self.was_down = old.pushed, old.returned, old.was_down
        self.transitions = old.transitions

    def note(self, standing: Standing, histories: Mapping[ProbeKey, History]) -> float:
        """Remember a change of verdict; returns its time, in seconds since 1970."""
        at = time.time()
        failed = any(histories[key].verdict is False for key in self.keys)
        self.was_down = self.was_down or failed
        self.transitions.append(Transition(at, standing.down, standing.reason))
        return at

    def over(self, families: Collection[Family]) -> str:
        """` over IPv6`, or nothing when these are all that the backend has."""
        words = {Family.IPV4: "IPv4", Family.IPV6: "IPv6"}
        some = [word for family, word in words.items() if family in families]
        return "" if self.families <= set(families) else f" over {' and '.join(some)}"

    def only_failed_by(
        self, key: ProbeKey, histories: Mapping[ProbeKey, History]
    ) -> frozenset[Family]:
        """The families that are down, and would not be if this probe passed."""
        return frozenset(
            family
            for family in self.families
            if self._verdict(family, histories) is False
            and self._verdict(family, histories, pardoned=key) is not False
        )

    def standing(
        self,
        histories: Mapping[ProbeKey, History],
        state: OperatorState = OperatorState.AUTO,
        now: float = 0.0,
    ) -> Standing:
        """Where the backend stands: its families' verdicts, its worst load and latency."""
        if not self.keys:
            load = self.pushed.load if self.pushed and self.pushed.until > now else None
            made = Standing(load=load, state=state, weight=self._ramp(now))
            return ALWAYS_UP if made == ALWAYS_UP else made
        before = self._before
        down = frozenset(
            family
            for family in self.families
            if self._is_down(family, self._verdict(family, histories))
        )
        speaking = [histories[key] for key in self.keys if histories[key].verdict]
        # one without a verdict has a weight from before a restart
        weights = [
            one.weight
            for one in map(histories.__getitem__, self.keys)
            if one.verdict is not False and one.weight is not None
        ]
        waiting = any(histories[key].last is None for key in self.keys)
        load = _most(one.load for one in speaking if one.load_until > now)
        if self.pushed is not None and self.pushed.until > now:
            load = _most((load, self.pushed.load))
        latency = _most(history.latency for history in speaking)
        modes = {histories[key].mode for key in self.keys} - {AgentMode.READY}
        return Standing(
            down,
            before.load if load is None and waiting else load,
            before.latency if latency is None and waiting else latency,
            state,
            self._reason(histories) if down else "",
            self._ramp(now) * min(weights, default=1.0),
            "maint" if AgentMode.MAINT in modes else "drain" if modes else "",
        )

    def due(self, histories: Mapping[ProbeKey, History], now: float) -> float:
        """When the standing changes by the passing of time alone; infinity for never."""
        times = [histories[key].load_until for key in self.keys if histories[key].load is not None]
        if self.pushed is not None:
            times.append(self.pushed.until)
        if self.slow_start and self.returned is not None:
            part = self.slow_start / RAMP_STEPS
            times += [self.returned + k * part for k in range(1, RAMP_STEPS)]
        return min((time for time in times if time > now), default=inf)

    def _ramp(self, now: float) -> float:
        """How much of its weight counts, so long after it returned."""
        if not self.slow_start or self.returned is None:
            return 1.0
        steps = int(max(0.0, now - self.returned) / self.slow_start * RAMP_STEPS + 1e-6) + 1
        return min(steps, RAMP_STEPS) / RAMP_STEPS

    def _verdict(
        self,
        family: Family,
        histories: Mapping[ProbeKey, History],
        *,
        pardoned: ProbeKey | None = None,
    ) -> bool | None:
        """The verdict over all places of a family; `pardoned` counts as passing."""

        def at(place: str) -> bool | None:
            def of(check: Check) -> bool | None:
                key = self._key(check, place)
                return True if key == pardoned else histories[key].verdict

            return verdict(self.backend.check, of) if self.backend.check else True

        verdicts = [at(place) for place in self._places[family]]
        if False in verdicts:
            return False
        return None if None in verdicts else True

    def _is_down(self, family: Family, verdict: bool | None) -> bool:  # noqa: FBT001 - one of three
        if verdict is None:
            return family not in self._known or family in self._before.down
        return not verdict

    def _key(self, check: Check, place: str) -> ProbeKey:
        if isinstance(check, PushCheck):
            zone, pool, name = self.backend.id
            return ProbeKey(check, f"{pool}/{name} in {zone}")
        return ProbeKey(check, check.address or place)

    def _reason(self, histories: Mapping[ProbeKey, History]) -> str:
        """Why, in an operator's words; the first of several reasons stands for all."""
        against = [key for key in self.keys if not histories[key].verdict]
        failed = [key for key in against if histories[key].failure]
        if not failed:
            return self._before.reason or f"no result yet; {against[0]}"
        more = f" and {len(against) - 1} more" if len(against) > 1 else ""
        return f"{histories[failed[0]].failure}; {failed[0]}{more}"


def _families(backend: Backend) -> frozenset[Family]:
    if backend.target is not None:
        return frozenset(Family)
    return frozenset(_FAMILIES[address.version] for address in backend.addresses)


def _places(backend: Backend, family: Family) -> tuple[str, ...]:
    """Where a backend is probed, unless a check says otherwise."""
    if backend.target is not None:
        # with its final dot, a name is not found in the hosts file
        return (backend.target.rstrip("."),)
    return tuple(map(str, backend.of(family)))


def _most(values: Iterable[float | None]) -> float | None:
    return max((value for value in values if value is not None), default=None)
