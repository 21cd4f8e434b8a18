"""A bound on load: nobody above it, nobody moved without need, and one decision for all types."""

from __future__ import annotations

import math
from collections import Counter
from dataclasses import replace
from functools import reduce
from ipaddress import ip_address, ip_network
from operator import add
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dnslb.config.model import Family, SvcbRecord
from dnslb.engine import network_map, slot_owners
from dnslb.health.standing import ALWAYS_UP, Standing
from dnslb.policy.join import mapped
from dnslb.policy.lift import lifted
from dnslb.policy.plan import Answer, Hash, HashChoice, LoadBound, Network, Share, hash_key
from dnslb.policy.walk import chances, refusals
from dnslb.zone.types import HTTPS
from policy.making import DOWN, TTL, backend, compiled, names, pool
from policy.test_explain import explained
from policy.test_records import V6_DOWN, addresses, bound_pools, hints

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from dnslb.config.model import Pool
    from dnslb.policy.plan import Node, ServicePlan

LEAVES = [Answer((backend(f"b{place}"),), TTL) for place in range(12)]


def made(
    shares: Sequence[Share], factor: float | None, among: Sequence[Share] = (), slots: int = 97
) -> Hash:
    """A hash over `shares`."""
    choices = tuple(HashChoice(*share, leaf) for share, leaf in zip(shares, LEAVES, strict=False))
    bound = None if factor is None else LoadBound(factor, tuple(among))
    return Hash(choices, slots=slots, bound=bound)


def owners(node: Hash) -> list[str]:
    """The key of each slot's owner."""
    return [node.pick(slot).key for slot in range(node.slots)]


def seats(shares: Sequence[Share], factor: float, slots: int) -> dict[str, int]:
    """How many slots each may have."""
    total = reduce(add, (share.weight for share in shares))  # `sum` may round in other places
    return {share.key: math.ceil(factor * share.weight / total * slots) for share in shares}


def greedy(
    shares: Sequence[Share], room: dict[str, int], slots: Iterable[int], found: dict[int, str]
) -> None:
    """Give `slots` to `shares`: of all pairs the one that costs least first, while there is room."""
    costs = [
        (-math.log(draw(share.key, slot)) / share.weight, slot, share.key)
        for slot in slots
        for share in shares
    ]
    for _, slot, key in sorted(costs):
        if slot not in found and room[key]:
            room[key] -= 1
            found[slot] = key


def draw(key: str, slot: int) -> float:
    """The number between 0 and 1 that a choice draws for a slot."""
    mask = (1 << 64) - 1

    def mix(value: int) -> int:
        value = (value + 0x9E3779B97F4A7C15) & mask
        value = ((value ^ (value >> 30)) * 0xBF58476D1CE4E5B9) & mask
        value = ((value ^ (value >> 27)) * 0x94D049BB133111EB) & mask
        return value ^ (value >> 31)

    return ((mix(hash_key(key) ^ mix(slot)) >> 11) + 0.5) / 2**53


def on_paper(
    shares: Sequence[Share], factor: float, among: Sequence[Share], slots: int
) -> list[str]:
    """The owner of each slot, by its definition."""
    found: dict[int, str] = {}
    room = seats(shares, factor, slots)
    if among:
        first: dict[int, str] = {}
        greedy(among, seats(among, factor, slots), range(slots), first)
        found |= {slot: key for slot, key in first.items() if key in room}
        for key, count in Counter(found.values()).items():
            room[key] = max(room[key] - count, 0)
    greedy(shares, room, [slot for slot in range(slots) if slot not in found], found)
    return [found[slot] for slot in range(slots)]


def share_lists(least: int = 1) -> st.SearchStrategy[list[Share]]:
    equal = st.sampled_from([1.0, 2.0, 10.0])
    weights = st.one_of(equal, st.integers(1, 1_000_000), st.floats(1e-3, 1e6))
    one = st.builds(Share, st.text(max_size=4), weights)
    return st.lists(one, min_size=least, max_size=9, unique_by=lambda share: share.key)


factors = st.sampled_from([1.0, 1.01, 1.1, 1.25, 3.0]) | st.floats(1, 10)


@given(share_lists(), factors, st.integers(1, 300))
def test_the_engine_shares_out_as_is_done_on_paper(shares, factor, slots):
    assert owners(made(shares, factor, slots=slots)) == on_paper(shares, factor, (), slots)


@given(share_lists(2), st.data(), factors, st.integers(1, 300))
def test_parts_of_the_members_too(shares, data, factor, slots):
    part = data.draw(st.lists(st.sampled_from(shares), min_size=1, unique=True))
    found = owners(made(part, factor, shares, slots))
    assert found == on_paper(part, factor, shares, slots)
    # with all that all of them have, nobody who is there loses a slot
    for whole, own in zip(owners(made(shares, factor, slots=slots)), found, strict=True):
        assert own == whole or whole not in {share.key for share in part}


@given(share_lists(), share_lists(), factors, st.integers(1, 100))
def test_parts_of_other_members_end_somewhere(shares, among, factor, slots):
    found = owners(made(shares, factor, among, slots))
    assert found == on_paper(shares, factor, among, slots)


@given(share_lists(), st.integers(1, 300))
def test_without_a_bound_the_engine_gives_each_slot_to_whom_it_costs_least(shares, slots):
    node = made(shares, None, slots=slots)
    seeded = [(hash_key(share.key), share.weight) for share in shares]
    assert [node.choices[place].key for place in slot_owners(slots, seeded)] == owners(node)


def test_the_most_that_there_can_be():
    shares = [Share(f"p/b{place}", float(place % 4 + 1)) for place in range(12)]
    found = owners(made(shares, 1.01, slots=65_536))
    assert found == on_paper(shares, 1.01, (), 65_536)


def bound_to(node: Node | None, number: int) -> str:
    """The backend of one network."""
    assert isinstance(node, Hash)
    return names(node.pick(node.slot(ip_address("10.0.0.0") + (number << 8))).node)


NETWORKS = range(1000)


def mixed(bound: float | None = 1.0) -> Pool:
    """Six members: two of both families, and two of each alone."""
    families = ["46", "4", "6", "4", "6", "46"]
    members = [backend(f"b{place}", those) for place, those in enumerate(families, 1)]
    return pool(*members, strategy="subnet", bound=bound)


def test_nobody_has_more_than_its_bound():
    for node in (compiled(mixed()).a, compiled(mixed()).aaaa):
        assert isinstance(node, Hash)
        counts = Counter(owners(node))
        assert sum(counts.values()) == 65_536
        assert max(counts.values()) <= math.ceil(65_536 / 4)


def test_families_of_different_members_agree():
    plan = compiled(mixed(), declared=[SvcbRecord(HTTPS, hints=True)])
    both = {"b1", "b6"}
    agreed = 0
    for number in NETWORKS:
        a, aaaa = bound_to(plan.a, number), bound_to(plan.aaaa, number)
        whole = bound_to(plan.further[HTTPS], number)
        if whole in both:
            assert a == aaaa == whole
            agreed += 1
        assert whole in {a, aaaa}
    assert agreed == pytest.approx(len(NETWORKS) / 3, rel=0.2)


def test_it_is_the_one_decision_that_makes_them_agree():
    # each family's own decision would part them
    plan = compiled(mixed())
    alone = {
        family: Hash(node.choices, bound=LoadBound(1.0))
        for family, node in (("4", plan.a), ("6", plan.aaaa))
    }
    parted = [
        number
        for number in NETWORKS
        if bound_to(alone["4"], number) != bound_to(plan.a, number)
        or bound_to(alone["6"], number) != bound_to(plan.aaaa, number)
    ]
    assert parted


def test_members_of_one_kind_need_no_other_decision():
    plan = compiled(pool(backend("a", "46"), backend("b", "46"), strategy="subnet", bound=1.1))
    assert plan.a == plan.aaaa == Hash(plan.a.choices, bound=LoadBound(1.1))


def test_a_family_that_is_down_moves_only_that_family():
    members = [backend(f"b{place}", "46") for place in range(1, 7)]
    of = pool(*members, strategy="subnet", bound=1.0)
    before = compiled(of)
    after = compiled(of, standings={members[0].id: V6_DOWN})
    assert after.a == before.a
    for number in NETWORKS:
        was, now = bound_to(before.aaaa, number), bound_to(after.aaaa, number)
        assert now != "b1"
        assert was in {now, "b1"}


@pytest.mark.parametrize(
    ("weights", "serving"),
    [((1, 0), {"b1"}), ((0, 0), {"b1", "b2"})],
    ids=["stands-by", "all-nought"],
)
def test_weight_nought(weights, serving):
    members = [(backend(f"b{place}"), weight) for place, weight in enumerate(weights, 1)]
    plan = compiled(pool(*members, strategy="subnet", bound=1.0))
    assert {bound_to(plan.a, number) for number in NETWORKS} == serving


def test_who_stands_by_serves_the_family_that_nobody_else_has():
    members = [(backend("a", "4"), 1), (backend("b", "46"), 0)]
    plan = compiled(pool(*members, strategy="subnet", bound=1.0))
    assert {bound_to(plan.a, number) for number in NETWORKS} == {"a"}
    assert {bound_to(plan.aaaa, number) for number in NETWORKS} == {"b"}


def assert_led(plan: ServicePlan, numbers: Iterable[int]) -> None:
    """Every network finds hints of addresses alone that A and AAAA give it."""
    for number in numbers:
        client = ip_address("10.0.0.0") + (number << 8)
        for family, node in ((Family.IPV4, plan.a), (Family.IPV6, plan.aaaa)):
            for some in hints(plan.further[HTTPS], client, family):
                assert some <= addresses(node, client, family)


@given(bound_pools(bounds=st.sampled_from([1.0, 1.01])), st.data(), st.integers(1, 3))
def test_hints_lead_where_a_and_aaaa_lead(of, data, answers):
    verdicts = st.sampled_from([ALWAYS_UP, ALWAYS_UP, DOWN, V6_DOWN])
    standings: dict[object, Standing] = {one.id: data.draw(verdicts) for one in of.backends()}
    plan = compiled(of, standings=standings, answers=answers, declared=[SvcbRecord(HTTPS)])
    assert_led(plan, NETWORKS[::20])


@pytest.mark.parametrize("answers", [1, 2])
def test_hints_of_many_members_lead_there_too(answers):
    families = ["46", "4", "6", "46", "46"] * 10
    inner = pool(*map(backend, ["b51", "b52"], ["46", "4"]), name="q", strategy="subnet", bound=1.0)
    members = [backend(f"b{place}", those) for place, those in enumerate(families, 1)]
    of = pool(*members, inner, strategy="subnet", bound=1.0)
    assert_led(compiled(of, answers=answers, declared=[SvcbRecord(HTTPS)]), NETWORKS)


def test_who_is_full_to_its_bound_is_told_to_those_who_go_on():
    members = [backend(f"b{place}") for place in range(1, 21)]
    of = pool(*members, strategy="subnet", bound=1.0)
    whys: set[frozenset[str]] = set()
    for number in range(100):
        client = str(ip_address("198.51.100.0") + (number << 8))
        views = explained(of=of, client=client).pool.members
        whys.add(frozenset(view.why for view in views if view.why != "serves other networks"))
    # some have their first choice, and some do not
    assert whys == {
        frozenset({""}),
        frozenset({"", "full to its bound: this network goes on to the next"}),
    }


def test_a_plan_that_is_lifted_or_mapped_keeps_its_bound():
    by = network_map([(ip_network("10.0.0.0/17"), 1)])
    below = Network(by, (LEAVES[0], LEAVES[1]))
    ends = [below, *LEAVES[2:8]]
    shares = [Share(f"k{place}", place % 3 + 1.0) for place in range(len(ends))]
    root = Hash(
        tuple(map(HashChoice, *zip(*shares, strict=True), ends)), slots=64, bound=LoadBound(1.0)
    )
    for made in (lifted(root), mapped(root, lambda leaf: leaf), lifted(mapped(root, replace))):
        for number in NETWORKS[::3]:
            client = ip_address("10.0.0.0") + (number << 8)
            assert chances(made, client) == chances(root, client)
            assert refusals(made, client) == refusals(root, client)
