"""How the server and its probe processes talk: messages over a pair of sockets.

    length (4 octets) │ a pickled message │ length │ …

    server ─▶ Begin, then Change …         what to probe
    server ◀─ Report, Record …             what came of it, and what is to be logged

Both ends are the same program of the same user, joined by sockets that nobody else has: what
unpickling does is what they would do anyway.
"""

from __future__ import annotations

import asyncio
import pickle
from typing import TYPE_CHECKING, Final, NamedTuple

if TYPE_CHECKING:
    import logging
    from collections.abc import Callable, Mapping, Sequence

    from dnslb.health.checks.base import Result
    from dnslb.histogram import Counted

__all__ = ["Add", "Begin", "Change", "Link", "Record", "Report"]

HEADER: Final = 4


class Begin(NamedTuple):
    """The first message: what a process of the server's own would have."""

    environment: Mapping[str, str]
    level: int  # of `dnslb`'s logs


class Add(NamedTuple):
    """Places that one check is to probe. A check may be anybody's class, so it is packed apart."""

    check: bytes  # pickled
    places: Sequence[tuple[int, str]]  # by what number each is known from now on, and its address


class Change(NamedTuple):
    """What is probed from now on, and what no more."""

    adds: Sequence[Add]
    removes: Sequence[int]


class Report(NamedTuple):
    """Results since the last report; empty ones say that the process is alive."""

    results: Sequence[tuple[int, Result]]
    late: Counted | None


class Record(NamedTuple):
    """Something for the server's log."""

    record: logging.LogRecord


class Link(asyncio.Protocol):
    """One end. `on_message` gets each message; `on_end` is called when the other end is gone."""

    def __init__(self, on_message: Callable[[object], None], on_end: Callable[[], None]) -> None:
        self._on_message = on_message
        self._on_end = on_end
        self._transport: asyncio.Transport | None = None
        self._buffer = bytearray()

    def send(self, message: object) -> None:
        """Send; what cannot be sent any more is lost, and `on_end` will say so."""
        if self._transport is not None:
            packed = pickle.dumps(message, pickle.HIGHEST_PROTOCOL)
            self._transport.write(len(packed).to_bytes(HEADER, "big") + packed)

    def close(self) -> None:
        """End the connection. Does nothing twice."""
        if self._transport is not None:
            self._transport.abort()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Be ready to send."""
        self._transport = transport  # type: ignore[assignment] # a stream's

    def data_received(self, data: bytes) -> None:
        """Hand on the messages that are whole."""
        self._buffer += data
        at = 0
        while len(self._buffer) - at >= HEADER:
            start = at + HEADER
            end = start + int.from_bytes(self._buffer[at:start], "big")
            if len(self._buffer) < end:
                break
            message = pickle.loads(self._buffer[start:end])  # noqa: S301 # from our own process
            at = end
            self._on_message(message)
        del self._buffer[:at]

    def connection_lost(self, _: BaseException | None) -> None:
        """Tell that nothing more will come."""
        self._transport = None
        self._on_end()
