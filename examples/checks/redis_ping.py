"""A check of one's own: a Redis server that answers PING.

    PING ─▶ +PONG passes      -LOADING ..., -NOAUTH ... fail, in the server's own words

The connection, its time limit, names for what fails and `reuse` are `StreamCheck`'s.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from dnslb.health.checks.base import Outcome, Result
from dnslb.health.checks.network import FailedError, Phase
from dnslb.health.checks.stream import StreamCheck

if TYPE_CHECKING:
    from dnslb.health.checks.stream import Stream

__all__ = ["RedisPing"]

MAX_LINE = 512
"""Bytes of a reply that are waited for; a server of another protocol may never end a line."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RedisPing(StreamCheck):
    """Sends PING, after AUTH when there is a password. Its fields are the `options`."""

    PORTS: ClassVar[tuple[int | None, int | None]] = (6379, None)

    password: str = ""

    async def exchange(self, stream: Stream, address: str) -> Result:
        """Ask, and judge the answer."""
        del address
        if self.password:
            await self._ask(stream, "AUTH", self.password, expected="+OK")
        await self._ask(stream, "PING", expected="+PONG")
        stream.reusable = True
        return Result(Outcome.OK)

    async def _ask(self, stream: Stream, *words: str, expected: str) -> None:
        parts = [word.encode() for word in words]
        sizes = [b"$%d\r\n%s\r\n" % (len(part), part) for part in parts]
        stream.write(b"*%d\r\n%s" % (len(parts), b"".join(sizes)))
        reply = b""
        while not reply.endswith(b"\r\n"):
            if len(reply) > MAX_LINE:
                raise FailedError(Outcome.TOO_LARGE, "a reply without an end")
            reply += await stream.more()
            stream.progress.reached = Phase.BODY
        said = reply.decode(errors="replace").strip()
        if said.startswith("-"):
            raise FailedError(Outcome.STATUS, f"{words[0]}: {said[1:]}")
        if said != expected:
            raise FailedError(Outcome.MALFORMED, f"{words[0]}: {said!r}, expected {expected}")
