"""The UDP check: passes when a datagram is answered, with what is expected."""

from __future__ import annotations

import asyncio
import re
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

from dnslb.health.checks.base import Check, Kept, Outcome, Result
from dnslb.health.checks.datagram import BIGGEST, connected, first_to_pass
from dnslb.health.checks.network import Phase, Progress, resolve, within

if TYPE_CHECKING:
    from dnslb.health.checks.network import AddressInfo

__all__ = ["UdpCheck"]


@dataclass(frozen=True, slots=True, kw_only=True)
class UdpCheck(Check):
    """Sends one datagram to `port`; the first that comes back decides."""

    send: bytes = b""
    body: str | None = None  # a regular expression to be found in the answer; None: any will do

    async def probe(self, address: str, kept: Kept) -> Result:
        """Ask once. Silence, which may be a lost datagram, is a read-timeout."""
        del kept
        progress = Progress()
        return await within(self.timeout, progress, self._ask(address, progress))

    async def _ask(self, address: str, progress: Progress) -> Result:
        if self.port is None:
            return Result(Outcome.ERROR, "the check needs a port")
        infos = await resolve(address, self.port)
        progress.reached = Phase.READ
        return await first_to_pass(infos, partial(self._ask_one, progress), progress)

    async def _ask_one(self, progress: Progress, info: AddressInfo) -> Result:
        with connected(info) as sock:
            sock.send(self.send)
            answer = await asyncio.get_running_loop().sock_recv(sock, BIGGEST)
        progress.arrived(len(answer))
        if self.body is None or re.search(self.body, answer.decode(errors="replace")):
            return Result(Outcome.OK)
        return Result(Outcome.BODY, f"{self.body} is not in its {len(answer)} bytes")
