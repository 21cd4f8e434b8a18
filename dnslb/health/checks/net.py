"""What network errors mean to an operator, in the same words for every protocol."""

from __future__ import annotations

import errno
import ssl
from typing import Final

from dnslb.health.checks.base import Outcome, Result

__all__ = ["failure", "place"]

UNREACHABLE: Final = {
    errno.EHOSTUNREACH,
    errno.ENETUNREACH,
    errno.EHOSTDOWN,
    errno.ENETDOWN,
    errno.EADDRNOTAVAIL,
    errno.EACCES,
}


def place(address: str, port: int) -> str:
    """`192.0.2.1:80` or `[2001:db8::1]:80`."""
    return f"[{address}]:{port}" if ":" in address else f"{address}:{port}"


def failure(error: OSError, where: str) -> Result:
    """The result of a probe of `where` that the system ended with `error`."""
    if isinstance(error, ssl.SSLError | ssl.CertificateError):
        return Result(Outcome.TLS, f"{where}: {_tls(error)}")
    if isinstance(error, ConnectionRefusedError):
        return Result(Outcome.REFUSED, f"{where} refuses connections")
    if isinstance(error, ConnectionResetError | BrokenPipeError | ConnectionAbortedError):
        return Result(Outcome.RESET, f"{where} reset the connection")
    reason = (error.strerror or str(error) or type(error).__name__).lower()
    if error.errno in UNREACHABLE:
        return Result(Outcome.UNREACHABLE, f"{where}: {reason}")
    return Result(Outcome.ERROR, f"{where}: {reason}")


def _tls(error: ssl.SSLError | ssl.CertificateError) -> str:
    if isinstance(error, ssl.SSLCertVerificationError):
        return f"the certificate does not pass: {error.verify_message.rstrip('.')}"
    reason = getattr(error, "reason", None)
    return str(reason).lower().replace("_", " ") if reason else str(error)
