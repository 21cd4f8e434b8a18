"""The bodies of responses: read, and unpacked, with a bound on both."""

from __future__ import annotations

import zlib
from typing import TYPE_CHECKING, Final

from aiohttp.http_exceptions import TransferEncodingError

from dnslb.health.checks.base import Outcome, Result

if TYPE_CHECKING:
    import aiohttp

__all__ = ["MAX_BODY", "broken", "read", "unpack"]

MAX_BODY: Final = 64 * 1024
"""Bytes of a body that are read, and of what they unpack to: a health page is shorter, and a check
is no download."""


async def read(stream: aiohttp.StreamReader) -> bytes:
    """The first 64 KiB of a body, or all of it."""
    body = bytearray()
    while len(body) < MAX_BODY and (part := await stream.read(MAX_BODY - len(body))):
        body += part
    return bytes(body)


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


def broken(error: aiohttp.ClientPayloadError) -> Result:
    """The result of a probe whose body ended before its time."""
    if isinstance(error.__cause__, TransferEncodingError):
        return Result(Outcome.MALFORMED, "chunked body is broken")
    return Result(Outcome.RESET, "connection closed before the body was complete")
