"""The engine answers what leaves say of further types: HTTPS, SVCB, SRV and MX."""

from __future__ import annotations

import struct
from collections import Counter
from fractions import Fraction
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import pytest
from dnslib import EDNS0, QTYPE, DNSQuestion, DNSRecord
from dnslib.label import DNSBuffer
from harness import ecs, need_engine
from hypothesis import assume, given
from hypothesis import strategies as st

from dnslb.config.model import Family, MxRecord, ServiceId, SrvRecord, SvcbRecord
from dnslb.engine import new_engine
from dnslb.policy.plan import Answer, Cycle, Hash, Records, ServicePlan
from dnslb.policy.records import write
from dnslb.policy.walk import chances, scope
from dnslb.zone.names import from_text
from dnslb.zone.records import RRset
from dnslb.zone.svcb import parameters
from policy.making import (
    TTL,
    backend,
    clients,
    compiled,
    full_leaves,
    full_turn,
    paths,
    plans,
    pool,
    service,
)

if TYPE_CHECKING:
    from dnslb.config.model import Address, Declared
    from dnslb.policy.plan import Node

need_engine()

ORIGIN = b"\x07example\x00"
SOA = ORIGIN * 2 + struct.pack("!5I", 1, 3600, 600, 86400, 60)
SERVICE = ServiceId("example.", "www")
ZONE = SimpleNamespace(
    origin=ORIGIN,
    rrsets=[
        RRset(ORIGIN, 6, 300, (SOA,)),
        RRset(b"\x05alias" + ORIGIN, 5, 60, (b"\x03www" + ORIGIN,)),
    ],
    services=[(b"\x03www" + ORIGIN, SERVICE)],
)
RESOLVER = "192.0.2.200"
DECLARED = {
    "https": SvcbRecord(65, parameters=tuple(parameters(["alpn=h2,h3", "port=8443"]))),
    "svcb": SvcbRecord(64, 7, from_text("svc.example."), hints=False),
    "srv": SrvRecord(5060, 10),
    "mx": MxRecord(20),
}
ALL = st.sampled_from([*DECLARED.values()])


class Asked:
    """An engine that serves one service, and what it answers."""

    def __init__(self, plan: ServicePlan) -> None:
        self.engine = new_engine()
        self.engine.publish({SERVICE: plan}, [ZONE])

    def reply(
        self,
        qtype: str | int,
        client: Address | str = RESOLVER,
        *,
        name: str = "www.example",
        size: int = 1232,
        source: object = None,
        transport: str = "udp",
    ) -> DNSRecord:
        number = qtype if isinstance(qtype, int) else getattr(QTYPE, qtype)
        question = DNSRecord(q=DNSQuestion(name, number))
        if size > 512:
            question.add_ar(EDNS0(udp_len=size, opts=[ecs(str(source))] if source else []))
        packet = self.engine.answer(bytes(question.pack()), str(client), transport)
        assert packet is not None
        return DNSRecord.parse(packet)


def rdata(record: Any) -> bytes:
    """The rdata of a record, which dnslib read, as dnslib writes it without compression."""
    buffer = DNSBuffer()
    buffer.encode_name = buffer.encode_name_nocompress
    record.rdata.pack(buffer)
    return bytes(buffer.data)


def said(reply: DNSRecord) -> tuple:
    """The rcode, and the records in their order."""
    return reply.header.rcode, tuple((one.rtype, one.ttl, rdata(one)) for one in reply.rr)


def expected(leaf: Answer, number: int) -> tuple:
    """What a leaf looks like in a response."""
    rdatas = leaf.records.rdatas if leaf.records else ()
    return leaf.rcode, tuple((number, leaf.ttl, one) for one in rdatas)


def written(root: Node, declared: Declared) -> Node:
    """`root` with what is declared in its leaves, for backends called as in `making`."""
    backends = {one for leaf, _ in chances(root) for one in leaf.backends}
    of = service(pool(*backends or [backend("a")]), declared=[declared])
    return write(root, of, declared, lambda one, family: bool(one.of(family)))


@given(plans(), ALL, clients)
def test_answers_are_leaves_that_the_client_can_get(root, declared, client):
    root = written(root, declared)
    asked = Asked(ServicePlan(further={declared.type: root}))
    possible = {expected(leaf, declared.type) for leaf, _ in chances(root, client)}
    for _ in range(8):
        assert said(asked.reply(declared.type, client)) in possible


@given(plans(kinds=(Hash,), ends=full_leaves), clients)
def test_a_bound_client_meets_one_backend_by_every_type(root, client):
    further = {one.type: written(root, one) for one in DECLARED.values()}
    asked = Asked(ServicePlan(root, further=further))
    ((leaf, _),) = chances(root, client)
    found = {str(record.rdata) for record in asked.reply("A", client).rr}
    assert found == {str(one.of(Family.IPV4)[0]) for one in leaf.backends}
    (https,) = asked.reply("HTTPS", client).rr
    hint = dict(https.rdata.params)[4]
    assert hint == b"".join(one.of(Family.IPV4)[0].packed for one in leaf.backends)
    targets = [str(record.rdata.target) for record in asked.reply("SRV", client).rr]
    assert targets == [f"{one.id.name}.hosts.example." for one in leaf.backends]


@given(plans(kinds=(Cycle,), ends=full_leaves, inner=3), ALL)
def test_cycles_are_exact_over_full_turns(root, declared):
    root = written(root, declared)
    queries = full_turn(root)
    assume(queries <= 500)
    counts: dict[tuple, Fraction] = {}
    for leaf, chance in paths(root):
        key = expected(leaf, declared.type)
        counts[key] = counts.get(key, Fraction(0)) + chance * queries
    asked = Asked(ServicePlan(further={declared.type: root}))
    assert Counter(said(asked.reply(declared.type)) for _ in range(queries)) == counts


@pytest.mark.parametrize("declared", DECLARED.values(), ids=DECLARED)
def test_weights_are_exact(declared):
    plan = compiled(pool((backend("a"), 3), (backend("b"), 2)), declared=[declared])
    asked = Asked(plan)
    found = Counter(said(asked.reply(declared.type)) for _ in range(500))
    if len(found) > 1:
        assert sorted(found.values()) == [200, 300]
    assert set(found) == {
        expected(leaf, declared.type) for leaf, _ in chances(plan.further[declared.type])
    }


def test_every_type_has_turns_of_its_own():
    leaves = [Answer((backend(name),), TTL) for name in "ab"]
    root = Cycle(tuple(leaves))
    https = DECLARED["https"]
    asked = Asked(ServicePlan(root, further={65: written(root, https)}))
    for name in "abab":
        (address,) = asked.reply("A").rr
        (record,) = asked.reply("HTTPS").rr
        packed = backend(name).addresses[0].packed
        assert rdata(address) == packed
        assert dict(record.rdata.params)[4] == packed


def test_turns_go_on_when_a_type_joins_in():
    root = Cycle(tuple(Answer((backend(name),), TTL) for name in "abc"))
    asked = Asked(ServicePlan(aaaa=None, a=root))
    first = said(asked.reply("A"))
    asked.engine.publish({SERVICE: ServicePlan(root, further={65: written(root, SvcbRecord(65))})})
    assert said(asked.reply("A")) != first
    assert said(asked.reply("HTTPS")) == expected(written(root, SvcbRecord(65)).steps[0], 65)


def test_a_type_of_its_own_comes_before_the_cname_for_all_others():
    cname = Answer((backend("x", target="x.example.net."),), TTL)
    leaf = Answer((), TTL, records=Records((b"\0\x01\0",)))
    asked = Asked(ServicePlan(cname, cname, cname, {65: leaf}))
    assert said(asked.reply("HTTPS")) == (0, ((65, TTL, b"\0\x01\0"),))
    assert asked.reply("TXT").rr[0].rtype == 5


def mail(count: int) -> ServicePlan:
    """MX records of so many backends."""
    backends = [backend(f"b{number}", "46") for number in range(1, count + 1)]
    return compiled(pool(*backends, strategy="failover"), answers=count, declared=[MxRecord()])


def test_addresses_of_targets_come_along():
    reply = Asked(mail(2)).reply("MX")
    assert [str(one.rdata) for one in reply.rr] == ["10 b1.hosts.example.", "11 b2.hosts.example."]
    extra = [
        (str(one.rname), one.rtype, one.ttl, str(one.rdata)) for one in reply.ar if one.rtype != 41
    ]
    assert extra == [
        ("b1.hosts.example.", 1, 300, "192.0.2.1"),
        ("b1.hosts.example.", 28, 300, "2001:db8::1"),
        ("b2.hosts.example.", 1, 300, "192.0.2.2"),
        ("b2.hosts.example.", 28, 300, "2001:db8::2"),
    ]


def test_they_stay_behind_where_they_do_not_fit():
    asked = Asked(mail(10))
    reply = asked.reply("MX", size=512)
    assert (len(reply.rr), len(reply.ar), reply.header.tc) == (10, 0, 0)
    assert len(asked.reply("MX").ar) == 21
    assert len(asked.reply("MX", size=512, transport="tcp").ar) == 20


def test_records_that_do_not_fit_truncate():
    reply = Asked(mail(40)).reply("MX", size=512)
    assert (len(reply.rr), len(reply.ar), reply.header.tc) == (0, 0, 1)


def test_records_at_the_end_of_a_chain_are_those_of_its_last_name():
    reply = Asked(mail(2)).reply("MX", name="alias.example")
    assert [(str(one.rname), one.rtype) for one in reply.rr] == [
        ("alias.example.", 5),
        ("www.example.", 15),
        ("www.example.", 15),
    ]
    assert len(reply.ar) == 5


@given(plans(kinds=(Hash, Cycle), ends=full_leaves), clients)
def test_the_scope_is_that_of_the_walk(root, client):
    root = written(root, SvcbRecord(65))
    source = f"{client}/{24 if client.version == 4 else 56}"
    reply = Asked(ServicePlan(further={65: root})).reply("HTTPS", source=source)
    (option,) = reply.ar[0].rdata
    assert option.data[3] == scope(root, client)


def test_answers_count_for_the_backends_that_they_carry():
    plan = compiled(pool(backend("a"), backend("b")), declared=[DECLARED["https"], MxRecord()])
    asked = Asked(plan)
    for qtype in ["A", "HTTPS", "MX"] * 2:
        asked.reply(qtype)
    assert asked.engine.stats()["answers"] == {
        ("example.", "www", "p", "a"): 3,
        ("example.", "www", "p", "b"): 3,
    }
    stats = asked.engine.stats()
    assert asked.engine.asked() == (stats["generation"], stats["queries"])
    assert sum(stats["queries"].values()) == 6


OWNER = b"\x01a" + ORIGIN
LEAF = Answer((backend("a"),), TTL)

REFUSED = {
    "a-type-twice": ServicePlan(LEAF, further={1: LEAF}),
    "cname-twice": ServicePlan(other=LEAF, further={5: LEAF}),
    "too-large": ServicePlan(
        further={65: Answer((), TTL, records=Records((bytes(40_000), bytes(30_000))))}
    ),
    "one-too-large": ServicePlan(further={65: Answer((), TTL, records=Records((bytes(70_000),)))}),
    "owner": ServicePlan(
        further={15: Answer((), TTL, records=Records((), (RRset(OWNER[:-1], 1, 5, (b"",)),)))}
    ),
    "no-type": ServicePlan(further={65_536: LEAF}),
    "no-number": ServicePlan(further={"HTTPS": LEAF}),
    "no-records": ServicePlan(further={65: Answer((), TTL, records=(b"",))}),
}


@pytest.mark.parametrize("plan", REFUSED.values(), ids=REFUSED)
def test_a_plan_refused_leaves_the_old_one_in_force(plan):
    asked = Asked(ServicePlan(LEAF))
    with pytest.raises(ValueError, match=r"."):
        asked.engine.publish({SERVICE: plan})
    assert asked.engine.stats()["generation"] == 1
