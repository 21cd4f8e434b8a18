"""HTTP/2's frames, as they lie in a stream of bytes (RFC 9113, section 4.1).

The library h2 takes no frame after a GOAWAY, though a server that shuts down gracefully sends one
and answers then. So the frames are cut here, and h2 sees all but those.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple

from dnslb.health.checks.base import Outcome
from dnslb.health.checks.network import FailedError

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["MAX_FRAME", "Frames", "Goodbye"]

MAX_FRAME: Final = 16_384
"""Bytes of a frame's payload, unless its receiver allows more, which we do not."""

HEAD: Final = 9
GOAWAY: Final = 7


class Goodbye(NamedTuple):
    """A GOAWAY: requests after the stream `last` are not looked at (section 6.8)."""

    last: int
    code: int


class Frames:
    """What has come, cut into frames."""

    __slots__ = ("_pending",)

    def __init__(self) -> None:
        self._pending = bytearray()

    @property
    def partial(self) -> bool:
        """Whether a frame has begun that is not whole yet."""
        return bool(self._pending)

    def feed(self, data: bytes) -> None:
        """Take what has come."""
        self._pending += data

    def whole(self) -> Iterator[bytes | Goodbye]:
        """The frames that are whole by now, each as it came.

        Raises:
            FailedError: what came is no HTTP/2.
        """
        pending = self._pending
        while len(pending) >= HEAD:
            length = int.from_bytes(pending[:3], "big")
            if length > MAX_FRAME:
                raise _garbage(pending, length)
            if len(pending) < HEAD + length:
                return
            frame = bytes(pending[: HEAD + length])
            del pending[: HEAD + length]
            yield _goodbye(frame) if frame[3] == GOAWAY else frame


def _goodbye(frame: bytes) -> Goodbye:
    payload = frame[HEAD:]
    if len(payload) < 8 or any(frame[5:HEAD]):
        raise FailedError(Outcome.MALFORMED, "no HTTP/2: a GOAWAY that is none")
    last = int.from_bytes(payload[:4], "big") & 0x7FFF_FFFF  # the first bit means nothing
    return Goodbye(last, int.from_bytes(payload[4:8], "big"))


def _garbage(begins: bytearray, length: int) -> FailedError:
    if begins.startswith(b"HTTP/"):
        return FailedError(Outcome.MALFORMED, "no HTTP/2: the server answers as HTTP/1")
    return FailedError(Outcome.MALFORMED, f"no HTTP/2: a frame of {length} bytes")
