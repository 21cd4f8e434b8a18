"""The guard against mass removal: how many backends of a pool checks may take down at a time.

    falls within the window < limit  ─▶ it goes down
    limit reached                    ─▶ the pool is frozen: this one and all that fall after it
                                        stay up, until every one of them passes again, or the
                                        operator thaws the pool

When that many fail at once, the fault is more likely that of the checks than that of the backends.
Arithmetic without a clock: every fall comes with its time.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Collection

    from dnslb.config.model import BackendId

__all__ = ["Guard"]


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
        self.held &= set(backends)
        self._fallen = {name: at for name, at in self._fallen.items() if name in backends}

    def thaw(self) -> frozenset[BackendId]:
        """Let go of everything that is held up; returns it."""
        held, self.held = frozenset(self.held), set()
        # what is let go now is no news, and must not freeze the pool again
        self._fallen |= dict.fromkeys(held, float("-inf"))
        return held
