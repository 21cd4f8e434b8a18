"""What happens when time alone passes: at most one timer for each key."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Generic, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable, Collection

__all__ = ["Timers"]

K = TypeVar("K")


class Timers(Generic[K]):
    """Timers by key. `later` is the loop's `call_later`, unless a test brings its own."""

    def __init__(
        self,
        clock: Callable[[], float],
        later: Callable[[float, Callable[[], None]], asyncio.TimerHandle] | None = None,
    ) -> None:
        self._clock = clock
        self._later = later
        self._handles: dict[K, asyncio.TimerHandle] = {}

    def __contains__(self, key: K) -> bool:
        return key in self._handles

    def set(self, key: K, at: float, act: Callable[[], None]) -> None:
        """Call `act` at the time `at`, instead of what was set for `key` before."""
        self.drop(key)
        later = self._later or asyncio.get_running_loop().call_later

        def fire() -> None:
            self._handles.pop(key, None)
            act()

        self._handles[key] = later(max(0.0, at - self._clock()), fire)

    def drop(self, key: K) -> None:
        """Let what was set for `key` not happen."""
        if handle := self._handles.pop(key, None):
            handle.cancel()

    def keep(self, keys: Collection[K]) -> None:
        """Drop all but `keys`."""
        for key in [key for key in self._handles if key not in keys]:
            self.drop(key)
