"""The bodies of responses, unpacked with a bound."""

from __future__ import annotations

import zlib
from typing import Final

__all__ = ["MAX_BODY", "unpack"]

MAX_BODY: Final = 64 * 1024
"""Bytes of a body that are read, and of what they unpack to: a health page is shorter, and a check
is no download."""


def unpack(body: bytes, encoding: str) -> bytes:
    """The first 64 KiB of what `body` holds, however much it would unpack to.

    Raises:
        ValueError: it is not packed as the `Content-Encoding` header says, or in no known way.
    """
    encoding = encoding.strip().lower()
    if encoding in {"", "identity"}:
        return body
    if encoding not in {"gzip", "x-gzip", "deflate"}:
        raise ValueError("content-encoding is none that was asked for")
    try:
        # finds out by itself which of both it is
        return zlib.decompressobj(zlib.MAX_WBITS | 32).decompress(body, MAX_BODY)
    except zlib.error as error:
        raise ValueError(f"body is no {encoding}: {error}") from error
