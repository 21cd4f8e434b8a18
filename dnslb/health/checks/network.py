"""What checks over the network share: resolving, a time limit, names for what fails.

resolve ─▶ connect ─▶ (TLS handshake) ─▶ read
   │          │             │             │
  dns   connect-timeout    tls       read-timeout, or slow: when the time is up there
"""

from __future__ import annotations

import asyncio
import enum
import errno
import os
import socket
import ssl
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Final, cast

from dnslb.health.checks.base import Outcome, Result
from dnslb.health.limit import Limit

if TYPE_CHECKING:
    from collections.abc import Coroutine, Sequence

__all__ = [
    "AddressInfo",
    "FailedError",
    "Phase",
    "Progress",
    "closed",
    "diagnose",
    "is_numeric",
    "resolve",
    "within",
]

AddressInfo = tuple[int | socket.AddressFamily, int | socket.SocketKind, int, str, tuple[Any, ...]]
"""One of the tuples that `socket.getaddrinfo` gives."""

LOOKUPS: Final = 16
"""Names resolved at once. The threads are their own, so that a resolver that hangs holds up nothing
but checks."""

_resolvers: Final = ThreadPoolExecutor(LOOKUPS, thread_name_prefix="dnslb-resolve")

_LOCAL: Final = {
    errno.EMFILE,
    errno.ENFILE,
    errno.ENOBUFS,
    errno.ENOMEM,
    errno.EADDRNOTAVAIL,  # no local port is left
}
_GONE: Final = {errno.ECONNRESET, errno.ECONNABORTED, errno.EPIPE, errno.ENOTCONN}
_UNREACHABLE: Final = {
    errno.ENETUNREACH,
    errno.EHOSTUNREACH,
    errno.ENETDOWN,
    errno.EHOSTDOWN,
    errno.EACCES,  # a local packet filter says so
    errno.EPERM,
    errno.EAFNOSUPPORT,
}
_CERTIFICATE: Final = {  # of OpenSSL's X509_V_ERR_...
    9: (Outcome.TLS_EXPIRED, "certificate is not valid yet"),
    10: (Outcome.TLS_EXPIRED, "certificate has expired"),
    18: (Outcome.TLS_UNTRUSTED, "certificate is self-signed"),
    19: (Outcome.TLS_UNTRUSTED, "certificate's issuer is not trusted"),
    20: (Outcome.TLS_UNTRUSTED, "certificate's issuer is not trusted"),
    21: (Outcome.TLS_UNTRUSTED, "certificate's issuer is not trusted"),
    23: (Outcome.TLS, "certificate is revoked"),
}
_NO_COMMON: Final = (
    "unsupported protocol",
    "protocol version",
    "no protocols available",
    "no shared cipher",
    "handshake failure",
    "no application protocol",
    "inappropriate fallback",
)
"""Parts of OpenSSL's words for two sides without a version, cipher or protocol in common."""

STILL: Final = 1 / 3
"""Of the time limit: an answer of which something came within its last third was still coming."""


class Phase(enum.Enum):
    """How far a probe has come."""

    RESOLVE = enum.auto()
    CONNECT = enum.auto()
    HANDSHAKE = enum.auto()
    READ = enum.auto()
    BODY = enum.auto()


class Progress:
    """How far one probe has come, looked at when its time is up or something fails."""

    __slots__ = ("_last", "reached", "received")

    def __init__(self, reached: Phase = Phase.RESOLVE) -> None:
        self.reached = reached
        self.received = 0  # bytes of the answer
        self._last = 0.0

    def arrived(self, count: int) -> None:
        """Note that `count` bytes of the answer have come."""
        self.received += count
        self._last = time.perf_counter()

    def lately(self, seconds: float) -> bool:
        """Whether something came within the last `seconds`."""
        return self.received > 0 and time.perf_counter() - self._last < seconds


class FailedError(Exception):
    """What ends an attempt whose result is known."""

    def __init__(self, outcome: Outcome, detail: str) -> None:
        super().__init__(detail)
        self.result = Result(outcome, detail)


async def within(seconds: float, progress: Progress, work: Coroutine[Any, Any, Result]) -> Result:
    """The result of `work`, or of being stopped after `seconds`; it carries its milliseconds."""
    started = time.perf_counter()
    result = await _limited(seconds, progress, work)
    return result.taking((time.perf_counter() - started) * 1000)


INSIDE: Final = Result(Outcome.ERROR, "the probe was cancelled from inside")

if sys.version_info >= (3, 11):

    async def _limited(
        seconds: float, progress: Progress, work: Coroutine[Any, Any, Result]
    ) -> Result:
        # not asyncio.timeout, which sets a timer of its own for each
        task = cast("asyncio.Task[Any]", asyncio.current_task())
        before = task.cancelling()
        limit = Limit(seconds, task.cancel)
        try:
            return await work
        except asyncio.CancelledError:
            if task.cancelling() - limit.over > before:
                raise  # by somebody else, too
            return _late(progress, seconds) if limit.over else INSIDE
        except Exception as error:  # noqa: BLE001 # whatever it is has a name
            return _late(progress, seconds) if limit.over else diagnose(error, progress)
        finally:
            limit.end()
            if limit.over:
                task.uncancel()

else:

    async def _limited(
        seconds: float, progress: Progress, work: Coroutine[Any, Any, Result]
    ) -> Result:
        # a task of its own: who cancelled what cannot be told within one
        task = asyncio.ensure_future(work)
        try:
            await asyncio.wait((task,), timeout=seconds)
            if not task.done():
                return _late(progress, seconds)
            if task.cancelled():
                return INSIDE
            error = task.exception()
            return diagnose(error, progress) if error else task.result()
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)


@lru_cache(maxsize=32_768)
def is_numeric(host: str) -> bool:
    """Whether `host` is an address, of no zone, rather than a name."""
    try:
        socket.inet_pton(socket.AF_INET6 if ":" in host else socket.AF_INET, host)
    except (OSError, ValueError):
        return False
    return True


async def resolve(host: str, port: int) -> Sequence[AddressInfo]:
    """The addresses of `host`, which is an address or a name.

    Raises:
        socket.gaierror: there are none.
    """
    try:
        return socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_NUMERICHOST)
    except (socket.gaierror, UnicodeError):
        pass
    loop = asyncio.get_running_loop()
    return await loop.run_in_executor(
        _resolvers, lambda: socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    )


def diagnose(error: BaseException, progress: Progress) -> Result:
    """What an exception, met after `progress`, says about a backend."""
    phase = progress.reached
    if isinstance(error, FailedError):
        return error.result
    if isinstance(error, socket.gaierror):
        return Result(Outcome.DNS, _lower(error.args[-1]))
    if isinstance(error, UnicodeError) and phase is Phase.RESOLVE:
        return Result(Outcome.DNS, "the name is no host name")
    if isinstance(error, ssl.SSLCertVerificationError):
        return _certificate(error)
    if isinstance(error, ssl.SSLEOFError | ssl.SSLZeroReturnError):
        return _gone(progress)
    if isinstance(error, ssl.SSLError):
        return _tls(error)
    if isinstance(error, OSError):
        return _system(error, progress)
    return Result(Outcome.ERROR, f"{type(error).__name__}: {error}")


def closed(progress: Progress) -> FailedError:
    """The failure when the other side closes before its answer is whole."""
    if not progress.received:
        return FailedError(Outcome.CLOSED, "connection closed without a response")
    return FailedError(Outcome.CLOSED, "connection closed before the response was complete")


def _system(error: OSError, progress: Progress) -> Result:
    # by number first: a library's error for a reset has it, but not always the class
    number, phase = error.errno, progress.reached
    if number == errno.ECONNREFUSED or isinstance(error, ConnectionRefusedError):
        return Result(Outcome.REFUSED, "connection refused")
    if _is_gone(error):
        return _gone(progress)
    if number in _LOCAL:
        return Result(Outcome.ERROR, f"this machine: {_lower(os.strerror(number))}")
    if number == errno.ETIMEDOUT:
        if phase in {Phase.READ, Phase.BODY}:
            return Result(Outcome.READ_TIMEOUT, "the system gave up waiting")
        return Result(Outcome.CONNECT_TIMEOUT, "the system gave up connecting")
    if number in _UNREACHABLE:
        return Result(Outcome.UNREACHABLE, _lower(os.strerror(number)))
    if phase in {Phase.CONNECT, Phase.HANDSHAKE}:
        # several addresses, each failing in its own way
        return Result(Outcome.UNREACHABLE, _lower(error))
    return Result(Outcome.ERROR, f"{type(error).__name__}: {error}")


def _is_gone(error: BaseException) -> bool:
    """Whether a connection that was made is no more."""
    if isinstance(error, ConnectionRefusedError):
        return False
    return isinstance(error, ConnectionError) or getattr(error, "errno", None) in _GONE


def _gone(progress: Progress) -> Result:
    if progress.reached is Phase.CONNECT:
        return Result(Outcome.RESET, "connection reset while connecting")
    if progress.reached is Phase.HANDSHAKE:
        return Result(Outcome.TLS, "connection closed during the handshake")
    if progress.received:
        return Result(Outcome.RESET_MIDWAY, "connection reset within the response")
    return Result(Outcome.RESET, "connection reset before the response")


def _late(progress: Progress, seconds: float) -> Result:
    limit = f"{seconds:g}s" if seconds >= 1 else f"{seconds * 1000:g}ms"
    phase = progress.reached
    if phase in {Phase.READ, Phase.BODY} and progress.lately(seconds * STILL):
        count = f"{progress.received} bytes"
        return Result(Outcome.SLOW, f"still answering after {limit}, {count} so far")
    outcome, what = {
        Phase.RESOLVE: (Outcome.DNS, "no answer from the resolver"),
        Phase.CONNECT: (Outcome.CONNECT_TIMEOUT, "no connection"),
        Phase.HANDSHAKE: (Outcome.TLS, "no handshake"),
        Phase.READ: (Outcome.READ_TIMEOUT, "no response"),
        Phase.BODY: (Outcome.READ_TIMEOUT, "no complete response"),
    }[phase]
    return Result(outcome, f"{what} within {limit}")


def _certificate(error: ssl.SSLCertVerificationError) -> Result:
    known = _CERTIFICATE.get(getattr(error, "verify_code", 0))
    if known:
        return Result(*known)
    message = getattr(error, "verify_message", "") or str(error)
    outcome = Outcome.TLS_NAME if "mismatch" in message.lower() else Outcome.TLS
    return Result(outcome, _lower(message.rstrip(".")))


def _tls(error: ssl.SSLError) -> Result:
    # errors that Python makes itself have none
    reason = (getattr(error, "reason", None) or str(error)).replace("_", " ").lower()
    if "wrong version number" in reason or "record layer failure" in reason:
        return Result(Outcome.TLS_PROTOCOL, "the server does not speak TLS on this port")
    outcome = Outcome.TLS_PROTOCOL if any(part in reason for part in _NO_COMMON) else Outcome.TLS
    return Result(outcome, f"handshake failed: {reason}")


def _lower(text: object) -> str:
    """As the rest of a sentence."""
    text = str(text)
    return text if text[:2].isupper() else text[:1].lower() + text[1:]
