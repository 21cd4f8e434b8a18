"""What is said of the order of rules, against what rules mean for single clients."""

from __future__ import annotations

from dataclasses import replace
from ipaddress import IPv4Address, IPv6Address, ip_network

from hypothesis import example, given, settings
from hypothesis import strategies as st

from dnslb.config.model import EVERYBODY, Rule
from dnslb.config.order import Covering
from dnslb.geo.countries import continent_of
from dnslb.geo.location import Location
from dnslb.policy.strategies.geo import holds

COUNTRIES = {"US": ("US-CA", "US-NY"), "DE": ("DE-BY",), "FR": (), "JP": ()}
NETWORKS = [
    ip_network(text)
    for text in ("0.0.0.0/0", "0.0.0.0/1", "128.0.0.0/1", "10.0.0.0/8", "10.0.0.0/9",
                 "10.128.0.0/9", "10.1.2.3/32", "::/0", "2001:db8::/32", "2001:db8:8000::/33")
]  # fmt: skip


def some(values):
    return st.one_of(st.just(frozenset()), st.frozensets(st.sampled_from(values), max_size=3))


rules = st.builds(
    Rule,
    networks=st.one_of(
        st.just(()), st.lists(st.sampled_from(NETWORKS), max_size=3, unique=True).map(tuple)
    ),
    continents=some(["EU", "NA", "AS"]),
    countries=some(sorted(COUNTRIES)),
    subdivisions=some(["US-CA", "US-NY", "DE-BY", "Bavaria"]),
    cities=some(["Berlin", 2950159]),
    asns=some([64496, 64497]),
    unknown=st.booleans(),
)


@st.composite
def locations(draw):
    """A location as databases have them: the parts of a place agree with each other."""
    country = draw(st.sampled_from([None, *COUNTRIES]))
    parts = COUNTRIES[country] if country else ()
    names = ("Bavaria",) if country == "DE" else ()
    return Location(
        continent=country and continent_of(country),
        country=country,
        subdivisions=tuple(draw(st.lists(st.sampled_from([*parts, *names]), max_size=2)))
        if parts
        else (),
        city=draw(st.sampled_from([None, "Berlin"])),
        city_id=draw(st.sampled_from([None, 2950159])),
        asn=draw(st.sampled_from([None, 64496, 64497])),
    )


clients = st.sampled_from(
    [IPv4Address(text) for text in ("10.0.0.1", "10.1.2.3", "10.200.0.1", "1.1.1.1", "192.0.2.1")]
    + [IPv6Address(text) for text in ("2001:db8::1", "2001:db8:9000::1", "::1", "ffff::1")]
)


def places(rule: Rule) -> Rule:
    """The rule without its networks."""
    return replace(rule, networks=())


@given(rules, rules, st.one_of(st.none(), locations()), clients)
@settings(max_examples=500)
@example(EVERYBODY, Rule(unknown=True), None, IPv4Address("10.0.0.1"))
@example(
    Rule(continents=frozenset({"NA"})),
    Rule(subdivisions=frozenset({"US-CA"})),
    None,
    IPv4Address("10.0.0.1"),
)
def test_a_rule_that_covers_another_holds_whenever_it_does(one, other, location, client):
    if Covering(one).covers(other) and holds(other, location, client):
        assert holds(one, location, client)


@given(rules)
def test_every_rule_covers_itself_and_what_asks_for_more(rule):
    assert Covering(rule).covers(rule)
    assert Covering(EVERYBODY).covers(rule)
    assert Covering(places(rule)).covers(rule)


@given(st.lists(st.sampled_from(NETWORKS), min_size=1, unique=True), st.sampled_from(NETWORKS))
def test_networks_together_cover_what_they_hold(networks, inner):
    inside = Covering(Rule(networks=tuple(networks))).covers(Rule(networks=(inner,)))
    ends = [inner.network_address, inner.broadcast_address]
    # all of these networks are halves of each other or nested, so the middle decides with the ends
    size = int(inner.broadcast_address) - int(inner.network_address) + 1
    ends += [inner.network_address + size // 2, inner.network_address + (size - 1) // 2]
    probes = [
        address
        for network in NETWORKS
        for address in (network.network_address, network.broadcast_address)
        if address.version == inner.version and address in inner
    ]
    # the address after the end of each network tells gaps
    probes += [
        network.broadcast_address + 1
        for network in NETWORKS
        if network.version == inner.version
        and int(network.broadcast_address) + 1 < 2**inner.max_prefixlen
        and network.broadcast_address + 1 in inner
    ]
    assert inside == all(any(probe in one for one in networks) for probe in [*ends, *probes])
