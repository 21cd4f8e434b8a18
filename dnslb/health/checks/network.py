"""What checks over TCP share: resolving, a time limit that knows the phase, errors as outcomes.

resolve ─▶ connect ─▶ (TLS handshake) ─▶ read
   │          │             │             │
  dns   connect-timeout    tls       read-timeout      when the time is up there
"""

from __future__ import annotations

import asyncio
import enum
import errno
import os
import socket
import ssl
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Final

from dnslb.health.checks.base import Outcome, Result

if TYPE_CHECKING:
    from collections.abc import Coroutine, Sequence

__all__ = ["AddressInfo", "Phase", "Progress", "diagnose", "resolve", "within"]

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
    9: "certificate is not valid yet",
    10: "certificate has expired",
    18: "certificate is self-signed",
    19: "certificate's issuer is not trusted",
    20: "certificate's issuer is not trusted",
    21: "certificate's issuer is not trusted",
    23: "certificate is revoked",
}


class Phase(enum.Enum):
    """How far a probe has come."""

    RESOLVE = enum.auto()
    CONNECT = enum.auto()
    HANDSHAKE = enum.auto()
    READ = enum.auto()
    BODY = enum.auto()


class Progress:
    """How far one probe has come, looked at when its time is up."""

    def __init__(self, *, tls: bool = False) -> None:
        self.reached = Phase.RESOLVE
        self._tls = tls
        self._sockets: list[socket.socket] = []

    def socket(self, info: AddressInfo) -> socket.socket:
        """Make the socket for a connection, and watch it."""
        made = socket.socket(*info[:3])
        made.setblocking(False)  # noqa: FBT003 - it takes no keyword
        self._sockets.append(made)
        return made

    @property
    def phase(self) -> Phase:
        """The phase now. Who connects tells when all is ready; before that, the sockets know."""
        if self.reached is Phase.CONNECT and any(map(_connected, self._sockets)):
            return self._after_connect
        return self.reached

    def phase_of(self, error: BaseException) -> Phase:
        """The phase in which `error` came. Sockets forget: a reset one was connected before."""
        was_connected = isinstance(error, ssl.SSLError) or _is_gone(error)
        if self.reached is Phase.CONNECT and was_connected:
            return self._after_connect
        return self.phase

    @property
    def _after_connect(self) -> Phase:
        return Phase.HANDSHAKE if self._tls else Phase.READ


async def within(seconds: float, progress: Progress, work: Coroutine[Any, Any, Result]) -> Result:
    """The result of `work`, or of being stopped after `seconds`; it carries its milliseconds."""
    started = time.perf_counter()
    task = asyncio.ensure_future(work)
    try:
        await asyncio.wait((task,), timeout=seconds)
        if not task.done():
            result = _late(progress.phase, seconds)
        elif task.cancelled():
            result = Result(Outcome.ERROR, "the probe was cancelled from inside")
        elif error := task.exception():
            result = diagnose(error, progress.phase_of(error))
        else:
            result = task.result()
        return replace(result, milliseconds=(time.perf_counter() - started) * 1000)
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


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


def diagnose(error: BaseException, phase: Phase) -> Result:
    """What an exception, met in `phase`, says about a backend."""
    if isinstance(error, socket.gaierror):
        return Result(Outcome.DNS, _lower(error.args[-1]))
    if isinstance(error, UnicodeError) and phase is Phase.RESOLVE:
        return Result(Outcome.DNS, "the name is no host name")
    if isinstance(error, ssl.SSLCertVerificationError):
        return Result(Outcome.TLS, _certificate(error))
    if isinstance(error, ssl.SSLEOFError | ssl.SSLZeroReturnError):
        return _gone(phase)
    if isinstance(error, ssl.SSLError):
        return Result(Outcome.TLS, _handshake(error))
    if isinstance(error, OSError):
        return _system(error, phase)
    return Result(Outcome.ERROR, f"{type(error).__name__}: {error}")


def _system(error: OSError, phase: Phase) -> Result:
    # by number first: a library's error for a reset has it, but not always the class
    number = error.errno
    if number == errno.ECONNREFUSED or isinstance(error, ConnectionRefusedError):
        return Result(Outcome.REFUSED, "connection refused")
    if _is_gone(error):
        return _gone(phase)
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


def _gone(phase: Phase) -> Result:
    if phase is Phase.HANDSHAKE:
        return Result(Outcome.TLS, "connection closed during the handshake")
    return Result(Outcome.RESET, "connection reset")


def _late(phase: Phase, seconds: float) -> Result:
    time_limit = f"{seconds:g}s" if seconds >= 1 else f"{seconds * 1000:g}ms"
    outcome, what = {
        Phase.RESOLVE: (Outcome.DNS, "no answer from the resolver"),
        Phase.CONNECT: (Outcome.CONNECT_TIMEOUT, "no connection"),
        Phase.HANDSHAKE: (Outcome.TLS, "no handshake"),
        Phase.READ: (Outcome.READ_TIMEOUT, "no response"),
        Phase.BODY: (Outcome.READ_TIMEOUT, "no complete response"),
    }[phase]
    return Result(outcome, f"{what} within {time_limit}")


def _certificate(error: ssl.SSLCertVerificationError) -> str:
    code = getattr(error, "verify_code", 0)
    message = getattr(error, "verify_message", "") or str(error)
    return _CERTIFICATE.get(code) or _lower(message.rstrip("."))


def _handshake(error: ssl.SSLError) -> str:
    # errors that Python makes itself have none
    reason = (getattr(error, "reason", None) or str(error)).replace("_", " ").lower()
    if "wrong version number" in reason or "record layer failure" in reason:
        return "the server does not speak TLS on this port"
    return f"handshake failed: {reason}"


def _connected(sock: socket.socket) -> bool:
    try:
        sock.getpeername()
    except OSError:
        return False
    return True


def _lower(text: object) -> str:
    """As the rest of a sentence."""
    text = str(text)
    return text if text[:2].isupper() else text[:1].lower() + text[1:]
