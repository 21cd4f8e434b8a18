"""Walks on paper, against a walk of every path."""

from __future__ import annotations

from ipaddress import IPv4Address, IPv6Address, ip_address

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dnslb.config.model import Prefix
from dnslb.policy.plan import Answer, Cycle, Hash, HashChoice, Random, WeightedChoice
from dnslb.policy.walk import chances, scope
from policy.making import TTL, backend, clients, paths, plans

A, B = (Answer((backend(name),), TTL) for name in "ab")
CLIENT = IPv4Address("198.51.100.7")


def summed(root, client):
    sums = {}
    for leaf, chance in paths(root, client):
        sums[leaf] = sums.get(leaf, 0) + chance
    return sums


def longest(node, client):
    """The widest prefix on any path that a client of this family can take."""
    if isinstance(node, Answer):
        return 0
    if isinstance(node, Cycle):
        return max(longest(step, client) for step in node.steps)
    below = max(longest(branch.node, client) for branch in node.choices)
    if isinstance(node, Random):
        return below
    return max(below, node.prefix.v4 if client.version == 4 else node.prefix.v6)


@given(plans(), st.none() | clients)
def test_chances_are_those_of_all_paths(root, client):
    found = chances(root, client)
    assert len(dict(found)) == len(found)
    expected = summed(root, client)
    assert dict(found) == pytest.approx({leaf: float(part) for leaf, part in expected.items()})
    assert sum(chance for _, chance in found) == pytest.approx(1)


@given(plans(), clients)
def test_the_scope_is_the_widest_of_all_paths(root, client):
    assert scope(root, client) == longest(root, client)


@given(plans(), clients)
def test_clients_that_the_scope_does_not_tell_apart_get_the_same(root, client):
    bits = 32 if client.version == 4 else 128
    rest = bits - scope(root, client)
    neighbour = type(client)(int(client) >> rest << rest)
    assert chances(root, neighbour) == chances(root, client)


@pytest.mark.parametrize(
    ("root", "client", "expected"),
    [
        (A, "192.0.2.1", 0),
        (Cycle((A, B)), "192.0.2.1", 0),
        (Hash((HashChoice("a", 1, A),), Prefix(20, 48)), "192.0.2.1", 20),
        (Hash((HashChoice("a", 1, A),), Prefix(20, 48)), "2001:db8::1", 48),
        (Cycle((A, Hash((HashChoice("a", 1, A),)))), "192.0.2.1", 24),
        (
            Random((WeightedChoice(1, A), WeightedChoice(1, Hash((HashChoice("a", 1, A),))))),
            "::",
            56,
        ),
    ],
    ids=["answer", "cycle", "hash-4", "hash-6", "below-a-cycle", "below-a-random"],
)
def test_scopes(root, client, expected):
    assert scope(root, ip_address(client)) == expected


def test_a_client_has_one_way_through_a_hash():
    root = Hash((HashChoice("a", 3, A), HashChoice("b", 1, B)))
    assert chances(root) == [(A, 0.75), (B, 0.25)]
    assert chances(root, CLIENT) == [(root.pick(root.slot(CLIENT)).node, 1.0)]


def test_equal_answers_are_one_in_the_order_of_the_plan():
    again = Answer(B.backends, TTL)
    assert chances(Cycle((B, A, again, again))) == [(B, 0.75), (A, 0.25)]


class Counted(tuple):
    """Steps that count how often they are walked."""

    __slots__ = ()
    walks = 0

    def __iter__(self):
        Counted.walks += 1
        return super().__iter__()


@pytest.mark.parametrize("walk", [chances, scope])
def test_a_node_is_walked_once_however_many_steps_lead_to_it(walk):
    Counted.walks = 0
    inner = Cycle(Counted((A, B)))
    walk(Cycle((inner,) * 100), IPv6Address("::1"))
    assert Counted.walks == 1
