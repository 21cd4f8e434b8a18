"""How checks verify certificates: what is asked of them, and contexts that are made once."""

from __future__ import annotations

import asyncio
import ssl
import threading
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from dnslb.health.checks.base import Outcome
from dnslb.health.checks.network import FailedError

__all__ = ["Tls", "context_for"]

DAY: Final = 86_400.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Tls:
    """What is asked of a server's certificate."""

    verify: bool = True
    ca_file: str | None = None  # a PEM bundle to trust instead of the system's
    min_days: float | None = None  # days that the certificate must still be valid for

    def check_age(self, expires: float) -> None:
        """Look whether a certificate that ends at `expires`, in seconds since 1970, lasts.

        Raises:
            FailedError: it ends too soon.
        """
        days = (expires - time.time()) / DAY
        if self.min_days is not None and days < self.min_days:
            raise FailedError(
                Outcome.TLS_EXPIRED,
                f"certificate ends in {days:.1f} days, fewer than {self.min_days:g}",
            )


_made: Final[dict[tuple[Tls, tuple[str, ...]], tuple[int, ssl.SSLContext]]] = {}
_making: Final = threading.Lock()


async def context_for(tls: Tls, alpn: tuple[str, ...] = ()) -> ssl.SSLContext:
    """The context that verifies as `tls` says and offers the protocols `alpn`.

    A changed bundle is read anew.

    Raises:
        OSError: the file cannot be read; an `ssl.SSLError`, which is one too: it is no PEM bundle.
    """
    changed = _changed(tls.ca_file)
    known = _made.get((tls, alpn))
    if known is not None and known[0] == changed:
        return known[1]
    # reading the system's bundle takes tens of milliseconds, which the loop has not
    return await asyncio.to_thread(_make, tls, alpn, changed)


def _changed(ca_file: str | None) -> int:
    return Path(ca_file).stat().st_mtime_ns if ca_file else 0


def _make(tls: Tls, alpn: tuple[str, ...], changed: int) -> ssl.SSLContext:
    with _making:
        known = _made.get((tls, alpn))
        if known is not None and known[0] == changed:
            return known[1]
        context = ssl.create_default_context(cafile=tls.ca_file)
        if alpn:
            context.set_alpn_protocols(list(alpn))
        if not tls.verify:
            context.check_hostname = False
            context.verify_mode = ssl.CERT_NONE
        _made[tls, alpn] = (changed, context)
        return context
