"""ORCA load reports in their binary form: just enough of protobuf to read two numbers.

`endpoint-load-metrics-bin` carries base64 of an xds.data.orca.v3.OrcaLoadReport. Of its fields 1 is
cpu_utilization and 9 is application_utilization, both doubles; the others are stepped over by their
wire type (https://protobuf.dev/programming-guides/encoding/).
"""

from __future__ import annotations

import base64
import binascii
import struct
from typing import Final

__all__ = ["BadWireError", "utilizations"]

CPU: Final = 1
APPLICATION: Final = 9
_NAMES: Final = {CPU: "cpu_utilization", APPLICATION: "application_utilization"}

VARINT, I64, LEN, I32 = 0, 1, 2, 5


class BadWireError(ValueError):
    """What is no such message; the text says why."""


def utilizations(header: str) -> dict[str, float]:
    """The utilizations in a header, by name; a later value takes the place of an earlier one.

    Raises:
        BadWireError: it is no base64, or no such message.
    """
    try:
        text = header.strip()
        # gRPC leaves padding out
        data = base64.b64decode(text + "=" * (-len(text) % 4), validate=True)
    except (binascii.Error, ValueError) as error:
        raise BadWireError("is no base64") from error
    found: dict[str, float] = {}
    at = 0
    while at < len(data):
        tag, at = _varint(data, at)
        field, kind = tag >> 3, tag & 7
        if field in _NAMES and kind != I64:
            raise BadWireError(f"has a {_NAMES[field]} that is no double")
        value, at = _value(data, at, kind)
        if field in _NAMES:
            (found[_NAMES[field]],) = struct.unpack("<d", value)
    return found


def _value(data: bytes, at: int, kind: int) -> tuple[bytes, int]:
    """The octets of a value, and where the next field begins."""
    if kind == VARINT:
        _, end = _varint(data, at)
    elif kind == I64:
        end = at + 8
    elif kind == I32:
        end = at + 4
    elif kind == LEN:
        size, at = _varint(data, at)
        end = at + size
    else:
        raise BadWireError(f"has a field of wire type {kind}")
    if end > len(data):
        raise BadWireError("ends within a field")
    return data[at:end], end


def _varint(data: bytes, at: int) -> tuple[int, int]:
    value = 0
    for place, octet in enumerate(data[at : at + 10]):
        value |= (octet & 0x7F) << 7 * place
        if octet < 0x80:
            return value, at + place + 1
    raise BadWireError("ends within a number")
