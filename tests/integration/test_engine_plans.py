"""The engine walks plans as they are walked on paper.

Plans of every kind, nested and shared, are published to a real engine, which is then asked with
packets: with and without a client's network (ECS), from IPv4 and from IPv6.
"""

from __future__ import annotations

import struct
from collections import Counter
from fractions import Fraction
from ipaddress import IPv4Address, ip_network
from math import sqrt
from types import SimpleNamespace
from typing import TYPE_CHECKING

import pytest
from dnslib import EDNS0, QTYPE, RCODE, DNSQuestion, DNSRecord
from harness import ecs, need_engine
from hypothesis import assume, example, given, settings
from hypothesis import strategies as st

from dnslb.config.model import Family, Prefix, ServiceId
from dnslb.engine import new_engine
from dnslb.policy.plan import (
    MAX_DEPTH,
    Answer,
    Cycle,
    Hash,
    HashChoice,
    LoadBound,
    Random,
    ServicePlan,
    Share,
    WeightedChoice,
)
from dnslb.policy.walk import chances, scope
from dnslb.zone.records import RRset
from policy.making import (
    TTL,
    backend,
    bounds,
    clients,
    full_leaves,
    full_turn,
    paths,
    plans,
    prefixes,
)

if TYPE_CHECKING:
    from dnslb.config.model import Address
    from dnslb.policy.plan import Node

need_engine()

ORIGIN = b"\x07example\x00"
SOA = ORIGIN * 2 + struct.pack("!5I", 1, 3600, 600, 86400, 60)
SERVICE = ServiceId("example.", "www")
ZONE = SimpleNamespace(
    origin=ORIGIN,
    rrsets=[RRset(ORIGIN, 6, 300, (SOA,))],
    services=[(b"\x03www" + ORIGIN, SERVICE)],
)
RESOLVER = IPv4Address("192.0.2.200")

sources = st.tuples(clients, st.integers(0, 128)).map(
    lambda pair: ip_network(f"{pair[0]}/{min(pair[1], pair[0].max_prefixlen)}", strict=False)
)


class Asked:
    """An engine that serves one plan, and what it answers."""

    def __init__(self, root: Node | None, **others: Node | None) -> None:
        self.engine = new_engine()
        self.engine.publish({SERVICE: ServicePlan(root, **others)}, [ZONE])

    def reply(
        self, client: Address = RESOLVER, qtype: str = "A", *, source: object = None
    ) -> DNSRecord:
        question = DNSRecord(q=DNSQuestion("www.example", getattr(QTYPE, qtype)))
        if source:
            question.add_ar(EDNS0(udp_len=1232, opts=[ecs(str(source))]))
        packet = self.engine.answer(bytes(question.pack()), str(client))
        assert packet is not None
        return DNSRecord.parse(packet)

    def answer(self, client: Address = RESOLVER, **how: object) -> tuple:
        """The rcode and the records, in their order, as `said` has them."""
        reply = self.reply(client, **how)
        return (
            RCODE[reply.header.rcode],
            tuple((str(one.rdata), one.ttl) for one in reply.rr),
        )


def said(leaf: Answer, family: Family = Family.IPV4) -> tuple:
    """What a leaf looks like in a response."""
    records = [(str(one), leaf.ttl) for each in leaf.backends for one in each.of(family)]
    return leaf.rcode.name, tuple(records)


def possible(root: Node, client: Address) -> set[tuple]:
    return {said(leaf) for leaf, _ in chances(root, client)}


@given(plans(bound=bounds), clients, sources)
def test_answers_are_leaves_that_the_client_can_get(root, client, source):
    asked = Asked(root)
    seen_as = source.network_address if source.prefixlen else client
    direct, passed_on = possible(root, client), possible(root, seen_as)
    for _ in range(12):
        assert asked.answer(client) in direct
        assert asked.answer(client, source=source) in passed_on


@given(plans(kinds=(Hash,), bound=bounds), st.lists(clients, min_size=1, max_size=8))
def test_hashes_lead_each_client_to_the_one_choice(root, some):
    asked = Asked(root)
    for client in some:
        ((leaf, chance),) = chances(root, client)
        assert chance == 1
        assert asked.answer(client) == said(leaf)
        bits = client.max_prefixlen
        assert asked.answer(source=f"{client}/{bits}") == said(leaf)


KEYS = st.lists(st.text(max_size=12), min_size=1, max_size=9, unique=True)


@given(KEYS, st.data(), prefixes, st.integers(1, 65_536))
@example(["p/a", "p/ä", "", "p/\N{SNOWMAN}"], None, Prefix(0, 0), 65_536)
@settings(max_examples=50)
def test_the_engine_picks_what_the_hash_picks(keys, data, prefix, slots):
    weight = st.floats(1e-3, 1e6)
    leaves = [Answer((backend(f"b{place}"),), TTL) for place in range(len(keys))]
    weights = [data.draw(weight) if data else 1.0 for _ in keys]
    root = Hash(tuple(map(HashChoice, keys, weights, leaves)), prefix, slots)
    asked = Asked(root)
    some = data.draw(st.lists(clients, min_size=20, max_size=20)) if data else [RESOLVER]
    for client in some:
        assert asked.answer(client) == said(root.pick(root.slot(client)).node)


@given(plans(kinds=(Cycle,), ends=full_leaves, inner=4), st.integers(1, 2))
def test_cycles_are_exact_over_full_turns(root, turns):
    queries = full_turn(root) * turns
    assume(queries <= 1000)
    expected: dict[tuple, Fraction] = {}
    for leaf, chance in paths(root):
        expected[said(leaf)] = expected.get(said(leaf), Fraction(0)) + chance * queries
    asked = Asked(root)
    assert Counter(asked.answer() for _ in range(queries)) == expected


@pytest.mark.parametrize("weights", [(3, 1), (1, 1, 1, 1), (1000, 10, 1), (0.5, 0.25)], ids=str)
def test_draws_follow_weights(weights):
    leaves = [Answer((backend(f"b{place}"),), TTL) for place in range(len(weights))]
    asked = Asked(Random(tuple(map(WeightedChoice, weights, leaves))))
    queries = 4000
    counts = Counter(asked.answer() for _ in range(queries))
    for leaf, weight in zip(leaves, weights, strict=True):
        part = weight / sum(weights)
        # six standard deviations: fair dice fail this once in five hundred million runs
        slack = 6 * sqrt(queries * part * (1 - part))
        assert abs(counts[said(leaf)] - queries * part) <= max(slack, 12)


single = plans(kinds=(Hash, Cycle, Random), ends=full_leaves, branches=1)


@given(single | plans(kinds=(Hash,), ends=full_leaves), sources)
def test_the_scope_is_that_of_the_walk(root, source):
    assume(source.prefixlen)
    reply = Asked(root).reply(source=source)
    (option,) = reply.ar[0].rdata
    _, length, told = struct.unpack("!HBB", option.data[:4])
    assert (length, told) == (source.prefixlen, scope(root, source.network_address))


@given(plans(ends=full_leaves))
def test_no_network_is_told_a_scope_of_nought(root):
    reply = Asked(root).reply(source="0.0.0.0/0")
    (option,) = reply.ar[0].rdata
    assert option.data == bytes([0, 1, 0, 0])


def test_each_type_has_its_own_plan():
    both, other = backend("a", "46"), backend("x", target="x.example.net.")
    leaf, cname = Answer((both,), TTL), Answer((other,), 7)
    asked = Asked(leaf, aaaa=leaf, other=cname)
    assert asked.answer() == said(leaf)
    assert asked.answer(qtype="AAAA") == said(leaf, Family.IPV6)
    assert asked.answer(qtype="TXT") == ("NOERROR", (("x.example.net.", 7),))


def test_no_plan_is_nodata():
    reply = Asked(None).reply()
    assert (reply.header.rcode, reply.rr, len(reply.auth)) == (0, [], 1)


def test_a_node_in_two_places_takes_its_turns_together():
    a, b = (Answer((backend(name),), TTL) for name in "ab")
    inner = Cycle((a, b))
    asked = Asked(Cycle((inner, inner)))
    assert [asked.answer() for _ in range(4)] == [said(a), said(b), said(a), said(b)]


def nested(depth: int) -> Node:
    node: Node = Answer((backend("a"),), TTL)
    for _ in range(depth - 1):
        node = Cycle((node,))
    return node


def test_the_deepest_plan_is_answered():
    assert Asked(nested(MAX_DEPTH)).answer() == said(Answer((backend("a"),), TTL))


LEAF = Answer((backend("a"),), TTL)
ALIAS = backend("x", target="x.example.net.")

REFUSED = {
    "too-deep": nested(MAX_DEPTH + 1),
    "empty-cycle": Cycle(()),
    "empty-random": Random(()),
    "empty-hash": Hash(()),
    "weight-0": Random((WeightedChoice(0, LEAF),)),
    "weight-nan": Hash((HashChoice("k", float("nan"), LEAF),)),
    "weights-beyond-floats": Random((WeightedChoice(1e308, LEAF), WeightedChoice(1e308, LEAF))),
    "target-not-alone": Answer((ALIAS, backend("a")), TTL),
    "no-slots": Hash((HashChoice("k", 1, LEAF),), slots=0),
    "prefix-too-long": Hash((HashChoice("k", 1, LEAF),), Prefix(33, 56)),
    "no-node": "a",
    "negative-ttl": Answer((backend("a"),), -1),
    "key-of-another-type": Hash((HashChoice(1, 1, LEAF),)),
    "bound-below-1": Hash((HashChoice("k", 1, LEAF),), bound=LoadBound(0.9)),
    "bound-without-end": Hash((HashChoice("k", 1, LEAF),), bound=LoadBound(float("inf"))),
    "bound-nan": Hash((HashChoice("k", 1, LEAF),), bound=LoadBound(float("nan"))),
    "bound-among-weight-0": Hash(
        (HashChoice("k", 1, LEAF),), bound=LoadBound(1.1, (Share("k", 0),))
    ),
    "bound-among-beyond-floats": Hash(
        (HashChoice("k", 1, LEAF),), bound=LoadBound(1.1, (Share("k", 1e308), Share("l", 1e308)))
    ),
}
"""What no plan can be. The stub promises a ValueError for each."""


@pytest.mark.parametrize("root", REFUSED.values(), ids=REFUSED)
def test_a_plan_refused_leaves_the_old_one_in_force(root):
    asked = Asked(LEAF)
    with pytest.raises(ValueError, match=r"."):
        asked.engine.publish({SERVICE: ServicePlan(root)})
    assert asked.answer() == said(LEAF)
    assert asked.engine.stats()["generation"] == 1
