"""How even `subnet` is, and how many networks move, without a bound and with some.

    pytest -s tests/integration/test_bound_figures.py

prints the tables of docs/strategies.md. All but the last count over all slots, so they are exact.
"""

from __future__ import annotations

import itertools
import math
from collections import Counter
from functools import lru_cache
from ipaddress import IPv4Address
from time import perf_counter
from typing import TYPE_CHECKING

import pytest
from dnslib import DNSRecord
from harness import need_engine
from test_engine_plans import Asked

from dnslb.engine import slot_owners
from dnslb.policy.plan import Answer, Hash, HashChoice, LoadBound, hash_key
from policy.making import TTL, backend

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

need_engine()

QUERY = bytes(DNSRecord.question("www.example").pack())

SLOTS = 65_536
BOUNDS = (None, 1.25, 1.1, 1.05, 1.01)
SIZES = (3, 10, 100, 500)
WEIGHTS = {"equal": (10,), "10 to 40": (10, 20, 30, 40)}
POOLS = [(size, about) for size in SIZES for about in WEIGHTS]
CHANGES = 2
"""So many members change, each alone; figures are the mean over them."""

Shares = dict[str, int]
"""The weight of each member, by its key."""


def members(size: int, about: str) -> Shares:
    weights = itertools.islice(itertools.cycle(WEIGHTS[about]), size)
    return {f"www/b{place}": weight for place, weight in enumerate(weights)}


def changing(shares: Shares) -> list[str]:
    """Members far apart; their distance is odd, so they are of all weights."""
    apart = len(shares) // CHANGES | 1
    return list(shares)[::apart][:CHANGES]


def owners(shares: Shares, bound: float | None) -> list[str]:
    """The key of each slot's owner."""
    return list(_owners(tuple(shares.items()), bound))


@lru_cache(maxsize=len(BOUNDS) + 1)
def _owners(shares: tuple[tuple[str, int], ...], bound: float | None) -> tuple[str, ...]:
    seeded = [(hash_key(key), weight) for key, weight in shares]
    return tuple(shares[place][0] for place in slot_owners(SLOTS, seeded, bound))


def over(shares: Shares, counts: Counter[str]) -> float:
    """The most that a member has over its share, as a part of that."""
    total, weights = counts.total(), sum(shares.values())
    return max(counts[key] * weights / weight / total for key, weight in shares.items()) - 1


def moved(before: Shares, after: Shares, bound: float | None) -> float:
    """The part of the slots whose owner changes."""
    pairs = zip(owners(before, bound), owners(after, bound), strict=True)
    return sum(old != new for old, new in pairs) / SLOTS


def part(shares: Shares, key: str) -> float:
    return shares[key] / sum(shares.values())


def without(shares: Shares, key: str) -> tuple[Shares, float]:
    """The others when one goes, and its share, which has to move."""
    return {one: weight for one, weight in shares.items() if one != key}, part(shares, key)


def heavier(shares: Shares, key: str) -> tuple[Shares, float]:
    """A weight a tenth greater, and by how much its share grows."""
    after = shares | {key: shares[key] * 11 // 10}
    return after, part(after, key) - part(shares, key)


def say(line: str) -> None:
    print(line)  # noqa: T201  # what `pytest -s` shows


def show(title: str, last: str, rows: Iterable[list[float]], digits: int) -> None:
    heads = ["none", *(str(bound) for bound in BOUNDS[1:]), *([last] if last else [])]
    say(f"\n| {title} | {' | '.join(heads)} |")
    say(f"| --- |{' --: |' * len(heads)}")
    for (size, about), row in zip(POOLS, rows, strict=True):
        say(f"| {size}, {about} | {' | '.join(f'{cell:.{digits}f}' for cell in row)} |")


def test_nobody_is_above_the_bound():
    rows = []
    for pool in POOLS:
        shares = members(*pool)
        found = [over(shares, Counter(owners(shares, bound))) for bound in BOUNDS]
        lightest = min(shares.values()) / sum(shares.values()) * SLOTS
        for bound, most in zip(BOUNDS[1:], found[1:], strict=True):
            assert most <= bound - 1 + 1 / lightest  # part of a slot counts as one
            assert most <= found[0]
        rows.append([100 * most for most in found])
    show("the fullest member is above its share by, %", "", rows, 1)


@pytest.mark.parametrize("change", [without, heavier])
def test_few_move_but_those_who_have_to(change: Callable[[Shares, str], tuple[Shares, float]]):
    rows = []
    for pool in POOLS:
        shares = members(*pool)
        changes = [change(shares, key) for key in changing(shares)]
        ideal = sum(part for _, part in changes) / len(changes)
        row = [
            sum(moved(shares, after, bound) for after, _ in changes) / len(changes)
            for bound in BOUNDS
        ]
        assert row[0] == pytest.approx(ideal, rel=0.5)
        assert max(row) <= 6 * ideal
        rows.append([100 * found for found in [*row, ideal]])
    title = "goes or comes" if change is without else "weighs a tenth more"
    show(f"networks that move when a member {title}, %", "ideal", rows, 3)


def test_what_it_takes_to_share_out_the_slots():
    rows = []
    for pool in POOLS:
        seeded = [(hash_key(key), weight) for key, weight in members(*pool).items()]
        row = []
        for bound in BOUNDS:
            began = perf_counter()
            assert len(slot_owners(SLOTS, seeded, bound)) == SLOTS
            row.append(1e3 * (perf_counter() - began))
        rows.append(row)
    show("milliseconds to share out the slots", "", rows, 1)


def test_20000_networks_on_the_engine():
    networks = [IPv4Address("10.0.0.0") + (number << 8) for number in range(20_000)]
    shares = members(100, "equal")
    leaves = [Answer((backend(f"b{place + 1}"),), TTL) for place in range(100)]
    keys = {
        leaf.backends[0].addresses[0].packed: key for leaf, key in zip(leaves, shares, strict=True)
    }
    say("\n| 20,000 networks over 100 members | in slots, % | in networks, % |")
    say("| --- | --: | --: |")
    for bound in BOUNDS:
        choices = tuple(map(HashChoice, shares, shares.values(), leaves))
        node = Hash(choices, bound=None if bound is None else LoadBound(bound))
        engine = Asked(node).engine
        packets = [engine.answer(QUERY, str(network)) for network in networks]
        found = [keys[packet[-4:]] for packet in packets if packet]
        expected = owners(shares, bound)
        assert found == [expected[node.slot(network)] for network in networks]
        exact, met = over(shares, Counter(expected)), over(shares, Counter(found))
        # 200 networks a member, even as far as chance has it: six standard deviations
        assert met <= exact + 6 / math.sqrt(200)
        say(f"| {bound or 'none'} | {100 * exact:.1f} | {100 * met:.1f} |")
