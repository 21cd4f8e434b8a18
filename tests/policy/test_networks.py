"""Plans by network are what a naive evaluation of the rules says, for every client.

    policy, members up ─compiled and lifted─▶ plan ─walk─▶ chances of each answer ┐
    policy, members up ─the rules as they read, for one address─▶ the same ───────┴ equal

And the plan's map is canonical, so that its prefixes can be the scopes of answers (RFC 7871).
"""

from __future__ import annotations

import struct
from fractions import Fraction
from ipaddress import IPv4Address, IPv6Address, ip_network
from itertools import pairwise
from math import asin, cos, radians, sin, sqrt
from types import SimpleNamespace

import pytest
from dnslib import EDNS0, QTYPE, DNSQuestion, DNSRecord, EDNSOption
from hypothesis import event, given
from hypothesis import strategies as st

from dnslb.config.model import Backend, BackendId, Member, Pool, Prefix, Rule, ServiceId
from dnslb.engine import network_map, new_engine
from dnslb.geo.atlas import Atlas
from dnslb.geo.countries import continent_of
from dnslb.geo.location import Location
from dnslb.policy.compile import Compiler
from dnslb.policy.plan import Answer, Hash, Network, ServicePlan
from dnslb.policy.strategies import find
from dnslb.policy.walk import chances, children, scope
from dnslb.publisher import EngineSettings
from dnslb.zone.records import RRset
from policy.making import DOWN, TTL, ZONE, backend, service

COUNTRIES = ["DE", "FR", "US", "BR"]
CONTINENTS = ["EU", "NA", "SA"]
ASNS = [64496, 64497]
SITES = [(52.5, 13.4), (48.9, 2.4), (40.7, -74.0), (-23.5, -46.6)]

# few bits vary, so that networks meet: within, beside and as halves of each other
networks = st.one_of(
    st.tuples(st.integers(0, 31), st.integers(3, 8)).map(
        lambda pair: ip_network((pair[0] << 24 | 0x40000000, pair[1] + 0), strict=False)
    ),
    st.tuples(st.integers(0, 63), st.integers(42, 48)).map(
        lambda pair: ip_network((0x20010DB8 << 96 | pair[0] << 80, pair[1]), strict=False)
    ),
)


class Book:
    """What the engine's `Database` is to an `Atlas`, from networks that are written down."""

    def __init__(self, found: dict[object, Location]) -> None:
        self.found = found
        self.known = list(dict.fromkeys(found.values()))
        self.records = len(self.known)
        places = {one: place + 1 for place, one in enumerate(self.known)}
        self.map = network_map([(network, places[one]) for network, one in found.items()])
        self.fields = frozenset(
            field
            for field in Location._fields
            if any(getattr(one, field) not in (None, ()) for one in self.known)
        )

    def location(self, record: int) -> Location:
        return self.known[record]

    def rows(self, fields):
        rows = [tuple(getattr(one, field) for field in fields) for one in self.known]
        distinct = list(dict.fromkeys(rows))
        return distinct, [distinct.index(row) for row in rows]

    def naive(self, client) -> Location | None:
        """The location of the longest network that holds `client`."""
        within = [network for network in self.found if client in network]
        return self.found[max(within, key=lambda one: one.prefixlen)] if within else None


def atlas_of(city, asn) -> Atlas:
    return Atlas(*(book and SimpleNamespace(database=book) for book in (city, asn)))


places = st.builds(
    lambda country, site: Location(country=country, latitude=site and site[0],
                                   longitude=site and site[1]),
    st.sampled_from([None, *COUNTRIES]),
    st.sampled_from([None, *SITES]),
)  # fmt: skip
systems = st.sampled_from(ASNS).map(lambda number: Location(asn=number))


def books(locations):
    return st.none() | st.dictionaries(networks, locations, max_size=6).map(Book)


rules = st.builds(
    Rule,
    networks=st.just(()) | st.lists(networks, max_size=2).map(tuple),
    continents=st.just(frozenset()) | st.frozensets(st.sampled_from(CONTINENTS), max_size=2),
    countries=st.just(frozenset()) | st.frozensets(st.sampled_from(COUNTRIES), max_size=2),
    asns=st.just(frozenset()) | st.frozensets(st.sampled_from(ASNS), max_size=1),
    unknown=st.sampled_from([False, False, False, True]),
)
prefixes = st.builds(Prefix, st.integers(0, 32), st.integers(0, 128))
STRATEGIES = ["geo", "geo", "nearest", "weighted", "round-robin", "subnet", "failover"]


@st.composite
def policies(draw) -> Pool:
    """Pools over pools; one may stand in several places."""
    below: list[Backend | Pool] = [backend(f"b{number}", "46") for number in range(1, 7)]
    for number in range(draw(st.integers(1, 5))):
        recent = below[-1:] if isinstance(below[-1], Pool) else []
        others = draw(st.lists(st.sampled_from(below), min_size=1, max_size=4, unique_by=id))
        members = tuple(
            Member(
                one,
                draw(st.sampled_from([1, 1, 2, 3, 0])),
                draw(rules),
                draw(st.sampled_from([None, *SITES])),
                draw(st.sampled_from([0, 0, 50, -50])),
            )
            for one in dict.fromkeys([*others, *recent])
        )
        strategy = find(draw(st.sampled_from(STRATEGIES)))
        below.append(Pool(ZONE, f"p{number}", strategy, members, 1, draw(prefixes)))
    assert isinstance(below[-1], Pool)
    return below[-1]


class World(SimpleNamespace):
    """A policy, what is known of addresses, and who is down."""

    def locate(self, client) -> Location | None:
        here = self.city and self.city.naive(client)
        there = self.asn and self.asn.naive(client)
        if here is None and there is None:
            return None
        country = here and here.country
        return Location(
            continent=country and continent_of(country),
            country=country,
            asn=there and there.asn,
            latitude=here and here.latitude,
            longitude=here and here.longitude,
        )

    def plan(self) -> ServicePlan:
        standings = {BackendId(ZONE, "p", name): DOWN for name in self.down}
        return Compiler(standings, atlas_of(self.city, self.asn)).service(service(self.pool))

    def edges(self) -> list:
        """The first and last address of every network, and those right outside of it."""
        found = [
            *(self.city.found if self.city else ()),
            *(self.asn.found if self.asn else ()),
            *(one for pool in pools(self.pool) for member in pool.members
              for one in member.rule.networks),
        ]  # fmt: skip
        near = {IPv4Address(0), IPv4Address(2**32 - 1), IPv6Address(0), IPv6Address(2**128 - 1)}
        for network in found:
            first, last = network.network_address, network.broadcast_address
            near |= {first, last, first - 1, last + 1}
        return sorted(near, key=lambda one: (one.version, int(one)))


def pools(pool):
    yield pool
    for member in pool.members:
        if isinstance(member.of, Pool):
            yield from pools(member.of)


worlds = st.builds(
    World,
    pool=policies(),
    city=books(places),
    asn=books(systems),
    down=st.frozensets(st.sampled_from([f"b{number}" for number in range(1, 7)]), max_size=4),
)
clients = st.lists(
    st.one_of(
        st.integers(0, 2**32 - 1).map(IPv4Address),
        st.integers(0x40000000, 0x5FFFFFFF).map(IPv4Address),
        st.integers(0, 2**128 - 1).map(IPv6Address),
    ),
    max_size=8,
)


# the naive evaluation: one client, one pool after the other, the rules as they read


def naive(world: World, pool: Pool, client) -> dict[str, Fraction]:  # noqa: C901 - one case each
    """How often each backend is the answer."""
    up = [member for member in pool.members if is_up(world, member.of)]
    if any(member.weight for member in up):
        weighty = [member for member in up if member.weight]
    else:
        weighty = up
    match pool.strategy.name:
        case "geo":
            picked = {first(geo(world, pool, client), weighty): Fraction(1)}
        case "nearest":
            picked = {first(nearest(world, pool, client), weighty): Fraction(1)}
        case "failover":
            picked = {up[0]: Fraction(1)}
        case "round-robin":
            picked = {member: Fraction(1, len(weighty)) for member in weighty}
        case "weighted":
            total = sum(member.weight for member in weighty)
            picked = {
                member: Fraction(member.weight, total) if total else Fraction(1, len(weighty))
                for member in weighty
            }
        case "subnet":
            picked = {bound(pool, weighty, client): Fraction(1)}
    sums: dict[str, Fraction] = {}
    for member, part in picked.items():
        if isinstance(member.of, Backend):
            below = {member.of.id.name: Fraction(1)}
        else:
            below = naive(world, member.of, client)
        for name, chance in below.items():
            sums[name] = sums.get(name, Fraction(0)) + part * chance
    return sums


def is_up(world: World, of) -> bool:
    if isinstance(of, Backend):
        return of.id.name not in world.down
    return any(is_up(world, member.of) for member in of.members)


def first(order, up):
    return next(member for member in order if member in up)


def geo(world: World, pool: Pool, client):
    location = world.locate(client)
    for member in pool.members:
        if matches(member.rule, location, client):
            yield member
    yield pool.members[-1]
    yield from pool.members


def matches(rule: Rule, location, client) -> bool:
    if rule.unknown and location is not None:
        return False
    if rule.networks and not any(client in network for network in rule.networks):
        return False
    location = location or Location()
    return (
        (not rule.continents or location.continent in rule.continents)
        and (not rule.countries or location.country in rule.countries)
        and (not rule.asns or location.asn in rule.asns)
    )


def nearest(world: World, pool: Pool, client):
    location = world.locate(client)
    at = None
    if location and location.latitude is not None:
        at = location.latitude, location.longitude
    else:
        lost = [member for member in pool.members if member.rule.unknown] or [pool.members[-1]]
        yield from lost
        at = lost[0].location
    if at is None:
        yield from pool.members
        return
    yield from sorted(pool.members, key=lambda member: kilometres(at, member))


def kilometres(at, member) -> float:
    """By the haversine; exact to far less than two sites differ by."""
    if member.location is None:
        return float("inf")
    (north, east), (other_north, other_east) = (
        map(radians, place) for place in (at, member.location)
    )
    half = (
        sin((other_north - north) / 2) ** 2
        + cos(north) * cos(other_north) * sin((other_east - east) / 2) ** 2
    )
    away = round(12742 * asin(min(1, sqrt(half))), 3)
    factor = 1 - member.bias / 100 if member.bias > 0 else 1 / (1 + member.bias / 100)
    return away * factor


def bound(pool: Pool, up, client):
    """By the hash itself, which tests of its own hold against the engine's."""
    if len(up) == 1:
        return up[0]
    hashed = find("subnet").plan(
        [
            SimpleNamespace(
                key=str(one.of.id) if isinstance(one.of, Backend) else one.of.name,
                weight=one.weight,
                node=one,
            )
            for one in up
        ],
        SimpleNamespace(answers=1, prefix=pool.prefix, bound=None),
    )
    return hashed.pick(hashed.slot(client)).node


def of_plan(root, client) -> dict[str, float]:
    return {leaf.backends[0].id.name: chance for leaf, chance in chances(root, client)}


@given(worlds, clients)
def test_the_plan_is_what_the_rules_say(world, some):
    if not is_up(world, world.pool):
        return
    plan = world.plan()
    event("by network" if isinstance(plan.a, Network) else "the same for all")
    for client in [*world.edges(), *some]:
        expected = naive(world, world.pool, client)
        for root in (plan.a, plan.aaaa):
            assert of_plan(root, client) == pytest.approx(
                {name: float(chance) for name, chance in expected.items()}
            )


def below(root):
    yield root
    for child in children(root):
        yield from below(child)


@given(worlds)
def test_maps_are_canonical_and_at_the_root(world):
    root = world.plan().a
    for child in children(root):
        assert not any(isinstance(node, Network) for node in below(child))
    if not isinstance(root, Network):
        return
    assert len(set(root.choices)) == len(root.choices)
    for version, bits in ((4, 32), (6, 128)):
        end = 0
        cells = root.map.cells(version)
        for address, length, _ in cells:
            assert address == end  # all is covered, once
            end = address + (1 << (bits - length))
        assert end == 1 << bits
        for (one, length, label), (_, other_length, other) in pairwise(cells):
            halves = length == other_length and not one >> (bits - length) & 1
            assert not (halves and label == other)


@given(worlds, clients)
def test_scopes_are_the_cells_or_the_hash_below(world, some):
    root = world.plan().a
    for client in [*world.edges(), *some]:
        length, choice = 0, root
        if isinstance(root, Network):
            label, length = root.map.find(client)
            choice = root.choices[label]
        hashes = [
            node.prefix.v4 if client.version == 4 else node.prefix.v6
            for node in below(choice)
            if isinstance(node, Hash)
        ]
        assert scope(root, client) == max([length, *hashes])


# the engine

ORIGIN = b"\x07example\x00"
SOA = ORIGIN * 2 + struct.pack("!5I", 1, 3600, 600, 86400, 60)
SERVICE = ServiceId(ZONE, "www")
PUBLISHED = SimpleNamespace(
    origin=ORIGIN,
    rrsets=[RRset(ORIGIN, 6, 300, (SOA,))],
    services=[(b"\x03www" + ORIGIN, SERVICE)],
)


class Served:
    """An engine that serves one plan."""

    def __init__(self, plan: ServicePlan, settings: EngineSettings | None = None) -> None:
        self.engine = new_engine()
        self.engine.publish({SERVICE: plan}, [PUBLISHED], settings)

    def ask(self, client, source=None, qtype="A", name="www.example", resolver="192.0.2.200"):
        """The answer's addresses, the rcode, and the scope that the option came back with."""
        question = DNSRecord(q=DNSQuestion(name, getattr(QTYPE, qtype)))
        source = client.max_prefixlen if source is None else source
        question.add_ar(EDNS0(udp_len=1232, opts=[subnet(client, source)]))
        reply = DNSRecord.parse(self.engine.answer(bytes(question.pack()), resolver))
        (option,) = [
            one for record in reply.ar if record.rtype == QTYPE.OPT for one in record.rdata
        ]
        assert option.code == 8
        assert option.data[:3] == subnet(client, source).data[:3]
        return [str(one.rdata) for one in reply.rr], reply.header.rcode, option.data[3]


def subnet(client, source: int) -> EDNSOption:
    network = ip_network((client, source), strict=False)
    octets = network.network_address.packed[: (source + 7) // 8]
    return EDNSOption(8, struct.pack("!HBB", 1 if client.version == 4 else 2, source, 0) + octets)


def addresses(root, client) -> frozenset[str]:
    return frozenset(
        str(backend.addresses[0]) for leaf, _ in chances(root, client) for backend in leaf.backends
    )


@given(worlds, clients)
def test_the_engine_answers_likewise_and_scopes_never_hide_another_answer(world, some):
    if not is_up(world, world.pool):
        return
    plan = world.plan()
    served = Served(plan)
    told = []
    for client in [*world.edges(), *some]:
        got, rcode, length = served.ask(client)
        assert rcode == 0
        possible = addresses(plan.a, client)
        assert set(got) <= possible
        assert length == scope(plan.a, client)
        told.append((client, ip_network((client, length), strict=False), possible))
        # what plays no part has no scope: no client's network, and what does not exist
        assert served.ask(client, 0)[2] == 0
        assert served.ask(client, qtype="TXT") == ([], 0, 0)
        assert served.ask(client, name="no.example") == ([], 3, 0)
    for _, network, possible in told:
        for other, theirs, others in told:
            if other.version == network.version and other in network:
                assert (theirs, others) == (network, possible)


@given(worlds, clients)
def test_types_exist_for_all_clients_or_for_none(world, some):
    plan = world.plan()
    for root in (plan.a, plan.aaaa, plan.other):
        if root is not None:
            empty = {
                all(not leaf.backends for leaf, _ in chances(root, client))
                for client in [*world.edges(), *some]
            }
            assert len(empty) == 1


TRUSTING = EngineSettings(
    udp_payload=1232,
    identity=None,
    version=None,
    cookie_secrets=(),
    cookies_required=False,
    keepalive=100,
    ecs_trust=network_map([(ip_network("192.0.2.0/24"), 1)]),
)


def test_who_is_not_trusted_is_answered_by_its_own_address():
    leaves = [Answer((backend(name),), TTL) for name in ("a", "b")]
    near, far = ip_network("198.51.100.0/24"), IPv4Address("203.0.113.1")
    plan = ServicePlan(Network(network_map([(near, 1)]), tuple(leaves)), None)
    served = Served(plan, TRUSTING)
    assert served.ask(near[1], 24, resolver="192.0.2.1") == (["192.0.2.2"], 0, 24)
    assert served.ask(near[1], 24, resolver=str(far)) == (["192.0.2.1"], 0, 0)
    assert served.ask(far, 24, resolver=str(near[9])) == (["192.0.2.2"], 0, 0)
