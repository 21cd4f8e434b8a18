"""The push check: nothing is probed, the backend reports by itself and has a deadline.

heartbeat through the API ─▶ ok, or as it says
no heartbeat within `deadline` ─▶ silent
"""

from __future__ import annotations

from dataclasses import dataclass

from dnslb.health.checks.base import Check, Kept, Outcome, Result

__all__ = ["PushCheck"]


@dataclass(frozen=True, slots=True, kw_only=True)
class PushCheck(Check):
    """Waits for heartbeats. One that is late is late: rise and fall are 1 unless said otherwise."""

    rise: int = 1
    fall: int = 1
    deadline: float = 30.0  # seconds from one heartbeat to the latest time for the next

    async def probe(self, address: str, kept: Kept) -> Result:
        """Never called: heartbeats come from outside, and the monitor watches the deadline."""
        del address, kept
        return Result(Outcome.ERROR, "a push check probes nothing")

    def where(self, address: str) -> str:
        """`heartbeat of europe/fra1`."""
        return f"heartbeat of {address}"
