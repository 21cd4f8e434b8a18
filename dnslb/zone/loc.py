"""LOC rdata: a place on Earth (RFC 1876 section 3), in whole thousandths of arc seconds."""

from __future__ import annotations

import re
import struct
from decimal import Decimal
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from dnslb.zone.fields import Fields

__all__ = ["location"]

_NUMBER: Final = re.compile(r"[0-9]{1,3}(\.[0-9]{1,3})?", re.ASCII)
_METRES: Final = re.compile(r"(-?[0-9]{1,8}(\.[0-9]{1,2})?)m?", re.ASCII)
_UNITS: Final = (3_600_000, 60_000, 1000)
MAX_CENTIMETRES: Final = 9 * 10**9


def location(fields: Fields) -> bytes:
    """Take `d [m [s]] N d [m [s]] E alt [size [horizontal [vertical]]]` off `fields`.

    Raises:
        ValueError: it is no such place.
    """
    latitude = _angle(fields, "latitude", ("N", "S"), 90)
    longitude = _angle(fields, "longitude", ("E", "W"), 180)
    altitude = _centimetres(fields.word("altitude")) + 10_000_000
    if not 0 <= altitude <= 0xFFFF_FFFF:
        raise ValueError("the altitude lies beyond -100000m and 42849672.95m")
    sizes = [100, 1_000_000, 1000]
    for index, what in enumerate(("size", "horizontal precision", "vertical precision")):
        if fields.more():
            sizes[index] = _centimetres(fields.word(what))
    return struct.pack("!B3B3I", 0, *map(_power, sizes), latitude, longitude, altitude)


def _angle(fields: Fields, what: str, signs: tuple[str, str], most: int) -> int:
    total = 0
    for unit in _UNITS:
        text = fields.word(what)
        if text.upper() in signs and total is not None and unit != _UNITS[0]:
            break
        value = Decimal(text) if _NUMBER.fullmatch(text) else Decimal(-1)
        whole = unit == _UNITS[-1] or value == int(value)
        if not (whole and 0 <= value < (most + 1 if unit == _UNITS[0] else 60)):
            raise ValueError(f'the {what} has "{text}" where a number or {" or ".join(signs)} goes')
        total += int(value * unit)
    else:
        text = fields.word(what)
    if text.upper() not in signs or total > most * _UNITS[0]:
        raise ValueError(f"the {what} is no angle such as 52 22 23.000 {signs[0]}")
    return (1 << 31) + (total if text.upper() == signs[0] else -total)


def _centimetres(text: str) -> int:
    match = _METRES.fullmatch(text)
    if not match:
        raise ValueError(f'"{text}" is no length such as 10m')
    return int(Decimal(match[1]) * 100)


def _power(centimetres: int) -> int:
    """The length as one digit and a power of ten, rounded down."""
    if not 0 <= centimetres <= MAX_CENTIMETRES:
        raise ValueError("a size lies beyond 0m and 90000000m")
    digits = str(centimetres)
    return int(digits[0]) << 4 | (len(digits) - 1)
