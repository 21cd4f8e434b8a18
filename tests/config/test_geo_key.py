"""`geo` and `ecs` of dnslb.yaml, and what databases have to tell."""

from __future__ import annotations

import math
from ipaddress import ip_network

import pytest
from configs import NS, ZONE, databases, good, lines, warned, write

from dnslb.config.load import examine
from dnslb.config.model import Geo
from dnslb.config.problem import Report
from dnslb.config.spot import Spot
from dnslb.config.steering import Need, check_needs, told_by
from dnslb.geo.atlas import EMPTY, Atlas
from dnslb.geo.database import open_database
from geo.databases import city
from geo.databases import write as write_database

DAY = 86_400


def test_no_databases(tmp_path):
    assert good(tmp_path, NS).geo == Geo(None, None, 30 * DAY)


@pytest.mark.parametrize(
    ("text", "age"),
    [("30d", 30 * DAY), ("1h", 3600), ("3650d", 3650 * DAY), ("off", math.inf)],
)
def test_max_age(tmp_path, text, age):
    assert good(tmp_path, NS, f"geo: {{max_age: {text}}}\n").geo == Geo(max_age=age)


@pytest.mark.parametrize("text", ["59m", "3651d", "0s"])
def test_ages_beyond_reason(tmp_path, monkeypatch, text):
    assert told(tmp_path, monkeypatch, f"geo: {{max_age: {text}}}") == [
        "1:16: geo.max_age: must be 1h to 3650d, or off"
    ]


@pytest.mark.parametrize(
    ("server", "expected"),
    [
        ("geo: {city: c.mmdb}", ["1:13: geo.city: there is no file c.mmdb; the path is relative to dnslb.yaml"]),
        ("geo: {asn: zones}", ["1:12: geo.asn: zones is a folder; name a file in it"]),
        ("geo: {country: c.mmdb}", ['1:7: geo: unknown key "country"; there are city, asn and max_age']),
        ("geo: {max_age: 30}", ["1:16: geo.max_age: must be a duration with its unit; write 30s"]),
        ("geo: c.mmdb", ["1:6: geo: must be a mapping of keys to values"]),
        ("ecs: true", ['1:6: ecs: unknown word "true"; there are on and off']),
        ("ecs: {trusted: 192.0.2.1}", ['1:7: ecs: unknown key "trusted"; did you mean "trust"?']),
        ("ecs: {trust: []}", ["1:14: ecs.trust: must not be an empty list; write a value, or remove the key"]),
        ("ecs: {trust: [192.0.2.1/24]}", ['1:15: ecs.trust[0]: "192.0.2.1/24" has bits beyond its prefix; write 192.0.2.0/24']),
        ("ecs: {trust: [resolver]}", ['1:15: ecs.trust[0]: "resolver" is no network; write 192.0.2.0/24, 2001:db8::/32 or an address']),
    ],
)  # fmt: skip
def test_problems(tmp_path, monkeypatch, server, expected):
    assert told(tmp_path, monkeypatch, server) == expected


@pytest.mark.parametrize(
    ("text", "trust"),
    [
        ("on", None),
        ("off", ()),
        ("{}", None),
        ("{trust: 192.0.2.1}", (ip_network("192.0.2.1"),)),
        ("{trust: [192.0.2.0/24, '2001:db8::/32']}", (ip_network("192.0.2.0/24"), ip_network("2001:db8::/32"))),
    ],
)  # fmt: skip
def test_whose_client_subnet_counts(tmp_path, text, trust):
    assert good(tmp_path, NS, f"ecs: {text}\n").settings.ecs_trust == trust


def test_everybodys_client_subnet_counts_unless_said(tmp_path):
    assert good(tmp_path, NS).settings.ecs_trust is None


@pytest.mark.parametrize("server", ["geo: {city: gone.mmdb}", "geo: [city.mmdb]"])
def test_a_wrong_database_is_told_once(tmp_path, monkeypatch, server):
    member = "{address: 192.0.2.1, country: DE}, {address: 192.0.2.2}"
    zone = f"{NS}services: {{w: {{strategy: geo, members: [{member}]}}}}\n"
    monkeypatch.chdir(tmp_path)
    examined = examine(write(tmp_path, {"dnslb.yaml": f"{server}\n", ZONE: zone}))
    assert lines(examined) == []
    assert len(lines(examined, "dnslb.yaml")) == 1


def test_an_entry_that_is_wrong_needs_no_database(tmp_path, monkeypatch):
    member = "{address: 192.0.2.1, city: [0]}, {address: 192.0.2.2}"
    zone = f"{NS}services: {{w: {{strategy: geo, members: [{member}]}}}}\n"
    monkeypatch.chdir(tmp_path)
    (problem,) = lines(examine(write(tmp_path, {"dnslb.yaml": databases(tmp_path), ZONE: zone})))
    assert problem.endswith("must be the English name of a city, or its number at GeoNames")


def test_what_the_databases_lack(tmp_path):
    report = Report()
    spot = Spot(report, tmp_path / "zone.yaml")
    country = Need(frozenset({"country"}), "countries", "city", spot)
    check_needs([country], frozenset({"country", "asn"}))
    assert not report.problems
    check_needs([country], frozenset({"asn"}))
    (problem,) = report.problems
    assert problem.message == "needs geo: city in dnslb.yaml; no database there tells countries"


def test_any_layout_may_stand_under_either_key(tmp_path):
    both = city("DE", "EU") | {"asn": "AS64496"}
    opened = open_database(write_database(tmp_path / "both.mmdb", {"192.0.2.0/24": both}))
    told = {"continent", "country", "asn"}
    assert told_by(Atlas(city=opened)) == told_by(Atlas(asn=opened)) == told
    assert told < told_by(None), "nothing more is told of what could not be read"
    assert told_by(EMPTY) == frozenset()


def test_a_torn_database_is_a_problem(tmp_path, monkeypatch):
    databases(tmp_path)
    torn = tmp_path / "city.mmdb"
    torn.write_bytes(torn.read_bytes()[:-40])
    (problem,) = told(tmp_path, monkeypatch, "geo: {city: city.mmdb}")
    assert problem.startswith("1:13: geo.city: city.mmdb: ")
    assert problem.endswith("; put a whole file in its place")


def test_an_old_database_is_warned_of(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    databases(tmp_path)
    server = "geo: {city: city.mmdb, max_age: 10d}\n"
    examined = examine(write(tmp_path, {"dnslb.yaml": server, ZONE: NS}))
    (warning,) = warned(examined, "dnslb.yaml")
    assert "city.mmdb was built on 2023-11-14" in warning
    assert warning.endswith("max_age is 10 days")


def told(tmp_path, monkeypatch, server):
    monkeypatch.chdir(tmp_path)
    return lines(examine(write(tmp_path, {"dnslb.yaml": f"{server}\n", ZONE: NS})), "dnslb.yaml")
