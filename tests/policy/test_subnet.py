"""Subnet: a client's network keeps its backend, and only the clients of one that goes move."""

from __future__ import annotations

from collections import Counter
from ipaddress import IPv4Address, IPv6Address, ip_address

import pytest

from dnslb.config.model import Family, Prefix
from dnslb.health.standing import Standing
from dnslb.policy.compile import Compiler
from dnslb.policy.plan import Answer, Hash
from dnslb.policy.strategies import find
from policy.making import backend, candidates, choice, names, pool, service

NETWORKS = [IPv4Address("10.0.0.7") + 256 * number for number in range(20_000)]


def bound(members, clients=NETWORKS):
    """The backend of each client."""
    node = find("subnet").plan(members, choice())
    if isinstance(node, Answer):
        return dict.fromkeys(clients, names(node))
    assert isinstance(node, Hash)
    owners = {slot: node.pick(slot).node for slot in {node.slot(client) for client in clients}}
    return {client: names(owners[node.slot(client)]) for client in clients}


@pytest.fixture(scope="module")
def ten():
    return bound(candidates(*[1] * 10))


def assert_near(found, weights):
    counts = Counter(found.values())
    assert set(counts) == set(weights)
    for name, weight in weights.items():
        share = weight / sum(weights.values())
        assert counts[name] == pytest.approx(len(NETWORKS) * share, rel=0.1), name


def test_shares_are_even(ten):
    assert_near(ten, {f"b{place}": 1 for place in range(10)})


def test_shares_follow_weights():
    assert_near(bound(candidates(3, 2, 1)), {"b0": 3, "b1": 2, "b2": 1})


def test_the_binding_is_the_same_every_time(ten):
    again = bound(list(reversed(candidates(*[1] * 10))))
    assert again == ten


def test_only_the_clients_of_one_that_goes_move(ten):
    left = [one for one in candidates(*[1] * 10) if one.key != "p/b3"]
    after = bound(left)
    moved = {client for client in NETWORKS if after[client] != ten[client]}
    assert moved == {client for client in NETWORKS if ten[client] == "b3"}
    assert len(moved) == pytest.approx(2_000, rel=0.1)
    heirs = Counter(after[client] for client in moved)
    assert set(heirs) == {f"b{place}" for place in range(10) if place != 3}
    assert max(heirs.values()) < 2 * len(moved) / 9


def test_a_greater_weight_only_attracts():
    before, after = bound(candidates(1, 1, 1)), bound(candidates(2, 1, 1))
    moved = [client for client in NETWORKS if before[client] != after[client]]
    assert {after[client] for client in moved} == {"b0"}
    assert len(moved) == pytest.approx(len(NETWORKS) * (1 / 2 - 1 / 3), rel=0.1)


@pytest.mark.parametrize(
    ("weights", "serving"),
    [((1, 0), {"b0"}), ((0, 0), {"b0", "b1"})],
    ids=["stands-by", "all-nought"],
)
def test_weight_nought(weights, serving):
    assert set(bound(candidates(*weights), NETWORKS[:100]).values()) == serving


def test_a_member_alone_needs_no_network():
    assert isinstance(find("subnet").plan(candidates(1), choice()), Answer)


def test_more_answers_are_those_written_after():
    node = find("subnet").plan(candidates(1, 1, 1), choice(answers=2))
    assert isinstance(node, Hash)
    assert [names(branch.node) for branch in node.choices] == ["b0 b1", "b1 b2", "b2 b0"]


def test_more_answers_than_members():
    node = find("subnet").plan(candidates(1, 1), choice(answers=5))
    assert [names(branch.node) for branch in node.choices] == ["b0 b1", "b1 b0"]


def test_both_families_lead_to_one_backend():
    of = pool(*[backend(f"b{place}", "46") for place in range(10)], strategy="subnet")
    plan = Compiler({}).service(service(of))
    clients = [*NETWORKS[:200], *(IPv6Address("2001:db8::") + (n << 72) for n in range(200))]
    met = set()
    for client in clients:
        a = plan.a.pick(plan.a.slot(client)).node
        aaaa = plan.aaaa.pick(plan.aaaa.slot(client)).node
        assert names(a) == names(aaaa)
        met.add(names(a))
    assert len(met) == 10


def test_a_family_that_is_down_moves_only_that_family():
    of = pool(*[backend(name, "46") for name in "abc"], strategy="subnet")
    first = of.members[0].of
    plan = Compiler({first.id: Standing(down=frozenset({Family.IPV6}))}).service(service(of))
    kept = 0
    for client in NETWORKS[:300]:
        a = names(plan.a.pick(plan.a.slot(client)).node)
        aaaa = names(plan.aaaa.pick(plan.aaaa.slot(client)).node)
        assert aaaa != "a"
        if a != "a":
            assert a == aaaa
            kept += 1
    assert kept > 100


@pytest.mark.parametrize(
    ("prefix", "first", "second", "same"),
    [
        (Prefix(24, 56), "198.51.100.1", "198.51.100.254", True),
        (Prefix(24, 56), "198.51.100.1", "198.51.101.1", False),
        (Prefix(32, 56), "198.51.100.1", "198.51.100.2", False),
        (Prefix(0, 56), "0.0.0.0", "255.255.255.255", True),
        (Prefix(24, 56), "2001:db8:0:ff::1", "2001:db8:0:01::", True),
        (Prefix(24, 56), "2001:db8:0:100::", "2001:db8:0:200::", False),
        (Prefix(24, 128), "2001:db8::1", "2001:db8::2", False),
        (Prefix(24, 0), "::", "ffff::", True),
        (Prefix(32, 32), "32.1.13.184", "2001:db8::", False),
    ],
    ids=str,
)
def test_networks_share_a_slot(prefix, first, second, same):
    node = Hash((), prefix, slots=1 << 60)
    assert (node.slot(ip_address(first)) == node.slot(ip_address(second))) is same


def test_the_pools_prefix_reaches_the_plan():
    of = pool(backend("a"), backend("b"), strategy="subnet", prefix=Prefix(20, 48))
    assert Compiler({}).service(service(of)).a.prefix == (20, 48)


def test_a_pool_that_the_hash_leads_to_stays_a_plan_of_its_own():
    inner = pool(backend("a"), backend("b"), name="inner")
    outer = pool(inner, backend("c"), strategy="subnet", name="outer")
    node = Compiler({}).service(service(outer)).a
    assert {branch.key: type(branch.node) is Answer for branch in node.choices} == {
        "inner": False,
        "p/c": True,
    }
