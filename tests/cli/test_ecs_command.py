"""`dnslb ecs`, and what `dnslb explain` says of where a client is."""

from __future__ import annotations

import json
import subprocess
import sys
from ipaddress import ip_network

import pytest
from click.testing import CliRunner

from dnslb.cli import main
from geo.databases import asn, city
from geo.databases import write as write_database

ZONE = """
nameservers: [ns1.example.net.]
pools:
  office: {members: [{name: o, address: 192.0.2.1}]}
  europe: {strategy: subnet, location: [50.1, 8.7], members: [{name: f, address: 192.0.2.2}]}
  america: {location: [39, -77.5], bias: 10, members: [{name: i, address: 192.0.2.3}, {name: s, address: 192.0.2.4}]}
  world:
    strategy: geo
    members:
      - {pool: office, network: [203.0.113.128/25]}
      - {pool: europe, continent: EU}
      - {pool: america, country: US, asn: 64496}
      - {pool: europe, unknown: true}
      - {pool: america}
  near: {strategy: nearest, members: [{pool: europe}, {pool: america}]}
  mixed: {strategy: weighted, members: [{pool: world}, {pool: office}]}
services:
  www: {pool: world}
  mixed: {pool: mixed}
  near: {pool: near}
  plain: {pool: america}
"""


@pytest.fixture
def run(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    write_database(
        tmp_path / "city.mmdb",
        {
            "203.0.112.0/23": city("DE", "EU", name="Bonn", at=(50.7, 7.1)),
            "198.51.100.0/24": city("US", "NA", at=(37.0, -120.0)),
        },
    )
    write_database(tmp_path / "asn.mmdb", {"198.51.100.0/25": asn(64496)}, "GeoLite2-ASN")
    (tmp_path / "dnslb.yaml").write_text("geo: {city: city.mmdb, asn: asn.mmdb, max_age: off}\n")
    (tmp_path / "zones").mkdir()
    (tmp_path / "zones" / "example.com.yaml").write_text(ZONE)

    def run(*arguments: str) -> str:
        result = CliRunner().invoke(main, arguments, catch_exceptions=False)
        assert result.exit_code == 0, result.output
        return result.output

    return run


def test_every_network_its_scope_and_its_choice(run):
    lines = [line.split() for line in run("ecs", "www.example.com").splitlines()]
    cells = {line[0]: (line[1], " ".join(line[2:])) for line in lines if line[0] != "#"}
    assert cells["203.0.113.128/25"] == ("/25", "office/o")
    # the hash of one backend looks at no network
    assert cells["203.0.112.0/24"] == ("/24", "europe/f")
    assert cells["198.51.100.0/24"] == ("/24", "america/i 50 %, america/s 50 %")
    networks = [ip_network(cell) for cell in cells]
    assert sum(one.num_addresses for one in networks if one.version == 4) == 2**32
    assert not any(
        one.overlaps(other)
        for one in networks
        for other in networks
        if one is not other and one.version == other.version
    )


def test_the_summary_and_one_network(run):
    summary = run("ecs", "www.example.com", "--summary").splitlines()
    assert all(line.startswith("#") for line in summary)
    assert "choices" in summary[1]
    one = run("ecs", "www.example.com", "--client", "203.0.113.129").splitlines()[len(summary) :]
    assert one == ["203.0.113.128/25         /25   office/o"]


def test_json(run):
    first, *cells = map(json.loads, run("ecs", "near.example.com", "--json").splitlines())
    assert first["service"] == "near.example.com."
    assert sum(choice["ipv4_networks"] for choice in first["choices"]) == len(
        [cell for cell in cells if "." in cell["network"]]
    )


def test_a_service_that_tells_nobody_apart(run):
    assert run("ecs", "plain.example.com").splitlines()[-2:] == [
        "0.0.0.0/0                /0    america/i 50 %, america/s 50 %",
        "::/0                     /0    america/i 50 %, america/s 50 %",
    ]


def test_a_backend_taken_as_down(run):
    assert "office" not in run("ecs", "www.example.com", "--down", "office/o")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("ns1.example.com",), 'unknown service "ns1.example.com"'),
        (("www.example.com", "AAAA"), "has nothing for this type"),
        (("www.example.com", "--client", "x"), "'x' is no address and no network"),
    ],
)
@pytest.mark.usefixtures("run")
def test_what_cannot_be_printed(arguments, message):
    result = CliRunner().invoke(main, ["ecs", *arguments])
    assert result.exit_code == 2
    assert message in result.output


@pytest.mark.usefixtures("run")
def test_who_reads_a_few_lines_only_gets_no_traceback():
    command = f"{sys.executable} -m dnslb ecs www.example.com | head -1"
    done = subprocess.run(
        ["bash", "-o", "pipefail", "-c", command], capture_output=True, text=True, check=False
    )
    assert done.stdout.startswith("# www.example.com. A: ")
    assert done.stderr == ""


def test_explain_tells_the_rules(run):
    told = run("explain", "www.example.com", "--client", "198.51.100.200", "--down", "europe/f")
    assert "client    NA, US, at 37, -120" in told
    assert "passed over: not in 203.0.113.128/25" in told
    assert "passed over: continent is NA, not EU" in told
    assert "passed over: AS number is unknown, not 64496" in told
    assert "passed over: only for unknown addresses" in told
    assert "the rule holds" in told
    assert "ECS scope /" in told


def test_explain_tells_of_unknown_addresses(run):
    told = run("explain", "www.example.com", "--client", "10.1.2.3")
    assert "client    unknown: no database has it" in told
    assert "passed over: where the client is is unknown" in told
    assert "europe/f" in told.splitlines()[-3]


def test_explain_tells_distances(run):
    told = run("explain", "near.example.com", "--client", "203.0.113.1")
    assert "number 1: 132 km away" in told
    assert "by its bias" in told
    assert "resolvers keep the answer for 203.0." in told


@pytest.mark.parametrize(
    ("name", "told"),
    [("www", True), ("near", True), ("mixed", True), ("plain", False)],
)
def test_explain_without_a_client(run, name, told):
    shares = "chances are shares of all IPv4 addresses"
    assert (shares in run("explain", f"{name}.example.com")) == told


def members(told: str) -> list[str]:
    """The lines of the members right below the pool, each from the member's name on."""
    lines = [line for line in told.splitlines() if line[:1] in {"├", "└"}]
    return [" ".join(line.split("%", 1)[1].split()) for line in lines]


@pytest.mark.parametrize(
    ("client", "down", "ends"),
    [
        pytest.param(
            "203.0.113.200",
            (),
            ("the rule holds", "holds, but one before it serves", "not US", "addresses", "serves"),
            id="the-first-that-holds",
        ),
        pytest.param(
            "203.0.113.200",
            ("office/o",),
            ("the rule holds", "the rule holds", "not US", "addresses", "but one before it serves"),
            id="down-though-it-holds",
        ),
        pytest.param(
            "203.0.112.1",
            ("europe/f", "america/*"),
            (
                "not in 203.0.113.128/25; serves, as none before it can",
                "the rule holds",
                "not US",
                "addresses",
                "the rule holds",
            ),
            id="serves-without-its-rule",
        ),
    ],
)
def test_explain_tells_what_came_of_the_rules(run, client, down, ends):
    options = [word for one in down for word in ("--down", one)]
    told = members(run("explain", "www.example.com", "--client", client, *options))
    assert len(told) == len(ends)
    for line, end in zip(told, ends, strict=True):
        assert line.endswith(end)
        assert "serves other networks" not in line
