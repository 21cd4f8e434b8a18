"""Canaries: what is known to work, so that a server that is cut off does not blame the backends.

a backend falls ─▶ every canary is probed at once ─▶ one passes ─▶ the fall counts
                                                 └─ all fail ─▶ isolated: nothing counts
isolated        ─▶ a canary passes again         ─▶ results count again, from the beginning
"""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING

from dnslb.health.checks.base import Outcome

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Sequence

    from dnslb.health.checks.base import Result
    from dnslb.health.scheduler import ProbeKey

__all__ = ["Canaries"]

log = logging.getLogger("dnslb.health")


class Canaries:
    """The canaries' last results, and what they say of this server.

    `probe` makes one probe; `on_turn` is called when the server is found to be cut off, or no
    longer.
    """

    def __init__(
        self,
        probe: Callable[[ProbeKey], Awaitable[Result]],
        on_turn: Callable[[bool], None],
    ) -> None:
        self._probe = probe
        self._on_turn = on_turn
        self._passes: dict[ProbeKey, bool | None] = {}
        self._asking: asyncio.Task[None] | None = None
        self._waiting: list[Callable[[], None]] = []
        self.isolated = False

    def configure(self, keys: Sequence[ProbeKey]) -> None:
        """Take these as the canaries."""
        self._passes = {key: self._passes.get(key) for key in keys}
        self._turn()

    def __contains__(self, key: ProbeKey) -> bool:
        return key in self._passes

    def __bool__(self) -> bool:
        return bool(self._passes)

    def add(self, key: ProbeKey, result: Result) -> None:
        """Take in a canary's result; that a probe could not be made says nothing."""
        if result.outcome is not Outcome.ERROR:
            self._passes[key] = result.ok
        self._turn()

    def confirm(self, then: Callable[[], None]) -> None:
        """Call `then` once every canary was probed anew."""
        self._waiting.append(then)
        if self._asking is None:
            self._asking = asyncio.get_running_loop().create_task(self._ask(), name="canaries")

    async def close(self) -> None:
        """End what is going on; nothing that waits is called."""
        self._waiting.clear()
        if self._asking is not None:
            self._asking.cancel()
            await asyncio.gather(self._asking, return_exceptions=True)

    async def _ask(self) -> None:
        try:
            while self._waiting:
                waiting, self._waiting = self._waiting, []
                keys = list(self._passes)
                results = await asyncio.gather(*(self._probe(key) for key in keys))
                for key, result in zip(keys, results, strict=True):
                    if key in self._passes and result.outcome is not Outcome.ERROR:
                        self._passes[key] = result.ok
                self._turn()
                for then in waiting:
                    then()
        finally:
            self._asking = None

    def _turn(self) -> None:
        isolated = bool(self._passes) and all(one is False for one in self._passes.values())
        if isolated == self.isolated:
            return
        self.isolated = isolated
        if isolated:
            log.error(
                "isolated: all %d canaries fail, so this server is cut off; "
                "verdicts stay as they are until one of them passes",
                len(self._passes),
            )
        else:
            log.warning("no longer isolated: results of checks count again")
        self._on_turn(isolated)
