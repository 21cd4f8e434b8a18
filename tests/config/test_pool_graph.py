"""Loops among pools, and an order without them."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dnslb.config.graph import loops, ordered

NODES = "abcdef"
GRAPHS = st.dictionaries(
    st.sampled_from(NODES), st.lists(st.sampled_from(NODES), max_size=4), min_size=1
).map(lambda edges: {name: [ref for ref in refs if ref in edges] for name, refs in edges.items()})


@pytest.mark.parametrize(
    ("edges", "expected"),
    [
        ({"a": []}, []),
        ({"a": ["b"], "b": []}, []),
        ({"a": ["a"]}, [["a"]]),
        ({"b": ["a"], "a": ["b"]}, [["b", "a"]]),
        ({"x": ["a"], "a": ["b"], "b": ["c"], "c": ["a"]}, [["a", "b", "c"]]),
        ({"a": ["b", "c"], "b": ["a"], "c": ["a"]}, [["a", "b"], ["a", "c"]]),
    ],
    ids=["alone", "chain", "itself", "two", "led-into", "two-loops"],
)
def test_loops(edges, expected):
    assert list(loops(edges)) == expected


def reachable(edges: dict[str, list[str]], start: str) -> set[str]:
    """Everything below `start`, by plain search."""
    found: set[str] = set()
    left = list(edges[start])
    while left:
        name = left.pop()
        if name not in found:
            found.add(name)
            left += edges[name]
    return found


@given(GRAPHS)
def test_every_loop_is_one_and_every_tangle_has_one(edges):
    found = list(loops(edges))
    for loop in found:
        for name, following in zip(loop, [*loop[1:], loop[0]], strict=True):
            assert following in edges[name]
        order = list(edges)
        assert loop[0] == min(loop, key=order.index)
    tangled = {name for name in edges if name in reachable(edges, name)}
    assert {name for loop in found for name in loop} <= tangled
    assert bool(found) == bool(tangled)


@given(GRAPHS)
def test_the_order_holds_all_that_leads_into_no_loop(edges):
    order = ordered(edges)
    tangled = {name for name in edges if name in reachable(edges, name)}
    clean = {name for name in edges if not tangled & ({name} | reachable(edges, name))}
    assert sorted(order) == sorted(clean)
    for at, name in enumerate(order):
        assert set(edges[name]) <= set(order[:at])
