"""Responses as plain values: read from packets of any server, or made by the reference.

Reading is strict: counts, lengths and compression must be right and no octet may be left over. Names
in rdata are decompressed, so that servers which compress differently can be compared.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass, field

from reference.names import MAX_NAME, Name, decode, encode, fold, is_within, octets, text

OPT = 41
HEADER = 12

QR, AA, TC, RD, RA, Z, AD, CD = 0x8000, 0x400, 0x200, 0x100, 0x80, 0x40, 0x20, 0x10
OPCODE = 0x7800

# Where names stand in the rdata of types whose names may come compressed (RFC 3597 section 4):
# octets before the first name, and how many names there are.
NAMES_IN_RDATA = {2: (0, 1), 5: (0, 1), 6: (0, 2), 12: (0, 1), 15: (2, 1), 33: (6, 1), 39: (0, 1)}


@dataclass(frozen=True, order=True)
class Record:
    """A resource record of class IN or CH."""

    owner: Name
    type: int
    ttl: int
    rdata: bytes  # names uncompressed
    klass: int = 1

    def __repr__(self) -> str:
        return f"<{text(self.owner)} {self.ttl} {self.klass} {self.type} {self.rdata!r}>"


@dataclass(frozen=True)
class Opt:
    """An OPT record without the rcode's upper bits (RFC 6891 section 6.1)."""

    size: int
    version: int
    flags: int
    options: tuple[tuple[int, bytes], ...] = ()


@dataclass(frozen=True)
class Response:
    """A whole response."""

    id: int
    flags: int  # the header's second word without the rcode
    rcode: int  # 12 bits, with those in OPT
    question: bytes = b""  # the section as it stands; empty for none
    answer: tuple[Record, ...] = ()
    authority: tuple[Record, ...] = ()
    additional: tuple[Record, ...] = ()  # OPT left out
    opt: Opt | None = None
    length: int = field(default=0, compare=False)  # octets, as received


def read(packet: bytes) -> Response:
    """The response in `packet`.

    Raises:
        ValueError: it is no well-formed message.
    """
    try:
        return _read(packet)
    except struct.error:
        raise ValueError("message too short") from None


def _read(packet: bytes) -> Response:
    ident, flags, questions, *counts = struct.unpack_from("!6H", packet)
    at = HEADER
    for _ in range(questions):
        _, at = decode(packet, at)
        at += 4
    question = packet[HEADER:at]
    sections: list[tuple[Record, ...]] = []
    opts: list[Record] = []
    for count in counts:
        records = []
        for _ in range(count):
            record, at = _record(packet, at)
            (opts if record.type == OPT else records).append(record)
        sections.append(tuple(records))
    if at != len(packet):
        raise ValueError(f"{len(packet) - at} octets behind the message")
    if len(opts) > 1 or any(opt.owner for opt in opts):
        raise ValueError("more than one OPT, or one that the root does not own")
    rcode = flags & 0xF
    opt = None
    for one in opts:
        rcode |= one.ttl >> 24 << 4
        version, bits = one.ttl >> 16 & 0xFF, one.ttl & 0xFFFF
        opt = Opt(one.klass, version, bits, tuple(sorted(options(one.rdata))))
    answer, authority, additional = sections
    return Response(
        ident, flags & ~0xF, rcode, question, answer, authority, additional, opt, len(packet)
    )


def _record(packet: bytes, at: int) -> tuple[Record, int]:
    owner, at = decode(packet, at)
    rtype, klass, ttl, length = struct.unpack_from("!HHIH", packet, at)
    at += 10
    end = at + length
    if end > len(packet):
        raise ValueError("rdata too short")
    rdata = packet[at:end]
    if rtype in NAMES_IN_RDATA:
        before, names = NAMES_IN_RDATA[rtype]
        rdata = packet[at : at + before]
        at += before
        for _ in range(names):
            name, at = decode(packet, at)
            rdata += encode(name)
        rdata += packet[at:end]
        if at > end:
            raise ValueError("a name goes beyond its rdata")
    return Record(owner, rtype, ttl, rdata, klass), end


def options(rdata: bytes) -> list[tuple[int, bytes]]:
    """The options of an OPT record (RFC 6891 section 6.1.2).

    Raises:
        ValueError: a length that does not agree with what is there.
    """
    found = []
    at = 0
    while at < len(rdata):
        if at + 4 > len(rdata):
            raise ValueError("half an option")
        code, length = struct.unpack_from("!HH", rdata, at)
        at += 4 + length
        if at > len(rdata):
            raise ValueError("an option longer than its record")
        found.append((code, rdata[at - length : at]))
    return found


def sizes(response: Response) -> tuple[int, int]:
    """The fewest and the most octets that `response` takes, however well its names are compressed.

    At the least an owner in answer or authority that the question's name holds is a pointer; a server
    need not find more.
    """
    fixed = HEADER + len(response.question)
    if response.opt:
        fixed += 11 + sum(4 + len(value) for _, value in response.opt.options)
    least = most = fixed
    qname = decode(response.question, 0)[0] if response.question else ()
    for record in (*response.answer, *response.authority, *response.additional):
        least += 12 + len(record.rdata) - _compressible(record)
        shared = is_within(qname, record.owner) and record not in response.additional
        most += 10 + (2 if shared else octets(record.owner)) + len(record.rdata)
    return least, most


def _compressible(record: Record) -> int:
    """Octets of rdata that compression may save."""
    if record.type not in NAMES_IN_RDATA:
        return 0
    before, names = NAMES_IN_RDATA[record.type]
    saved = 0
    at = before
    for _ in range(names):
        _, end = decode(record.rdata, at)
        saved += max(0, end - at - 2)
        at = end
    return min(saved, 2 * MAX_NAME)


def grouped(records: tuple[Record, ...]) -> list[tuple[object, ...]]:
    """The records as RRsets in their order; inside of an RRset order is free (RFC 1034 section 3.6),
    and so is the case of owners, which `owners_kept` looks at."""
    groups: list[tuple[tuple[object, ...], list[bytes]]] = []
    seen = set()
    for one in records:
        key = (fold(one.owner), one.klass, one.type, one.ttl)
        if (key, one.rdata) in seen:
            continue  # a record that stands twice says no more (RFC 2181 section 5)
        seen.add((key, one.rdata))
        if not groups or groups[-1][0] != key:
            groups.append((key, []))
        groups[-1][1].append(one.rdata)
    return [(*key, sorted(rdatas)) for key, rdatas in groups]


def comparable(response: Response) -> dict[str, object]:
    """All that is determined of a response."""
    return {
        "id": response.id,
        "flags": hex(response.flags),
        "rcode": response.rcode,
        "question": response.question,
        "answer": grouped(response.answer),
        "authority": grouped(response.authority),
        "additional": sorted(grouped(response.additional)),
        "opt": response.opt,
    }


def owners_kept(response: Response) -> bool:
    """Whether owners that are the name in question have its very octets, letter case included."""
    if not response.question:
        return True
    qname = decode(response.question, 0)[0]
    return all(
        record.owner == qname for record in response.answer if fold(record.owner) == fold(qname)
    )
