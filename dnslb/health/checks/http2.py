"""The HTTP/2 check: one request, over TLS (h2) or by prior knowledge without it (h2c)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from dnslb.health.checks.h2stream import ALPN, ask
from dnslb.health.checks.stream import StreamCheck
from dnslb.health.checks.web import WebCheck

if TYPE_CHECKING:
    from dnslb.health.checks.base import Result
    from dnslb.health.checks.stream import Stream

__all__ = ["Http2Check"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Http2Check(WebCheck, StreamCheck):
    """One request by HTTP/2."""

    ALPN: ClassVar[tuple[str, ...]] = ALPN

    async def exchange(self, stream: Stream, address: str) -> Result:
        """Make the request; its whole first 64 KiB must come in time."""
        reply = await ask(stream, self.fields(address), None)
        refused = self.refused(reply.status, reply.headers)
        return refused or self.judge(reply.headers, bytes(reply.body), whole=reply.whole)
