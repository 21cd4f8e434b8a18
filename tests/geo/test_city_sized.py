"""A database the size of GeoLite2-City: read whole, and decided as its vendor's reader would."""

from __future__ import annotations

import random
from ipaddress import IPv4Address, IPv6Address

import maxminddb
import pytest

from dnslb.config.model import Backend, BackendId, Member, Rule
from dnslb.geo.atlas import Atlas
from dnslb.geo.database import open_database
from dnslb.policy.plan import Answer, Network
from dnslb.policy.strategies import find
from dnslb.policy.strategies.base import Candidate, Choice
from geo.cityfile import city_file

CONTINENTS = ("EU", "NA", "AS")


@pytest.mark.timeout(400)  # writing the file takes most of it
def test_every_choice_is_that_of_the_vendors_record(tmp_path):
    file = tmp_path / "city.mmdb"
    networks = city_file(file)
    assert networks > 4_000_000
    opened = open_database(file)
    assert opened.database.networks == networks
    assert opened.database.records > 90_000
    backends = [
        Backend(BackendId("z.", "p", name), (IPv4Address(place),))
        for place, name in enumerate((*CONTINENTS, "rest"))
    ]
    rules = [Rule(continents=frozenset({continent})) for continent in CONTINENTS] + [Rule()]
    members = [Member(one, rule=rule) for one, rule in zip(backends, rules, strict=True)]
    candidates = [
        Candidate(str(one.id), 1, Answer((one,), 30), place=place)
        for place, one in enumerate(backends)
    ]
    choice = Choice(1, None, members=members, atlas=Atlas(opened))
    node = find("geo").plan(candidates, choice)
    assert isinstance(node, Network)
    assert sum(node.map.sizes) < networks / 10, "neighbours with one choice are one network"
    dice = random.Random(4)
    with maxminddb.open_database(file) as theirs:
        for number in range(20_000):
            address = (
                IPv4Address(dice.getrandbits(32))
                if number % 2
                else IPv6Address(0x2A << 120 | dice.getrandbits(120))
            )
            record = theirs.get(str(address)) or {}
            continent = record.get("continent", {}).get("code")
            expected = continent if continent in CONTINENTS else "rest"
            (backend,) = node.choices[node.map.find(address)[0]].backends
            assert backend.id.name == expected, address
