"""The gRPC check: asks the health service that gRPC servers have (grpc.health.v1).

A call is a POST over HTTP/2 whose verdict stands in the trailers; the messages of this one service
are so small that they are written here: field 1 of the request is the service's name, field 1 of
the response its status.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, Final
from urllib.parse import unquote

from dnslb import __version__
from dnslb.health.checks.base import Outcome, Result, authority
from dnslb.health.checks.h2stream import ALPN, ask
from dnslb.health.checks.network import FailedError
from dnslb.health.checks.stream import StreamCheck
from dnslb.health.checks.web import as_authority, line

if TYPE_CHECKING:
    from dnslb.health.checks.h2stream import Reply
    from dnslb.health.checks.stream import Stream

__all__ = ["GrpcCheck"]

PATH: Final = "/grpc.health.v1.Health/Check"
SERVING: Final = 1
STATUSES: Final = ("UNKNOWN", "SERVING", "NOT_SERVING", "SERVICE_UNKNOWN")
CODES: Final = (
    *("OK", "CANCELLED", "UNKNOWN", "INVALID_ARGUMENT", "DEADLINE_EXCEEDED", "NOT_FOUND"),
    *("ALREADY_EXISTS", "PERMISSION_DENIED", "RESOURCE_EXHAUSTED", "FAILED_PRECONDITION"),
    *("ABORTED", "OUT_OF_RANGE", "UNIMPLEMENTED", "INTERNAL", "UNAVAILABLE", "DATA_LOSS"),
    "UNAUTHENTICATED",
)
"""The names of status codes, by number (grpc/doc/statuscodes.md)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class GrpcCheck(StreamCheck):
    """One call; passes when the service is SERVING."""

    ALPN: ClassVar[tuple[str, ...]] = ALPN

    service: str = ""  # the whole server
    headers: tuple[tuple[str, str], ...] = ()

    async def exchange(self, stream: Stream, address: str) -> Result:
        """Make the call."""
        reply = await ask(stream, self._fields(address), _framed(_request(self.service)))
        if reply.status != 200:
            return Result(Outcome.STATUS, f"HTTP {reply.status}, expected 200")
        if not reply.headers.get("content-type", "").startswith("application/grpc"):
            return Result(Outcome.MALFORMED, "the response is none of gRPC")
        if not reply.whole:
            return Result(Outcome.TOO_LARGE, "the response is beyond 64 KiB")
        said = reply.headers | reply.trailers
        code = said.get("grpc-status")
        if code is None:
            return Result(Outcome.MALFORMED, "the response has no grpc-status")
        if code != "0":
            return Result(Outcome.STATUS, _failure(code, said.get("grpc-message", "")))
        status = _status(_message(reply))
        if status != SERVING:
            name = STATUSES[status] if status < len(STATUSES) else str(status)
            return Result(Outcome.STATUS, f"{name}, expected SERVING")
        if self.load is None:
            return Result(Outcome.OK)
        report = self.load.read(said, b"")
        return Result(Outcome.OK, load=report.load, note=report.problem)

    def where(self, address: str) -> str:
        """`192.0.2.10:50051 my.Service`."""
        return f"{authority(address, self.effective_port)} {self.service}".rstrip()

    def _fields(self, address: str) -> list[tuple[str, str]]:
        host = authority(self.name(address), self.effective_port)
        if self.host is not None:
            host = as_authority(self.host)
        return [
            (":method", "POST"),
            (":scheme", "https" if self.tls else "http"),
            (":authority", host),
            (":path", PATH),
            ("te", "trailers"),
            ("content-type", "application/grpc"),
            ("user-agent", f"dnslb/{__version__}"),
            *((name.lower(), value) for name, value in self.headers),
        ]


def _request(service: str) -> bytes:
    """HealthCheckRequest: field 1, a string."""
    name = service.encode()
    return b"\x0a" + _varint(len(name)) + name if name else b""


def _framed(message: bytes) -> bytes:
    """A message as it is sent: not compressed, with its length before it."""
    return b"\x00" + len(message).to_bytes(4, "big") + message


def _message(reply: Reply) -> bytes:
    """The one message of a response."""
    body = bytes(reply.body)
    if len(body) < 5 or body[0] or int.from_bytes(body[1:5], "big") != len(body) - 5:
        raise FailedError(Outcome.MALFORMED, "the response holds no whole message")
    return body[5:]


def _status(message: bytes) -> int:
    """The status in a HealthCheckResponse: field 1, an enum; without it 0, UNKNOWN."""
    if not message:
        return 0
    if len(message) == 2 and message[0] == 0x08 and message[1] < 0x80:
        return message[1]
    raise FailedError(Outcome.MALFORMED, "the message is none of the health service")


def _failure(code: str, message: str) -> str:
    number = int(code) if code.isascii() and code.isdecimal() else -1
    name = CODES[number] if 0 <= number < len(CODES) else line(code)
    words = line(unquote(message))
    return f"{name}: {words}" if words else name


def _varint(number: int) -> bytes:
    out = bytearray()
    while number > 0x7F:
        out.append(number & 0x7F | 0x80)
        number >>= 7
    out.append(number)
    return bytes(out)
