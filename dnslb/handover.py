"""Replacing a running server: the new process takes the sockets over, and no query is lost.

    new                                          old
    connects to state/replace.sock ───────────▶  looks at whose it is
      binds nothing that it is given  ◀───────── sockets (SCM_RIGHTS), verdicts, operator state
      checks, compiles, answers
      "ready" ────────────────────────────────▶  takes nothing new; answers what it has received
      goes on counting  ◀─────────────────────── the last of verdicts, operator state, counters
      opens the API                              serves its TCP clients until they go, and ends

Both answer for a moment, from the same sockets: a packet is answered by whoever reads it. If the
new one ends, or is silent for too long, before it is ready, the old one goes on as if nothing had
been.
"""

from __future__ import annotations

import asyncio
import json
import logging
import os
import socket
import struct
import sys
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final, cast

from dnslb import __version__
from dnslb.errors import ReplaceError
from dnslb.health.store import pack, unpack
from dnslb.listening import Given

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterator, Sequence
    from pathlib import Path

    from dnslb._engine import Stats
    from dnslb.health.store import Saved

__all__ = ["Offer", "Parting", "Predecessor", "Successor"]

NAME: Final = "replace.sock"

PATIENCE: Final = 120.0
"""Seconds that the new process may take from its connection until it answers: to compile large
zones, and for a first round of checks."""

PARTING: Final = 30.0
"""Seconds that the new process waits for the last word of the old one."""

BATCH: Final = 200
"""Files in one message; the kernel takes 253."""

LONGEST: Final = 1 << 30
"""Octets of a message, at the most: a hundred thousand backends have some 40 MB of state."""

HUNG_UP: Final = "the other process has hung up"

_LENGTH: Final = struct.Struct("!Q")
_CREDENTIALS: Final = struct.Struct("3i")

log = logging.getLogger("dnslb.replace")


@dataclass(frozen=True, slots=True)
class Parting:
    """What the old process leaves in the end; nothing if it ended without a word."""

    saved: Saved | None = None
    stats: Stats | None = None


@dataclass(slots=True)
class _Line:
    """A connection between the two processes."""

    sock: socket.socket
    pid: int = field(init=False)
    uid: int = field(init=False)

    def __post_init__(self) -> None:
        self.pid, self.uid = _peer(self.sock)

    async def tell(self, **message: object) -> None:
        data = json.dumps(message).encode()
        loop = asyncio.get_running_loop()
        await loop.sock_sendall(self.sock, _LENGTH.pack(len(data)) + data)

    async def hear(self) -> dict[str, Any]:
        """The next message.

        Raises:
            OSError: there is none.
        """
        (length,) = _LENGTH.unpack(await self._read(_LENGTH.size))
        if length > LONGEST:
            raise ConnectionError("the other process does not speak this language")
        message = json.loads(await self._read(length))
        return cast("dict[str, Any]", message)

    def hand(self, files: Sequence[int]) -> None:
        """Give these files to the other process."""
        for start in range(0, len(files), BATCH):
            socket.send_fds(self.sock, [b"F"], files[start : start + BATCH])
        self.sock.send(b".")

    async def take(self) -> list[int]:
        """The files that the other process gives."""
        found: list[int] = []
        try:
            while True:
                await _readable(self.sock)
                data, files, _, _ = socket.recv_fds(self.sock, 1, BATCH)
                found += files
                if data == b".":
                    return found
                if not data:
                    raise ConnectionError(HUNG_UP)  # noqa: TRY301 - what came must be closed
        except BaseException:
            for number in found:
                os.close(number)
            raise

    async def _read(self, length: int) -> bytes:
        loop = asyncio.get_running_loop()
        data = bytearray()
        while len(data) < length:
            part = await loop.sock_recv(self.sock, min(length - len(data), 1 << 20))
            if not part:
                raise ConnectionError(HUNG_UP)
            data += part
        return bytes(data)

    @contextmanager
    def within(self, seconds: float) -> Iterator[None]:
        """Hang up unless what is done in here ends in time."""
        loop = asyncio.get_running_loop()
        timer = loop.call_later(seconds, _hang_up, self.sock)
        try:
            yield
        finally:
            timer.cancel()

    def close(self) -> None:
        self.sock.close()


class Predecessor:
    """The running server, as the process that replaces it sees it."""

    def __init__(self, line: _Line, given: Given, saved: Saved | None) -> None:
        self._line = line
        self.given = given
        self.saved = saved

    @classmethod
    async def find(cls, folder: Path, uids: frozenset[int]) -> Predecessor | None:
        """The server that keeps its state in `folder`; None when there is none.

        `uids` are the users that it may run as.

        Raises:
            ReplaceError: there is one, but it does not hand over.
        """
        sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        try:
            with _address(folder) as address:
                sock.connect(address)
        except (FileNotFoundError, ConnectionRefusedError):
            sock.close()
            return None
        except OSError as error:
            sock.close()
            raise ReplaceError(f"{folder / NAME}: {error.strerror}") from error
        sock.settimeout(0)
        line = _Line(sock)
        if line.uid not in uids:
            line.close()
            raise ReplaceError(
                f"{folder / NAME} belongs to a process of user {line.uid}, which is trusted "
                "with nothing; see `user` and `state`"
            )
        try:
            with line.within(PATIENCE):
                files = await line.take()
                given = Given(tuple(files))
                message = await line.hear()
        except OSError as error:
            line.close()
            raise ReplaceError(
                f"the server that runs (process {line.pid}) hands nothing over: {error}; "
                "see its log"
            ) from error
        except BaseException:
            line.close()
            raise
        log.info("taking over from process %d, version %s", line.pid, message.get("version"))
        return cls(line, given, unpack(message.get("saved")))

    async def leave(self) -> Parting:
        """Say that this process answers now; returns once the old one takes nothing new."""
        try:
            with self._line.within(PARTING):
                await self._line.tell(ready=True)
                message = await self._line.hear()
            return Parting(unpack(message.get("saved")), _stats(message["stats"]))
        except (OSError, LookupError, TypeError, ValueError) as error:
            log.warning(
                "process %d left without a word (%s); counters begin anew", self._line.pid, error
            )
            return Parting()
        finally:
            self.close()

    def close(self) -> None:
        """Hang up; before `leave` the old process then goes on."""
        self._line.close()
        self.given.close()


class Successor:
    """The new process, as the one that it replaces sees it."""

    def __init__(self, line: _Line) -> None:
        self._line = line

    @property
    def pid(self) -> int:
        """The number of the process."""
        return self._line.pid

    async def offer(self, files: Sequence[int], saved: Saved) -> None:
        """Hand over sockets and state, and wait until it answers.

        Raises:
            OSError: it does not come to that.
        """
        with self._line.within(PATIENCE):
            self._line.hand(files)
            await self._line.tell(version=__version__, saved=pack(saved))
            await self._line.hear()

    async def part(self, saved: Saved, stats: Stats) -> None:
        """Leave it the rest; it goes on without, should it have gone."""
        with suppress(OSError), self._line.within(PARTING):
            await self._line.tell(saved=pack(saved), stats=_plain(stats))


class Offer:
    """Waits, in the folder of the state, for a process that takes over."""

    def __init__(self, folder: Path, hand_over: Callable[[Successor], Awaitable[None]]) -> None:
        """`hand_over` raises OSError when it came to nothing."""
        self._folder = folder
        self._hand_over = hand_over

    async def run(self) -> bool:
        """Serve, one after the other, those who come; returns whether one has taken over."""
        try:
            listener = self._open()
        except OSError as error:
            reason = error.strerror or error
            log.warning("%s: %s; this server cannot be replaced", self._folder / NAME, reason)
            return False
        with listener:
            while True:
                sock, _ = await asyncio.get_running_loop().sock_accept(listener)
                if await self._serve(sock):
                    return True

    async def _serve(self, sock: socket.socket) -> bool:
        """Whether who has come has taken over."""
        with sock:
            sock.settimeout(0)
            line = _Line(sock)
            if line.uid not in {0, os.geteuid()}:
                log.warning("process %d of user %d may not take over", line.pid, line.uid)
                return False
            log.info("process %d is to take over", line.pid)
            try:
                await self._hand_over(Successor(line))
            except (OSError, ValueError) as error:
                log.error("process %d has not taken over (%s): this one goes on", line.pid, error)
                return False
        return True

    def _open(self) -> socket.socket:
        # nobody else listens there: who has the folder's lock is alone
        with suppress(FileNotFoundError):
            (self._folder / NAME).unlink()
        listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        try:
            before = os.umask(0o177)
            try:
                with _address(self._folder) as address:
                    listener.bind(address)
            finally:
                os.umask(before)
            listener.listen(1)
            listener.settimeout(0)
        except OSError:
            listener.close()
            raise
        return listener


@contextmanager
def _address(folder: Path) -> Iterator[str]:
    """The address of the socket in `folder`, whose path may be longer than addresses can be."""
    if not sys.platform.startswith("linux"):
        yield str(folder / NAME)
        return
    opened = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        yield f"/proc/self/fd/{opened}/{NAME}"
    finally:
        os.close(opened)


def _peer(sock: socket.socket) -> tuple[int, int]:
    """Process and user at the other end."""
    if not hasattr(socket, "SO_PEERCRED"):
        return 0, os.geteuid()  # the folder's permissions decide
    data = sock.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _CREDENTIALS.size)
    pid, uid, _ = _CREDENTIALS.unpack(data)
    return pid, uid


async def _readable(sock: socket.socket) -> None:
    loop = asyncio.get_running_loop()
    ready = asyncio.Event()
    loop.add_reader(sock, ready.set)
    try:
        await ready.wait()
    finally:
        loop.remove_reader(sock)


def _hang_up(sock: socket.socket) -> None:
    with suppress(OSError):
        sock.shutdown(socket.SHUT_RDWR)


def _plain(stats: Stats) -> dict[str, object]:
    """Counters as JSON has them: names are no keys there."""
    return {
        **stats,
        "queries": [[*key, count] for key, count in stats["queries"].items()],
        "answers": [[*key, count] for key, count in stats["answers"].items()],
    }


def _stats(plain: dict[str, Any]) -> Stats:
    queries = {(transport, rcode): count for transport, rcode, count in plain["queries"]}
    answers = {(zone, service, pool, name): n for zone, service, pool, name, n in plain["answers"]}
    return cast("Stats", {**plain, "queries": queries, "answers": answers})
