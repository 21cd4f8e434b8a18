r"""Rdata: between zone-file format and the wire.

Words are read strictly (`fields`); how a type lies on the wire is dnslib's part. Each type may also
be written `\# 4 C0000201`, the form of RFC 3597, and a type unknown here only so.
"""

from __future__ import annotations

import binascii
from typing import TYPE_CHECKING, Final

import dnslib
from dnslib.label import DNSBuffer

from dnslb.zone.fields import Fields
from dnslb.zone.names import ROOT
from dnslb.zone.readers import ALIKE, READERS
from dnslb.zone.tokens import words
from dnslb.zone.types import type_name, type_number

if TYPE_CHECKING:
    from collections.abc import Sequence

    from dnslb.zone.tokens import Token

__all__ = ["RdataError", "parse_rdata", "rdata_text", "target_of", "type_name", "type_number"]

MAX_RDATA: Final = 0xFFFF

# dnslib has a class for DNAME, and does not read it
_CLASSES: Final[dict[str, type[dnslib.RD]]] = {**dnslib.RDMAP, "DNAME": dnslib.DNAME}


class RdataError(ValueError):
    """Text that is no rdata of its type; the message says so in one line."""


def parse_rdata(number: int, tokens: Sequence[Token], origin: bytes) -> bytes:
    """The wire form of the rdata that `tokens` write; names are relative to `origin`.

    Raises:
        RdataError: they write no rdata of type `number`.
    """
    name = type_name(number)
    written = " ".join(f'"{token.text}"' if token.quoted else token.text for token in tokens)
    text = written if len(written) <= 60 else f"{written[:57]}..."
    text = text if '"' in text else f'"{text}"'
    try:
        if tokens and tokens[0].text == "\\#" and not tokens[0].quoted:
            rdata = _generic(number, Fields(tokens[1:], origin))
        else:
            rdata = _known(name, Fields(tokens, origin))
    except ValueError as error:
        raise RdataError(f"{text} is no {name} rdata: {error}") from None
    if len(rdata) > MAX_RDATA:
        raise RdataError(f"{text} takes {len(rdata)} octets, {MAX_RDATA} is the most")
    return rdata


def rdata_text(number: int, rdata: bytes) -> str:
    r"""`rdata` in zone-file format; in the form of RFC 3597 where nothing better is known."""
    try:
        text = _text(type_name(number), rdata)
        # what does not read back as the same is not shown
        faithful = parse_rdata(number, words(text), ROOT) == rdata
    except Exception:  # noqa: BLE001 - dnslib's decoders raise whatever comes up
        return _generic_text(rdata)
    return text if faithful else _generic_text(rdata)


def target_of(number: int, rdata: bytes) -> bytes | None:
    """The name that an NS, CNAME, MX or SRV record points at; None for the other types."""
    skip = {2: 0, 5: 0, 15: 2, 33: 6}.get(number)
    return None if skip is None else rdata[skip:]


def _known(name: str, fields: Fields) -> bytes:
    reader = READERS.get(name)
    if reader is None:
        raise ValueError(r"write this type as \# <octets> <hexadecimal digits>")
    record = reader(fields)
    fields.end()
    return record if isinstance(record, bytes) else _packed(record)


def _packed(record: dnslib.RD) -> bytes:
    buffer = DNSBuffer()
    # the engine takes names uncompressed
    buffer.encode_name = buffer.encode_name_nocompress
    record.pack(buffer)
    return bytes(buffer.data)


def _generic(number: int, fields: Fields) -> bytes:
    length = fields.number("number of octets", 16)
    rdata = fields.hexadecimal("rdata") if length or fields.more() else b""
    if len(rdata) != length:
        raise ValueError(f"it says {length} octets and has {len(rdata)}")
    name = type_name(number)
    if name in READERS and not _well_formed(name, rdata):
        raise ValueError("a record of this type looks otherwise")
    return rdata


def _well_formed(name: str, rdata: bytes) -> bool:
    """Whether dnslib reads `rdata` as a record of the type, and writes the same."""
    if name not in _CLASSES:
        return bool(rdata)
    try:
        return _packed(_CLASSES[name].parse(DNSBuffer(rdata), len(rdata))) == rdata
    except Exception:  # noqa: BLE001 - dnslib's decoders raise whatever comes up
        return False


def _text(name: str, rdata: bytes) -> str:
    if name in {"TXT", "SPF"}:
        return " ".join(f'"{_string_text(string)}"' for string in _strings(rdata))
    text = str(_class(name).parse(DNSBuffer(rdata), len(rdata)).toZone())
    return text.replace(" echconfig=", " ech=")  # dnslib's name for it is that of a draft


def _generic_text(rdata: bytes) -> str:
    digits = binascii.hexlify(rdata).decode().upper()
    return f"\\# {len(rdata)} {digits}".rstrip()


def _strings(rdata: bytes) -> list[bytes]:
    strings, at = [], 0
    while at < len(rdata):
        strings.append(rdata[at + 1 : at + 1 + rdata[at]])
        at += 1 + rdata[at]
    return strings


def _string_text(value: bytes) -> str:
    return "".join(
        f"\\{chr(octet)}"
        if octet in b'"\\'
        else chr(octet)
        if 0x20 <= octet <= 0x7E
        else f"\\{octet:03d}"
        for octet in value
    )


def _class(name: str) -> type[dnslib.RD]:
    return _CLASSES.get(ALIKE.get(name, name), dnslib.RD)  # type: ignore[no-any-return]
