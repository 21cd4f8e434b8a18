"""The monitor: from the backends of a configuration to what is known of each.

    backends ─▶ distinct probes ─▶ results ─▶ rise and fall ─▶ standings ─▶ on_change

A backend is probed at each of its addresses. A family is down when any of its addresses is: an
answer carries them all. A check with an `address` of its own, and a backend with a target, have one
probe that speaks for both families.
"""

from __future__ import annotations

import asyncio
import logging
from collections import Counter, deque
from dataclasses import replace
from statistics import median
from typing import TYPE_CHECKING, Final

from dnslb.config.model import Family
from dnslb.health.scheduler import ProbeKey, Scheduler
from dnslb.health.standing import OperatorState, Standing
from dnslb.health.state import UNKNOWN, step

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping

    from dnslb.config.model import Backend, BackendId
    from dnslb.health.checks.base import Outcome, Result

__all__ = ["Monitor"]

RECENT: Final = 8
"""How many passed probes the latency is the median of."""

LOAD_KEPT: Final = 3
"""For how many passes without a report the last load counts."""

BOTH: Final = frozenset(Family)

log = logging.getLogger("dnslb.health")


class _Probe:
    """What is known from one probe."""

    def __init__(self) -> None:
        self.state = UNKNOWN
        self.last: Result | None = None
        self.load: float | None = None
        self.silent = 0  # passes since a load was reported
        self.latencies: deque[float] = deque(maxlen=RECENT)
        self.decided: asyncio.Event = asyncio.Event()
        self.backends: list[BackendId] = []

    def take(self, key: ProbeKey, result: Result) -> None:
        """Count one result."""
        self.last = result
        self.state = step(self.state, ok=result.ok, rise=key.check.rise, fall=key.check.fall)
        if result.ok:
            self.latencies.append(result.milliseconds)
            self.silent = 0 if result.load is not None else self.silent + 1
            if result.load is not None or self.silent > LOAD_KEPT:
                self.load = result.load
        self.decided.set()


class Monitor:
    """Keeps the standing of every backend. All calls belong to one event loop."""

    def __init__(
        self,
        on_change: Callable[[frozenset[BackendId]], None],
        scheduler: Callable[[Callable[[ProbeKey, Result], None]], Scheduler] = Scheduler,
    ) -> None:
        self._on_change = on_change
        self._scheduler = scheduler(self._on_result)
        self._probes: dict[ProbeKey, _Probe] = {}
        self._backends: dict[BackendId, tuple[tuple[frozenset[Family], ProbeKey], ...]] = {}
        self._standings: dict[BackendId, Standing] = {}
        self.results: Counter[Outcome] = Counter()

    def configure(self, backends: Iterable[Backend]) -> None:
        """Watch `backends` and nothing else.

        Probes that stay the same go on and keep their verdict. A backend whose check changed keeps
        its standing until the new one has a result; one that is new counts as down until then.
        """
        self._backends = {backend.id: tuple(_probes_of(backend)) for backend in backends}
        wanted: dict[ProbeKey, _Probe] = {}
        for backend, probes in self._backends.items():
            for _, key in probes:
                if key not in wanted:
                    wanted[key] = self._probes.get(key) or _Probe()
                    wanted[key].backends = []
                wanted[key].backends.append(backend)
        self._probes = wanted
        self._standings = {
            backend: self._standings.get(backend) or _unchecked(probes)
            for backend, probes in self._backends.items()
        }
        self._scheduler.want(wanted)
        self._update(self._backends)

    async def first_round(self, grace: float) -> bool:
        """Wait until every probe has had a result, for `grace` seconds at most.

        Returns whether all have. Backends without one stay down until theirs comes.
        """
        waiting = [asyncio.ensure_future(probe.decided.wait()) for probe in self._probes.values()]
        if not waiting:
            return True
        _, late = await asyncio.wait(waiting, timeout=grace)
        for task in late:
            task.cancel()
        if late:
            log.warning("%d checks have no result after %g s", len(late), grace)
        return not late

    def standing(self, backend: BackendId) -> Standing:
        """What is known of `backend`."""
        return self._standings[backend]

    def standings(self) -> Mapping[BackendId, Standing]:
        """What is known of every backend."""
        return self._standings

    def last(self, backend: BackendId) -> list[Result]:
        """The last result of each of the backend's probes."""
        probes = (self._probes[key] for _, key in self._backends[backend])
        return [probe.last for probe in probes if probe.last]

    def set_state(self, backend: BackendId, state: OperatorState) -> None:
        """Take the operator's word, which stands apart from the verdict."""
        old = self._standings[backend]
        if old.state is not state:
            self._standings[backend] = replace(old, state=state)
            log.info("backend %s: operator state %s", backend, state.value)
            self._on_change(frozenset({backend}))

    async def close(self) -> None:
        """End every probe."""
        await self._scheduler.close()

    def _on_result(self, key: ProbeKey, result: Result) -> None:
        self.results[result.outcome] += 1
        probe = self._probes.get(key)
        if probe is None:
            return  # the last result of a probe that is no longer wanted
        probe.take(key, result)
        log.debug("check of %s: %s", key.address, result)
        self._update(probe.backends)

    def _update(self, backends: Iterable[BackendId]) -> None:
        changed = set()
        for backend in backends:
            old = self._standings[backend]
            new = self._judge(backend, old)
            first = old.reason == _UNCHECKED != new.reason
            if first or new.down != old.down:
                self._tell(backend, old, new, first=first)
            if _differ(old, new):
                self._standings[backend] = new
                changed.add(backend)
            elif new.reason != old.reason:
                self._standings[backend] = replace(old, reason=new.reason)
        if changed:
            self._on_change(frozenset(changed))

    def _judge(self, backend: BackendId, old: Standing) -> Standing:
        probes = [(families, self._probes[key]) for families, key in self._backends[backend]]
        if any(probe.state.up is None for _, probe in probes):
            return old
        failing = [(families, probe) for families, probe in probes if not probe.state.up]
        reasons = dict.fromkeys(str(probe.last) for _, probe in failing if probe.last)
        loads = [probe.load for _, probe in probes if probe.load is not None]
        latencies = [median(probe.latencies) for _, probe in probes if probe.latencies]
        return Standing(
            down=frozenset().union(*(families for families, _ in failing)),
            load=max(loads, default=None),
            latency=max(latencies, default=None),
            state=old.state,
            reason="; ".join(reasons),
        )

    def _tell(self, backend: BackendId, old: Standing, new: Standing, *, first: bool) -> None:
        families = frozenset().union(*(families for families, _ in self._backends[backend]))

        def over(part: frozenset[Family]) -> str:
            return "" if part == families else " over " + " and ".join(_NAMES[f] for f in part)

        if lost := new.down if first else new.down - old.down:
            log.warning("backend %s down%s: %s", backend, over(lost), new.reason)
        if won := old.down - new.down:
            level = logging.DEBUG if first else logging.INFO
            log.log(level, "backend %s up%s", backend, over(won))


_NAMES: Final = {Family.IPV4: "IPv4", Family.IPV6: "IPv6"}

_UNCHECKED: Final = "not checked yet"


def _unchecked(probes: Iterable[tuple[frozenset[Family], ProbeKey]]) -> Standing:
    families = frozenset().union(*(families for families, _ in probes))
    return Standing(down=families, reason=_UNCHECKED if families else "")


def _probes_of(backend: Backend) -> Iterator[tuple[frozenset[Family], ProbeKey]]:
    check = backend.check
    if check is None:
        return
    if check.address is not None:
        yield BOTH, ProbeKey(check, check.address)
    elif backend.target is not None:
        yield BOTH, ProbeKey(check, backend.target.rstrip("."))
    else:
        for family in Family:
            for address in backend.of(family):
                yield frozenset({family}), ProbeKey(check, str(address))


def _differ(old: Standing, new: Standing) -> bool:
    """Whether a plan made with `new` may differ from one made with `old` by more than noise."""
    if (old.down, old.state) != (new.down, new.state):
        return True
    return _moved(old.load, new.load, 0.02, 0.0) or _moved(old.latency, new.latency, 0.5, 0.05)


def _moved(old: float | None, new: float | None, least: float, part: float) -> bool:
    """Whether a figure moved by at least `least` and by `part` of what it was."""
    if old is None or new is None:
        return old is not new
    return abs(new - old) >= max(least, part * old)
