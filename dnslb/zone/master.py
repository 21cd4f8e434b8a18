"""What the words of master files mean, for the engine that reads them (RFC 1035 section 5).

The engine reads by itself what is written plainly, which nearly all is, and asks here for the rest:
rare types, escapes, mistakes. So what a word means is defined here, once.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from dnslb.zone.fields import seconds
from dnslb.zone.names import from_text
from dnslb.zone.rdata import parse_rdata
from dnslb.zone.tokens import Token
from dnslb.zone.types import is_meta, type_number

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

__all__ = ["MAX_TTL", "Meaning"]

MAX_TTL: Final = 0x7FFF_FFFF
"""RFC 2181 section 8."""


class Meaning:
    """Answers the engine's questions; a ValueError says what is wrong with the words.

    `unreadable` says why a file cannot be read, of the system's error number and words.
    """

    def __init__(self, unreadable: Callable[[int | None, str], str]) -> None:
        self.unreadable = unreadable

    def rtype(self, text: str) -> int | None:
        """The number of a type of records; None when there is none of this name."""
        number = type_number(text)
        return None if number is None or is_meta(number) else number

    def name(self, text: str, origin: bytes) -> bytes:
        """A domain name in wire format."""
        try:
            return from_text(text, origin)
        except ValueError as error:
            raise ValueError(f'"{text}" is no name: {error}') from None

    def ttl(self, text: str) -> int:
        """A TTL in seconds."""
        value = seconds(text)
        if value is None or value > MAX_TTL:
            raise ValueError(f'"{text}" is no TTL such as 300 or 5m, up to {MAX_TTL}')
        return value

    def rdata(self, rtype: int, words: Sequence[tuple[str, bool]], origin: bytes) -> bytes:
        """Rdata in wire format, of words of which some are quoted."""
        return parse_rdata(rtype, [Token(text, quoted) for text, quoted in words], origin)
