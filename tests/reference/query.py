"""Reading a query, and what is wrong with it; the checks stand in the order that decides."""

from __future__ import annotations

import struct
from dataclasses import dataclass

from reference.message import HEADER, OPCODE, OPT, QR, options
from reference.names import MAX_LABEL, MAX_NAME, Name

NOERROR, FORMERR, SERVFAIL, NXDOMAIN, NOTIMP, REFUSED = range(6)
YXDOMAIN, BADVERS, BADCOOKIE = 6, 16, 23

ECS, COOKIE, NSID, KEEPALIVE, PADDING, EDE, ZONEVERSION = 8, 10, 3, 11, 12, 15, 19

MOST_RECORDS = 8  # beside the question: a bound of ours, a query has one or two


class Silence(Exception):
    """No response at all."""


class Fault(Exception):
    """A response that is a header alone, with this rcode."""

    def __init__(self, rcode: int) -> None:
        super().__init__(rcode)
        self.rcode = rcode


@dataclass(frozen=True)
class Edns:
    """The OPT record of a query. No options are read of a version that is not ours."""

    size: int
    version: int
    do: bool
    malformed: bool  # the content of an option is wrong: FORMERR, and none of them is heeded
    options: tuple[tuple[int, bytes], ...]

    def option(self, code: int) -> bytes | None:
        """The first option with this code (RFC 7873 section 5.2)."""
        return next((value for one, value in self.options if one == code), None)


@dataclass(frozen=True)
class Query:
    """A well-formed query."""

    name: Name
    type: int
    klass: int
    question: bytes  # empty for none, which an OPT with a cookie may do (RFC 7873 section 5.4)
    edns: Edns | None


def read(packet: bytes) -> Query:
    """The query in `packet`.

    Raises:
        Silence: shorter than a header, or a response (answering one would start a loop).
        Fault: NOTIMP for opcodes but QUERY, FORMERR for what is no query.
    """
    if len(packet) < HEADER:
        raise Silence
    _, flags, questions, answers, authorities, additionals = struct.unpack_from("!6H", packet)
    if flags & QR:
        raise Silence
    if flags & OPCODE:
        raise Fault(NOTIMP)
    if questions > 1:
        raise Fault(FORMERR)  # RFC 9619
    at = HEADER
    name: Name = ()
    rtype = klass = 0
    if questions:
        name, at = _question_name(packet)
        if at + 4 > len(packet):
            raise Fault(FORMERR)
        rtype, klass = struct.unpack_from("!HH", packet, at)
        at += 4
    question = packet[HEADER:at]
    before = answers + authorities
    edns = None
    if before + additionals > MOST_RECORDS:
        raise Fault(FORMERR)
    for place in range(before + additionals):
        start = at
        at = _skip_owner(packet, at)
        if at + 10 > len(packet):
            raise Fault(FORMERR)
        kind, size, ttl, length = struct.unpack_from("!HHIH", packet, at)
        at += 10 + length
        if at > len(packet):
            raise Fault(FORMERR)
        if kind == OPT:
            # RFC 6891 section 6.1.1: one, of the root, in the additional section
            if edns is not None or packet[start] != 0 or place < before:
                raise Fault(FORMERR)
            edns = _edns(size, ttl, packet[at - length : at])
    if at != len(packet):
        raise Fault(FORMERR)  # octets that no count accounts for
    if not questions and (edns is None or edns.option(COOKIE) is None):
        raise Fault(FORMERR)
    return Query(name, rtype, klass, question, edns)


def _question_name(packet: bytes) -> tuple[Name, int]:
    """The name in question, which stands first in the message and so cannot be compressed."""
    labels = []
    at = HEADER
    while at < len(packet):
        length = packet[at]
        end = at + 1 + length
        if length > MAX_LABEL or end > len(packet) or end - HEADER > MAX_NAME:
            break
        if length == 0:
            return tuple(labels), end
        labels.append(packet[at + 1 : end])
        at = end
    raise Fault(FORMERR)


def _skip_owner(packet: bytes, at: int) -> int:
    """Where an owner ends; what is behind a pointer plays no part."""
    start = at
    while at < len(packet) and at - start <= MAX_NAME:
        length = packet[at]
        if length == 0 and at + 1 - start <= MAX_NAME:
            return at + 1
        if length >= 0xC0:
            return at + 2
        if length == 0 or length > MAX_LABEL:
            break
        at += 1 + length
    raise Fault(FORMERR)


def _edns(size: int, ttl: int, rdata: bytes) -> Edns:
    version, do = ttl >> 16 & 0xFF, bool(ttl & 0x8000)
    if version > 0:
        return Edns(size, version, do, malformed=False, options=())
    try:
        found = tuple(options(rdata))
    except ValueError:
        found = None
    if found is None or not all(_is_right(code, value) for code, value in found):
        return Edns(size, version, do, malformed=True, options=())
    return Edns(size, version, do, malformed=False, options=found)


def _is_right(code: int, value: bytes) -> bool:
    """Whether the content of an option is as a query may have it."""
    if code == ECS:
        return is_subnet(value)
    if code == COOKIE:
        return len(value) == 8 or 16 <= len(value) <= 40  # RFC 7873 section 5.2.2
    return True


def is_subnet(value: bytes) -> bool:
    """Whether a client subnet option is as a query may have it (RFC 7871 section 6)."""
    if len(value) < 4:
        return False
    family, source, scope = struct.unpack_from("!HBB", value)
    address = value[4:]
    bits = {1: 32, 2: 128}.get(family)
    if bits is None or source > bits or scope != 0:
        return False
    if len(address) != -(-source // 8):
        return False  # "truncated to the number of bits indicated ... padding with 0 bits"
    beyond = -source % 8
    return not address or address[-1] & ((1 << beyond) - 1) == 0
