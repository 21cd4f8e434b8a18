"""The TCP check: passes when a connection is made, and what comes is what is expected."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from dnslb.health.checks.base import Outcome, Result
from dnslb.health.checks.body import MAX_BODY
from dnslb.health.checks.network import FailedError, Phase
from dnslb.health.checks.stream import StreamCheck

if TYPE_CHECKING:
    from dnslb.health.checks.stream import Stream

__all__ = ["TcpCheck"]


@dataclass(frozen=True, slots=True, kw_only=True)
class TcpCheck(StreamCheck):
    """Connects to `port`; then sends and expects, as far as it is told to."""

    send: bytes | None = None
    body: str | None = None  # a regular expression to be found in what comes

    async def exchange(self, stream: Stream, address: str) -> Result:
        """Send, and read until what is expected has come."""
        del address
        if self.send is not None:
            stream.write(self.send)
        if self.body is None:
            return Result(Outcome.OK)
        pattern = re.compile(self.body)
        answer = bytearray()
        while not pattern.search(answer.decode(errors="replace")):
            if len(answer) >= MAX_BODY:
                raise FailedError(
                    Outcome.TOO_LARGE, f"{self.body} is not in its first 64 KiB, and there is more"
                )
            data = await stream.read()
            if not data:
                return self._ended(bytes(answer))
            answer += data
            stream.progress.reached = Phase.BODY
        stream.reusable = self.send is not None
        return Result(Outcome.OK)

    def _ended(self, answer: bytes) -> Result:
        if not answer:
            return Result(Outcome.CLOSED, "connection closed without a response")
        return Result(Outcome.BODY, f"{self.body} is not in its {len(answer)} bytes")
