"""Backends, pools and plans in few words, and a slow walk that is obviously right."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import replace
from fractions import Fraction
from ipaddress import IPv4Address, IPv6Address
from math import lcm
from typing import TYPE_CHECKING, Any

from hypothesis import strategies as st

from dnslb.config.model import (
    Backend,
    BackendId,
    Family,
    Host,
    Member,
    Pool,
    Prefix,
    Service,
    ServiceId,
    WhenDown,
)
from dnslb.health.standing import Standing
from dnslb.policy.compile import Compiler
from dnslb.policy.plan import (
    Answer,
    Cycle,
    Hash,
    HashChoice,
    LoadBound,
    Random,
    Rcode,
    WeightedChoice,
)
from dnslb.policy.strategies import Candidate, Choice, find
from dnslb.zone.names import from_text
from dnslb.zone.records import RRset

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from dnslb.config.model import Address, Declared
    from dnslb.policy.plan import Node, ServicePlan
    from dnslb.policy.strategies import Strategy

ZONE = "example."
TTL = 30


def backend(name: str, families: str = "4", pool: str = "p", target: str | None = None) -> Backend:
    """`a` has the addresses 192.0.2.1 and 2001:db8::1, `b` those ending in 2; `b17` in 17."""
    host = int(name[1:]) if name[1:] else ord(name) - ord("a") + 1
    addresses: list[Address] = []
    if target is None:
        if "4" in families:
            addresses.append(IPv4Address("192.0.2.0") + host)
        if "6" in families:
            addresses.append(IPv6Address("2001:db8::") + host)
    return Backend(BackendId(ZONE, pool, name), tuple(addresses), target)


def pool(
    *members: Backend | Pool | tuple[Backend | Pool, int],
    strategy: str | Strategy = "weighted",
    name: str = "p",
    min_up: int = 1,
    prefix: Prefix = Prefix(),
    bound: float | None = None,
) -> Pool:
    """A pool; a member with a weight other than 1 is a pair."""
    pairs = (member if isinstance(member, tuple) else (member, 1) for member in members)
    made = find(strategy) if isinstance(strategy, str) else strategy
    members_of = tuple(Member(*pair) for pair in pairs)
    return Pool(ZONE, name, made, members_of, min_up, prefix, bound=bound)


def service(
    of: Pool,
    *,
    name: str = "www",
    ttl: int = TTL,
    answers: int = 1,
    when_down: WhenDown = WhenDown(),
    declared: Sequence[Declared] = (),
) -> Service:
    """A service; where SRV and MX records need it, backends are called `a.hosts.example.`."""
    made = Service(ServiceId(ZONE, name), of, ttl, answers, when_down, tuple(declared))
    if not made.names_targets:
        return made
    return replace(made, hosts={one.id: host(one) for one in made.backends() if not one.target})


def host(one: Backend) -> Host:
    """The host of a backend: its name below `hosts`, with its addresses."""
    name = from_text(f"{one.id.name}.hosts.{ZONE}")
    rrsets = [
        RRset(name, family.value, 300, tuple(address.packed for address in one.of(family)))
        for family in Family
    ]
    return Host(name, tuple(rrset for rrset in rrsets if rrset.rdatas))


DOWN = Standing(down=frozenset(Family), reason="refused")


def compiled(
    of: Pool,
    down: str = "",
    *,
    standings: Mapping[BackendId, Standing] | None = None,
    **options: Any,
) -> ServicePlan:
    """The plans of a service over `of`, with the backends named in `down` down."""
    known = {backend(name).id: DOWN for name in down} | dict(standings or {})
    return Compiler(known).service(service(of, **options))


def candidates(
    *weights: int,
    loads: Sequence[float | None] = (),
    latencies: Sequence[float | None] = (),
) -> list[Candidate]:
    """Candidates `b0`, `b1` and on: one for each weight."""
    made = [backend(f"b{place}") for place in range(len(weights))]
    return [
        Candidate(
            str(one.id),
            weight,
            Answer((one,), TTL),
            loads[place] if loads else None,
            latencies[place] if latencies else None,
        )
        for place, (one, weight) in enumerate(zip(made, weights, strict=True))
    ]


def choice(answers: int = 1, prefix: Prefix = Prefix()) -> Choice:
    """What is asked of a strategy whose candidates are all backends with addresses."""

    def join(chosen: Sequence[Candidate]) -> Answer:
        return Answer(tuple(one for each in chosen for one in each.node.backends), TTL)

    return Choice(answers, join, prefix)


def names(leaf: Answer) -> str:
    """The backends of an answer, in its order: `a b`."""
    return " ".join(one.id.name for one in leaf.backends)


def turn(node: Node) -> list[str]:
    """The answers of a cycle of leaves, step by step."""
    assert isinstance(node, Cycle)
    return [names(step) for step in node.steps]


def paths(node: Node, client: Address | None = None) -> Iterator[tuple[Answer, Fraction]]:
    """Every way from `node` to a leaf, with its exact chance."""
    if isinstance(node, Answer):
        yield node, Fraction(1)
        return
    if isinstance(node, Cycle):
        branches = [(step, Fraction(1, len(node.steps))) for step in node.steps]
    elif isinstance(node, Hash) and client is not None:
        branches = [(node.pick(node.slot(client)).node, Fraction(1))]
    else:
        total = sum(Fraction(one.weight) for one in node.choices)
        branches = [(one.node, Fraction(one.weight) / total) for one in node.choices]
    for child, part in branches:
        for leaf, chance in paths(child, client):
            yield leaf, part * chance


def spread(node: Node, client: Address | None = None) -> dict[str, Fraction]:
    """How often each answer comes, by the names of its backends."""
    sums: dict[str, Fraction] = defaultdict(Fraction)
    for leaf, chance in paths(node, client):
        sums[names(leaf)] += chance
    return dict(sums)


def even(*answers: str) -> dict[str, Fraction]:
    """The spread of answers that come equally often."""
    return {answer: Fraction(1, len(answers)) for answer in answers}


def inclusion(node: Node) -> dict[str, Fraction]:
    """How often each backend is in the answer."""
    sums: dict[str, Fraction] = defaultdict(Fraction)
    for leaf, chance in paths(node):
        for one in leaf.backends:
            sums[one.id.name] += chance
    return dict(sums)


def full_turn(root: Node) -> int:
    """After how many queries every cycle below has ended a turn."""
    visits: dict[int, Fraction] = {}
    sizes: dict[int, int] = {}
    level = {id(root): (root, Fraction(1))}
    while level:
        below: dict[int, tuple[Node, Fraction]] = {}
        for node, part in level.values():
            if isinstance(node, Cycle):
                visits[id(node)] = visits.get(id(node), Fraction(0)) + part
                sizes[id(node)] = len(node.steps)
                for step in node.steps:
                    _, before = below.get(id(step), (step, Fraction(0)))
                    below[id(step)] = step, before + part / len(node.steps)
        level = below
    return lcm(*((part / sizes[key]).denominator for key, part in visits.items()))


clients = st.one_of(
    st.integers(0, 2**32 - 1).map(IPv4Address), st.integers(0, 2**128 - 1).map(IPv6Address)
)

full_leaves = st.lists(
    st.integers(1, 9).map(lambda place: backend(f"b{place}")), min_size=1, max_size=3, unique=True
).map(lambda backends: Answer(tuple(backends), TTL))

leaves = st.one_of(full_leaves, st.sampled_from([Answer((), TTL), Answer((), TTL, Rcode.SERVFAIL)]))

prefixes = st.builds(Prefix, st.integers(0, 32), st.integers(0, 128))


no_bound: st.SearchStrategy[None] = st.none()
bounds = no_bound | st.sampled_from([1.0, 1.01, 1.5]).map(LoadBound)


@st.composite
def plans(
    draw: st.DrawFn,
    kinds: Sequence[type] = (Cycle, Random, Hash),
    ends: st.SearchStrategy[Answer] = leaves,
    inner: int = 6,
    branches: int = 4,
    bound: st.SearchStrategy[LoadBound | None] = no_bound,
) -> Node:
    """Plans of up to `inner` nodes above the leaves; a node may stand in several places."""
    nodes: list[Node] = draw(st.lists(ends, min_size=1, max_size=4))
    for _ in range(draw(st.integers(0, inner))):
        below = draw(st.lists(st.sampled_from(nodes), min_size=1, max_size=branches))
        weights = [draw(st.floats(0.01, 1000)) for _ in below]
        kind = draw(st.sampled_from(kinds))
        if kind is Cycle:
            nodes.append(Cycle(tuple(below)))
        elif kind is Random:
            nodes.append(Random(tuple(map(WeightedChoice, weights, below))))
        else:
            keys = [f"k{place}" for place in range(len(below))]
            nodes.append(
                Hash(
                    tuple(map(HashChoice, keys, weights, below)),
                    draw(prefixes),
                    draw(st.sampled_from([1, 7, 256, 65_536])),
                    draw(bound),
                )
            )
    return nodes[-1]
