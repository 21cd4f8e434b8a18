"""The guard against mass removal: how many backends of a pool checks may take down at a time.

    falls within the window < limit  ─▶ it goes down
    limit reached                    ─▶ the pool is frozen: this one and all that fall after it
                                        stay up, until every one of them passes again, or the
                                        operator thaws the pool

When that many fail at once, the fault is more likely that of the checks than that of the backends.
Arithmetic without a clock: every fall comes with its time.
"""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

    from dnslb.config.model import BackendId, Pool

__all__ = ["Guard", "Guards", "PoolKey"]

PoolKey = tuple[str, str]
"""A zone's origin and a pool's name."""


class Guard:
    """What went down lately in one pool, and what is held up."""

    def __init__(self, limit: int, within: float) -> None:
        self.limit = limit
        self.within = within  # seconds
        self.held: set[BackendId] = set()
        self._fallen: dict[BackendId, float] = {}

    @property
    def frozen(self) -> bool:
        """Whether nothing goes down."""
        return bool(self.held)

    def fall(self, backend: BackendId, at: float) -> bool:
        """Whether `backend`, whose checks failed at the time `at`, goes down."""
        if backend in self._fallen:
            return True
        recent = sum(1 for time in self._fallen.values() if at - time < self.within)
        if self.held or recent >= self.limit:
            self.held.add(backend)
            return False
        self._fallen[backend] = at
        return True

    def rise(self, backend: BackendId) -> None:
        """Note that the checks of `backend` pass."""
        self.held.discard(backend)
        self._fallen.pop(backend, None)

    def keep(self, backends: Collection[BackendId]) -> None:
        """Forget all others."""
        self.held = {name for name in self.held if name in backends}
        self._fallen = {name: at for name, at in self._fallen.items() if name in backends}

    def thaw(self) -> frozenset[BackendId]:
        """Let go of everything that is held up; returns it."""
        held, self.held = frozenset(self.held), set()
        # what is let go now is no news, and must not freeze the pool again
        self._fallen |= dict.fromkeys(held, float("-inf"))
        return held


class Guards:
    """The guards of all pools that have a `max_down`; other pools let everything fall."""

    def __init__(self) -> None:
        self._guards: dict[PoolKey, Guard] = {}

    def configure(self, pools: Mapping[PoolKey, Pool], checked: Collection[BackendId]) -> None:
        """Guard `pools`, of which the backends `checked` have a check.

        A guard keeps what it knows, also when its bound changes: a backend more or less must not
        let everything go down that a frozen pool holds up.
        """
        if all(pool.max_down is None for pool in pools.values()):
            self._guards = {}
            return
        checked = frozenset(checked)
        sizes = Counter((name.zone, name.pool) for name in checked)
        guards = {}
        for key, pool in pools.items():
            if pool.max_down is not None and sizes[key]:
                limit, within = pool.max_down.of(sizes[key]), pool.max_down.within
                guard = guards[key] = self._guards.get(key) or Guard(limit, within)
                guard.limit, guard.within = limit, within
                guard.keep(checked)
        self._guards = guards

    def fall(self, backend: BackendId, at: float) -> bool:
        """Whether `backend`, whose checks failed at the time `at`, goes down."""
        guard = self._of(backend)
        return guard is None or guard.fall(backend, at)

    def rise(self, backend: BackendId) -> None:
        """Note that the checks of `backend` pass."""
        if guard := self._of(backend):
            guard.rise(backend)

    def hold(self, backend: BackendId) -> None:
        """Hold `backend` up, which freezes its pool, if that has a guard."""
        if guard := self._of(backend):
            guard.held.add(backend)

    def holds(self, backend: BackendId) -> bool:
        """Whether `backend` is held up."""
        guard = self._of(backend)
        return guard is not None and backend in guard.held

    def frozen(self, backend: BackendId) -> bool:
        """Whether the pool of `backend` is frozen."""
        guard = self._of(backend)
        return guard is not None and guard.frozen

    def limit(self, backend: BackendId) -> int:
        """How many of the pool of `backend` may go down within its window; 0 without a guard."""
        guard = self._of(backend)
        return guard.limit if guard else 0

    def all_frozen(self) -> dict[PoolKey, frozenset[BackendId]]:
        """The pools that are frozen, with what is held up."""
        return {key: frozenset(one.held) for key, one in self._guards.items() if one.frozen}

    def thaw(self, pool: PoolKey) -> frozenset[BackendId]:
        """Let go of everything that `pool` holds up; returns it.

        Raises:
            KeyError: the pool has no guard.
        """
        return self._guards[pool].thaw()

    def _of(self, backend: BackendId) -> Guard | None:
        return self._guards.get((backend.zone, backend.pool))
