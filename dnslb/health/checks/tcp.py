"""The TCP check: passes when a connection is made."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import aiohappyeyeballs

from dnslb.health.checks.base import Check, Outcome, Result
from dnslb.health.checks.network import Phase, Progress, resolve, within

if TYPE_CHECKING:
    from typing import Final

__all__ = ["TcpCheck"]

STAGGER: Final = 0.25
"""Seconds before a name's next address is tried beside the first (RFC 8305, section 5)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TcpCheck(Check):
    """Connects to `port`, and closes."""

    async def probe(self, address: str) -> Result:
        """Connect once. A target passes when one of its addresses does."""
        if self.port is None:
            return Result(Outcome.ERROR, "a TCP check needs a port")
        progress = Progress()
        return await within(self.timeout, progress, _connect(address, self.port, progress))


async def _connect(address: str, port: int, progress: Progress) -> Result:
    infos = await resolve(address, port)
    progress.reached = Phase.CONNECT
    connection = await aiohappyeyeballs.start_connection(infos, happy_eyeballs_delay=STAGGER)
    connection.close()
    return Result(Outcome.OK)
