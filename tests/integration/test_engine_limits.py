"""What hostile or unlucky traffic, and zones beyond measure, can do to the engine: nothing lasting."""

from __future__ import annotations

import struct
from types import SimpleNamespace

import pytest
from dnslib import EDNS0, RCODE, DNSQuestion, DNSRecord
from harness import need_engine

from dnslb.engine import new_engine
from dnslb.zone.names import from_text
from dnslb.zone.records import RRset

need_engine()

ORIGIN = from_text("z.example.")
SOA = RRset(ORIGIN, 6, 300, (ORIGIN * 2 + struct.pack("!5I", 1, 3600, 600, 86400, 60),))


def engine_with(*rrsets):
    engine = new_engine()
    engine.publish({}, [SimpleNamespace(origin=ORIGIN, rrsets=[SOA, *rrsets], services=[])])
    return engine


def test_the_version_of_edns_comes_before_its_options():
    odd = b"\x00\x08\xff"
    engine = engine_with()
    rcodes = {}
    for version in (0, 1):
        query = DNSRecord(q=DNSQuestion("z.example.", 6))
        query.add_ar(EDNS0(udp_len=1232, version=version))
        packet = bytes(query.pack())[:-2] + struct.pack("!H", len(odd)) + odd
        reply = DNSRecord.parse(engine.answer(packet, "192.0.2.1"))
        high = sum(record.edns_rcode for record in reply.ar)
        rcodes[version] = high << 4 | reply.header.rcode
    assert rcodes == {0: RCODE.FORMERR, 1: 16}


def test_a_circle_of_aliases_is_told_once():
    circle = ["a", "B", "c"]
    names = [from_text(one.lower(), ORIGIN) for one in circle]
    targets = [from_text(one, ORIGIN) for one in (*circle[1:], circle[0])]
    engine = engine_with(
        *(RRset(name, 5, 300, (target,)) for name, target in zip(names, targets, strict=True))
    )
    query = bytes(DNSRecord(q=DNSQuestion("A.z.example.", 1)).pack())
    reply = DNSRecord.parse(engine.answer(query, "192.0.2.1"))
    assert [str(record.rname).lower() for record in reply.rr] == [
        f"{one.lower()}.z.example." for one in circle
    ]


def test_a_delegation_that_no_message_holds():
    below = from_text("sub", ORIGIN)
    servers = tuple(from_text(f"n{number}", below) for number in range(1500))
    glue = [RRset(server, 1, 300, (bytes(4),)) for server in servers]
    with pytest.raises(ValueError, match=r"delegation sub\.z\.example\."):
        engine_with(RRset(below, 2, 300, servers), *glue)
