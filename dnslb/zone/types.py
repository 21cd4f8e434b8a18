"""Record types: between their names and numbers (RFC 3597 section 5 for those without a name)."""

from __future__ import annotations

import re
from typing import Final

from dnslib import QTYPE

__all__ = [
    "AAAA",
    "CNAME",
    "DNAME",
    "DS",
    "HTTPS",
    "MX",
    "NAMES",
    "NS",
    "NSEC",
    "RRSIG",
    "SOA",
    "SRV",
    "SVCB",
    "A",
    "is_meta",
    "type_name",
    "type_number",
]

NAMES: Final[dict[str, int]] = {
    # dnslib has HIP at 53 as well, which is the number of SMIMEA
    **{name: number for number, name in QTYPE.forward.items() if number != 53},
    "SMIMEA": 53,
}
"""The numbers of the types that have a name."""

_BY_NUMBER: Final = {number: name for name, number in NAMES.items()}
_GENERIC: Final = re.compile(r"TYPE([0-9]{1,5})", re.ASCII)

A: Final = 1
NS: Final = 2
CNAME: Final = 5
SOA: Final = 6
MX: Final = 15
AAAA: Final = 28
SRV: Final = 33
DNAME: Final = 39
DS: Final = 43
RRSIG: Final = 46
NSEC: Final = 47
SVCB: Final = 64
HTTPS: Final = 65


def type_number(text: str) -> int | None:
    """The number of the type called `text` in any letter case; None for what is no type."""
    name = text.upper()
    if name in NAMES:
        return NAMES[name]
    generic = _GENERIC.fullmatch(name)
    number = int(generic[1]) if generic else 0x10000
    return number if number <= 0xFFFF else None


def type_name(number: int) -> str:
    """The type's name, or `TYPE12345`."""
    return _BY_NUMBER.get(number, f"TYPE{number}")


def is_meta(number: int) -> bool:
    """Whether no record can have this type: it is of questions or of the protocol (RFC 6895)."""
    return number in {0, 41} or 128 <= number <= 255
