"""What conditions, locations and biases mean in the model."""

from __future__ import annotations

from ipaddress import ip_network

import pytest
from configs import NS, databases, good_zone

from dnslb.config.model import EVERYBODY, Rule
from dnslb.geo.countries import EUROPEAN_UNION


@pytest.mark.parametrize(
    ("text", "rule"),
    [
        ("network: 192.0.2.7", Rule(networks=(ip_network("192.0.2.7"),))),
        (
            "network: ['2001:db8::/32', 192.0.2.0/24]",
            Rule(networks=(ip_network("2001:db8::/32"), ip_network("192.0.2.0/24"))),
        ),
        ("continent: EU", Rule(continents=frozenset({"EU"}))),
        ("continent: [NA, SA]", Rule(continents=frozenset({"NA", "SA"}))),
        ("country: NO", Rule(countries=frozenset({"NO"}))),
        ("country: XK", Rule(countries=frozenset({"XK"}))),
        ("country: EU", Rule(countries=EUROPEAN_UNION)),
        ("country: [EU, GB]", Rule(countries=EUROPEAN_UNION | {"GB"})),
        ("subdivision: US-CA", Rule(subdivisions=frozenset({"US-CA"}))),
        ("city: [Berlin, 2988507]", Rule(cities=frozenset({"Berlin", 2988507}))),
        ("asn: 64496", Rule(asns=frozenset({64496}))),
        ("asn: [AS64497, 4294967295]", Rule(asns=frozenset({64497, 4294967295}))),
        ("unknown: true", Rule(unknown=True)),
        (
            "country: DE, asn: AS64496, network: 10.0.0.0/8",
            Rule((ip_network("10.0.0.0/8"),), countries=frozenset({"DE"}), asns=frozenset({64496})),
        ),
    ],
)
def test_rules(tmp_path, text, rule):
    members = f"{{address: 192.0.2.1, {text}}}, {{address: 192.0.2.2}}"
    zone = good_zone(
        tmp_path,
        f"{NS}services: {{w: {{strategy: geo, members: [{members}]}}}}\n",
        databases(tmp_path),
    )
    first, last = zone.pools["w"].members
    assert first.rule == rule
    assert last.rule == EVERYBODY == Rule()


def test_members_have_the_place_of_the_pool_that_they_refer_to(tmp_path):
    zone = good_zone(
        tmp_path,
        f"""{NS}
pools:
  fra: {{location: [50, 8.5], bias: 10, members: [{{address: 192.0.2.1}}]}}
  near:
    strategy: nearest
    members:
      - {{pool: fra}}
      - {{name: own, address: 192.0.2.2, location: [1, -2], bias: -99}}
  other:
    strategy: nearest
    members: [{{pool: fra, location: [0, 0], bias: 0}}, {{address: 192.0.2.2, location: [3, 4]}}]
services: {{a: {{pool: near}}, b: {{pool: other}}}}
""",
        databases(tmp_path),
    )
    near, other = zone.pools["near"], zone.pools["other"]
    assert [(one.location, one.bias) for one in near.members] == [((50, 8.5), 10), ((1, -2), -99)]
    assert [(one.location, one.bias) for one in other.members] == [((0, 0), 0), ((3, 4), 0)]
    assert zone.pools["fra"].bias == 10
