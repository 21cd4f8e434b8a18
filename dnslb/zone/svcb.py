"""The parameters of SVCB and HTTPS records (RFC 9460)."""

from __future__ import annotations

import base64
import binascii
import re
from ipaddress import IPv4Address, IPv6Address
from typing import TYPE_CHECKING, Final

from dnslb.zone.names import octets

if TYPE_CHECKING:
    from collections.abc import Iterable

__all__ = ["IPV4HINT", "IPV6HINT", "check_ech", "parameters"]

MANDATORY: Final = 0
ALPN: Final = 1
NO_DEFAULT_ALPN: Final = 2
PORT: Final = 3
IPV4HINT: Final = 4
ECH: Final = 5
IPV6HINT: Final = 6

ECH_VERSION: Final = 0xFE0D
"""The version of ECH that clients speak (draft-ietf-tls-esni, RFC 9849)."""

_KEYS: Final = {
    "mandatory": MANDATORY,
    "alpn": ALPN,
    "no-default-alpn": NO_DEFAULT_ALPN,
    "port": PORT,
    "ipv4hint": IPV4HINT,
    "ech": ECH,
    "ipv6hint": IPV6HINT,
    "dohpath": 7,  # RFC 9461
    "ohttp": 8,  # RFC 9540
}
_WITHOUT_VALUE: Final = {NO_DEFAULT_ALPN, 8}
_GENERIC: Final = re.compile(r"key(0|[1-9][0-9]{0,4})", re.ASCII)


def parameters(words: Iterable[str]) -> list[tuple[int, bytes]]:
    """The parameters that `words` write, in wire format and in the order of their keys.

    Raises:
        ValueError: one of them is wrong, stands twice, or is mandatory and missing.
    """
    found: dict[int, bytes] = {}
    for word in words:
        text, equals, value = word.partition("=")
        key = _key(text)
        if key in found:
            raise ValueError(f"{text} stands twice")
        if key in _WITHOUT_VALUE and value:
            raise ValueError(f"{text} takes no value")
        if text in _KEYS and key not in _WITHOUT_VALUE and not value:
            raise ValueError(f"{text} needs a value")
        try:
            found[key] = _value(key, value) if equals else b""
        except ValueError as error:
            raise ValueError(f"{word}: {error}") from None
    _check_mandatory(found)
    if NO_DEFAULT_ALPN in found and ALPN not in found:
        raise ValueError("no-default-alpn needs alpn")
    return sorted(found.items())


def check_ech(value: bytes) -> None:
    """Check that an `ech` parameter is an ECHConfigList: octets counted right, one of our version.

    Raises:
        ValueError: it is none; a client would ignore the record, or fail.
    """
    length, configs = int.from_bytes(value[:2], "big"), value[2:]
    if len(value) < 2 or length != len(configs) or not configs:
        raise ValueError(f"its length says {length} octets, and {len(configs)} follow")
    versions = set()
    while configs:
        size = int.from_bytes(configs[2:4], "big")
        if len(configs) < 4 + size or not size:
            raise ValueError("a configuration in it is cut off")
        versions.add(int.from_bytes(configs[:2], "big"))
        configs = configs[4 + size :]
    if ECH_VERSION not in versions:
        raise ValueError(f"none of its configurations is of version {ECH_VERSION:#x}")


def _key(text: str) -> int:
    if text in _KEYS:
        return _KEYS[text]
    generic = _GENERIC.fullmatch(text)
    if not generic or int(generic[1]) >= 0xFFFF:
        raise ValueError(f'"{text}" is no parameter; there are {", ".join(_KEYS)} and key12345')
    return int(generic[1])


def _value(key: int, text: str) -> bytes:
    if key == MANDATORY:
        keys = sorted({_key(item) for item in text.split(",")})
        return b"".join(item.to_bytes(2, "big") for item in keys)
    if key == ALPN:
        items = _items(octets(text))
        if not all(0 < len(item) < 256 for item in items):
            raise ValueError("an item is empty or longer than 255 octets")
        return b"".join(bytes([len(item)]) + item for item in items)
    if key == PORT:
        if not (text.isascii() and text.isdecimal() and len(text) < 6 and int(text) <= 0xFFFF):
            raise ValueError("a port is a number from 0 to 65535")
        return int(text).to_bytes(2, "big")
    if key == IPV4HINT:
        return b"".join(IPv4Address(item).packed for item in text.split(","))
    if key == IPV6HINT:
        return b"".join(IPv6Address(item).packed for item in text.split(","))
    if key == ECH:
        try:
            return base64.b64decode(text, validate=True)
        except binascii.Error:
            raise ValueError("is no base64 text") from None
    return octets(text)


def _items(value: bytes) -> list[bytes]:
    r"""The items of a list, in which `\,` is a comma and `\\` a backslash (RFC 9460, A.1)."""
    items = [bytearray()]
    escaped = False
    for octet in value:
        if escaped or octet not in b",\\":
            items[-1].append(octet)
            escaped = False
        elif octet == ord(","):
            items.append(bytearray())
        else:
            escaped = True
    if escaped:
        raise ValueError("a backslash ends the list")
    return [bytes(item) for item in items]


def _check_mandatory(found: dict[int, bytes]) -> None:
    wire = found.get(MANDATORY, b"")
    keys = [int.from_bytes(wire[at : at + 2], "big") for at in range(0, len(wire), 2)]
    if MANDATORY in keys:
        raise ValueError("mandatory cannot name itself")
    if missing := [key for key in keys if key not in found]:
        names = {number: name for name, number in _KEYS.items()}
        raise ValueError(f"{names.get(missing[0], f'key{missing[0]}')} is mandatory and missing")
