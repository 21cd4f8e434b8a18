"""The fields of rdata, read strictly from the words of zone-file format.

dnslib knows how each type is laid out on the wire; what a word may be is decided here.
"""

from __future__ import annotations

import base64
import binascii
import calendar
import re
import time
from contextlib import suppress
from ipaddress import AddressValueError, IPv4Address, IPv6Address
from typing import TYPE_CHECKING, Final

from dnslib import DNSLabel

from dnslb.zone.names import from_text, labels, octets
from dnslb.zone.types import type_name, type_number

if TYPE_CHECKING:
    from collections.abc import Sequence

    from dnslb.zone.tokens import Token

__all__ = ["Fields", "seconds"]

_UNITS: Final = {"s": 1, "m": 60, "h": 3600, "d": 86_400, "w": 604_800}
_TIME: Final = re.compile(r"[0-9]{1,10}|(?:[0-9]{1,10}[smhdw])+", re.ASCII | re.IGNORECASE)
_PART: Final = re.compile(r"([0-9]{1,10})([smhdw]?)", re.ASCII | re.IGNORECASE)
MAX_STRING: Final = 255

_ALGORITHMS: Final = {
    "DELETE": 0,
    "RSAMD5": 1,
    "DH": 2,
    "DSA": 3,
    "RSASHA1": 5,
    "DSA-NSEC3-SHA1": 6,
    "RSASHA1-NSEC3-SHA1": 7,
    "RSASHA256": 8,
    "RSASHA512": 10,
    "ECC-GOST": 12,
    "ECDSAP256SHA256": 13,
    "ECDSAP384SHA384": 14,
    "ED25519": 15,
    "ED448": 16,
    "INDIRECT": 252,
    "PRIVATEDNS": 253,
    "PRIVATEOID": 254,
}


def seconds(text: str) -> int | None:
    """A time as master files write it: `300`, `5m`, `1h30m`; None for anything else."""
    if not _TIME.fullmatch(text):
        return None
    total = sum(int(count) * _UNITS.get(unit.lower(), 1) for count, unit in _PART.findall(text))
    return total if total <= 0xFFFF_FFFF else None


class Fields:
    """Takes fields off a record's words, from the first to the last.

    Every method raises ValueError when the next word is missing or is no such field.
    """

    def __init__(self, tokens: Sequence[Token], origin: bytes) -> None:
        self._tokens = list(tokens)
        self._origin = origin
        self._at = 0

    def word(self, what: str) -> str:
        """The next word as it is written."""
        if self._at == len(self._tokens):
            raise ValueError(f"the {what} is missing")
        self._at += 1
        return self._tokens[self._at - 1].text

    def rest(self, what: str) -> list[str]:
        """All words that are left, one at least."""
        first = self.word(what)
        left = [token.text for token in self._tokens[self._at :]]
        self._at = len(self._tokens)
        return [first, *left]

    def more(self) -> bool:
        """Whether words are left."""
        return self._at < len(self._tokens)

    def end(self) -> None:
        """Nothing may be left."""
        if self.more():
            raise ValueError(f'"{self._tokens[self._at].text}" is one field too many')

    def number(self, what: str, bits: int) -> int:
        """An unsigned whole number."""
        text = self.word(what)
        most = (1 << bits) - 1
        if not (text.isascii() and text.isdecimal() and len(text) < 12 and int(text) <= most):
            raise ValueError(f'the {what} "{text}" is no whole number from 0 to {most}')
        return int(text)

    def time(self, what: str) -> int:
        """Seconds, with units or without."""
        text = self.word(what)
        value = seconds(text)
        if value is None:
            raise ValueError(f'the {what} "{text}" is no time such as 3600 or 1h')
        return value

    def moment(self, what: str) -> int:
        """A point in time, as YYYYMMDDHHMMSS or in seconds since 1970 (RFC 4034 section 3.2)."""
        text = self.word(what)
        if text.isascii() and text.isdecimal():
            if len(text) < 11 and int(text) <= 0xFFFF_FFFF:
                return int(text)
            with suppress(ValueError):
                if len(text) == 14:
                    return calendar.timegm(time.strptime(text, "%Y%m%d%H%M%S")) & 0xFFFF_FFFF
        raise ValueError(f'the {what} "{text}" is no time of the form YYYYMMDDHHMMSS')

    def name(self, what: str) -> DNSLabel:
        """A domain name, relative to the origin unless it ends in a dot."""
        text = self.word(what)
        try:
            return DNSLabel(list(labels(from_text(text, self._origin))))
        except ValueError as error:
            raise ValueError(f'the {what} "{text}" is no name: {error}') from None

    def ip4(self) -> IPv4Address:
        """An IPv4 address."""
        text = self.word("address")
        try:
            return IPv4Address(text)
        except AddressValueError:
            raise ValueError(f'"{text}" is no IPv4 address') from None

    def ip6(self) -> IPv6Address:
        """An IPv6 address."""
        text = self.word("address")
        try:
            address = IPv6Address(text)
        except AddressValueError:
            raise ValueError(f'"{text}" is no IPv6 address') from None
        if address.scope_id:
            raise ValueError(f'"{text}" has a zone index, which means nothing to others')
        return address

    def string(self, what: str) -> bytes:
        """A character-string of at most 255 octets."""
        value = octets(self.word(what))
        if len(value) > MAX_STRING:
            raise ValueError(f"the {what} has {len(value)} octets, {MAX_STRING} is the most")
        return value

    def strings(self, what: str) -> list[bytes]:
        """All that is left as character-strings; those beyond 255 octets become several."""
        return [
            value[start : start + MAX_STRING]
            for value in map(octets, self.rest(what))
            for start in range(0, len(value) or 1, MAX_STRING)
        ]

    def hexadecimal(self, what: str) -> bytes:
        """All that is left, as hexadecimal digits; space between them means nothing."""
        text = "".join(self.rest(what))
        try:
            return binascii.unhexlify(text)
        except ValueError:
            raise ValueError(f"the {what} is no row of pairs of hexadecimal digits") from None

    def base64(self, what: str) -> bytes:
        """All that is left, in base64; space means nothing."""
        try:
            return base64.b64decode("".join(self.rest(what)), validate=True)
        except ValueError:
            raise ValueError(f"the {what} is no base64") from None

    def algorithm(self) -> int:
        """A DNSSEC algorithm: its number, or its mnemonic (RFC 4034 appendix A.1)."""
        if self._at < len(self._tokens):
            number = _ALGORITHMS.get(self._tokens[self._at].text.upper())
            if number is not None:
                self._at += 1
                return number
        return self.number("algorithm", 8)

    def type(self, what: str) -> int:
        """A record type."""
        text = self.word(what)
        number = type_number(text)
        if number is None:
            raise ValueError(f'the {what} "{text}" is no record type')
        return number

    def types(self, what: str) -> list[str]:
        """All that is left, as the names of record types, each once."""
        names: dict[str, None] = {}
        for text in self.rest(what):
            number = type_number(text)
            if not number:
                raise ValueError(f'"{text}" is no record type')
            names[type_name(number)] = None
        return list(names)
