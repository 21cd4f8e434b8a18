"""The engine finds names as RFC 1034 section 4.3.2 is written down in `dnslb.zone.lookup`.

Zones of few labels are generated, so that wildcards, cuts, empty non-terminals, CNAME chains and
services meet; whole responses are compared.
"""

from __future__ import annotations

import struct
from ipaddress import IPv4Address

from dnslib import DNSQuestion, DNSRecord
from harness import need_engine
from hypothesis import example, given, settings
from hypothesis import strategies as st

from dnslb.config.model import Service, ServiceId, Zone
from dnslb.engine import new_engine
from dnslb.policy.compile import Compiler
from dnslb.zone.data import engine_zone
from dnslb.zone.lookup import Kind, ZoneIndex
from dnslb.zone.names import from_text, labels, relative, to_text
from dnslb.zone.records import RRset
from policy.making import backend, pool

need_engine()

ORIGIN = from_text("z.example.")
MAX_CHAIN = 8  # CNAMEs that one answer follows; the engine's bound

NUMBERS = {"A": 1, "NS": 2, "CNAME": 5, "SOA": 6, "MX": 15, "TXT": 16, "AAAA": 28, "DS": 43,
           "ANY": 255}  # fmt: skip

owners = st.lists(st.sampled_from(["a", "b", "*"]), min_size=1, max_size=4).map(
    lambda parts: from_text(".".join(parts), ORIGIN)
)
contents = st.sampled_from(["A", "TXT", "A TXT", "MX", "CNAME", "NS", "NS DS", "service"])
zones = st.tuples(
    st.dictionaries(owners, contents, max_size=8),
    st.lists(owners, min_size=8, max_size=8),
)


def rdata(kind, target):
    return {
        "A": bytes([192, 0, 2, 1]),
        "TXT": b"\x04text",
        "MX": b"\x00\x0a" + target,
        "CNAME": target,
        "NS": target,
        "DS": bytes([0, 1, 13, 2]) + bytes(32),
    }[kind]


def build(owned, targets):
    """A zone with what `owned` says at each name; CNAMEs and others point at `targets` in turn."""
    soa = from_text("ns.example.") * 2 + struct.pack("!5I", 1, 3600, 600, 86400, 60)
    rrsets = [
        RRset(ORIGIN, 6, 300, (soa,)),
        RRset(ORIGIN, 2, 300, (from_text("ns.example."),)),
    ]
    services = {}
    for place, (owner, what) in enumerate(owned.items()):
        kind = "A" if what.startswith("NS") and owner.startswith(b"\x01*") else what
        if kind == "service":
            name = relative(owner, ORIGIN)
            services[name] = Service(ServiceId("z.example.", name), pool(backend("b")))
            continue
        rrsets += [
            RRset(owner, NUMBERS[part], 300, (rdata(part, targets[place % len(targets)]),))
            for part in kind.split()
        ]
    return Zone("z.example.", tuple(rrsets), services, {})


class Oracle:
    """What a response to a question has to hold."""

    def __init__(self, zone):
        self.zone = zone
        self.index = ZoneIndex(zone)
        self.soa = [(to_text(ORIGIN), 6)]

    def respond(self, name, qtype):
        """Rcode, AA, and what stands in answer and authority section."""
        answer = []
        met = {name}
        for turn in range(MAX_CHAIN + 1):
            found = self.index.find(labels(name), qtype)
            if found.kind is Kind.DELEGATION:
                cut = [] if turn else [(to_text(found.rrset.owner), 2)]
                return 0, int(turn > 0), answer, cut
            if found.kind is not Kind.CNAME:
                rcode, more, authority = self.end(name, qtype, found)
                return rcode, 1, answer + more, authority
            target = found.rrset.rdatas[0]
            answer.append((to_text(name), 5, to_text(target)))
            if target in met or not target.endswith(ORIGIN):
                break
            met.add(target)
            name = target
        return 0, 1, answer, []

    def end(self, name, qtype, found):
        owner = to_text(name)
        if found.kind is Kind.ANY:
            return 0, [(owner, 13, None)], []
        if found.kind is Kind.SERVICE and qtype == 1:
            return 0, [(owner, 1, None)], []
        if found.kind is Kind.RRSET:
            rtype = found.rrset.type
            target = to_text(found.rrset.rdatas[0]) if rtype == 5 else None
            return 0, [(owner, rtype, target)], []
        return 3 if found.kind is Kind.NXDOMAIN else 0, [], self.soa


def said(packet):
    reply = DNSRecord.parse(packet)
    answer = [
        (str(record.rname), record.rtype, str(record.rdata) if record.rtype == 5 else None)
        for record in reply.rr
    ]
    authority = [(str(record.rname), record.rtype) for record in reply.auth]
    return reply.header.get_rcode(), reply.header.aa, answer, authority


questions = st.lists(
    st.tuples(
        st.lists(st.sampled_from(["a", "b", "*", "c"]), max_size=5).map(
            lambda parts: from_text(".".join(parts), ORIGIN) if parts else ORIGIN
        ),
        st.sampled_from(list(NUMBERS.values())),
    ),
    min_size=1,
    max_size=20,
)


@settings(max_examples=400)
@given(zones, questions)
@example(({from_text("*", ORIGIN): "CNAME"}, [from_text("a.b", ORIGIN)] * 8), [(ORIGIN, 1)])
@example(
    (
        {from_text(one, ORIGIN): "CNAME" for one in "ab"},
        [from_text(one, ORIGIN) for one in "baaaaaaa"],
    ),
    [(from_text("a", ORIGIN), 1), (from_text("c", ORIGIN), 1)],
)
@example(
    ({from_text("a.b", ORIGIN): "A", from_text("*.b", ORIGIN): "TXT"}, [ORIGIN] * 8),
    [(from_text("b", ORIGIN), 1), (from_text("x.a.b", ORIGIN), 16)],
)
def test_the_engine_agrees(content, asked):
    zone = build(*content)
    engine = new_engine()
    engine.publish(Compiler({}).services(zone.services.values()), [engine_zone(zone)])
    oracle = Oracle(zone)
    for name, qtype in asked:
        question = DNSRecord(q=DNSQuestion(to_text(name), qtype))
        got = said(engine.answer(bytes(question.pack()), str(IPv4Address("192.0.2.9")), "tcp"))
        expected = oracle.respond(name, qtype)
        assert got == expected, (to_text(name), qtype)
