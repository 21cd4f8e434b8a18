"""The commonest response of HTTP/1.1, read by hand: a plain head and a body that came with it.

    bytes ─▶ plain in every respect? ── yes ─▶ head and body
                      │ no
                      ▼
            None: a parser (h11) knows what it is, and what is wrong with it

A parser costs several times as much, and a server may have ten thousand backends to check. What is
taken here is understood by the parser in the same way.
"""

from __future__ import annotations

import re
from typing import Final, NamedTuple

from dnslb.health.checks.body import MAX_BODY

__all__ = ["Plain", "plain"]

MAX_HEAD: Final = 4096
"""Bytes of a head that is read by hand."""

HEAD: Final = re.compile(
    rb"HTTP/1\.1 ([2-5][0-9][0-9]) [ -~]*\r\n"
    rb"((?:[!#$%&'*+.^_`|~0-9A-Za-z-]+: [!-~](?:[ -~]*[!-~])?\r\n)*)\r\n"
)
LENGTH: Final = re.compile(r"[0-9]{1,6}")

NO_BODY: Final = {b"204", b"304"}
"""Status codes of responses that end with their head (RFC 9112, section 6.3)."""


class Plain(NamedTuple):
    """A response."""

    status: int
    headers: dict[str, str]  # names in lower case
    body: bytes
    lasts: bool  # whether the connection may be used again


def plain(data: bytes) -> Plain | None:
    """The response to a GET that `data` is, if it is all of one and plain."""
    found = HEAD.match(data, 0, MAX_HEAD)
    if found is None or found[1] in NO_BODY:
        return None
    headers: dict[str, str] = {}
    for line in found[2].decode("ascii").split("\r\n")[:-1]:
        name, _, value = line.partition(": ")
        name = name.lower()
        if name in headers:
            return None
        headers[name] = value
    length = headers.get("content-length", "")
    body = data[found.end() :]
    if (
        "transfer-encoding" in headers
        or not LENGTH.fullmatch(length)
        or int(length) != len(body)
        or len(body) >= MAX_BODY
    ):
        return None
    lasts = "close" not in headers.get("connection", "").lower()
    return Plain(int(found[1]), headers, body, lasts)
