"""How checks verify certificates: contexts that are made once and follow their file."""

from __future__ import annotations

import asyncio
import ssl
import threading
from pathlib import Path
from typing import Final

__all__ = ["context_for"]

_made: Final[dict[tuple[str | None, bool], tuple[int, ssl.SSLContext]]] = {}
_making: Final = threading.Lock()


async def context_for(ca_file: str | None, *, verify: bool = True) -> ssl.SSLContext:
    """The context that trusts `ca_file`, a PEM bundle, or else the system's authorities.

    Without `verify` any certificate will do. A changed file is read anew.

    Raises:
        OSError: the file cannot be read; an `ssl.SSLError`, which is one too: it is no PEM bundle.
    """
    changed = _changed(ca_file)
    known = _made.get((ca_file, verify))
    if known is not None and known[0] == changed:
        return known[1]
    # reading the system's bundle takes tens of milliseconds, which the loop has not
    return await asyncio.to_thread(_make, ca_file, changed, verify=verify)


def _changed(ca_file: str | None) -> int:
    return Path(ca_file).stat().st_mtime_ns if ca_file else 0


def _make(ca_file: str | None, changed: int, *, verify: bool) -> ssl.SSLContext:
    with _making:
        known = _made.get((ca_file, verify))
        if known is not None and known[0] == changed:
            return known[1]
        context = ssl.create_default_context(cafile=ca_file)
        context.set_alpn_protocols(["http/1.1"])
        if not verify:
            context.check_hostname = False
            context.verify_mode = ssl.CERT_NONE
        _made[ca_file, verify] = (changed, context)
        return context
