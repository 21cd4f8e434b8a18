from __future__ import annotations

import pytest
from click.testing import CliRunner

from dnslb.cli import main

ZONE = """\
nameservers: [ns1.example.com.]
records:
  ns1: {A: 192.0.2.53}
  alias: {CNAME: www}
  lab: {NS: ns.example.net.}
pools:
  europe:
    strategy: weighted
    members:
      - {name: fra1, address: [192.0.2.10, "2001:db8::10"], weight: 3}
      - {name: ams1, address: 192.0.2.20, weight: 1}
  america:
    min_up: 2
    members:
      - {name: iad1, address: 198.51.100.10}
      - {name: sjc1, address: 198.51.100.20}
  world:
    strategy: failover
    members: [{pool: europe}, {pool: america}]
  kept:
    strategy: subnet
    members:
      - {name: a, address: 192.0.2.1}
      - {name: b, address: 192.0.2.2}
services:
  www: {pool: world, ttl: 20}
  kept: {pool: kept}
"""


@pytest.fixture
def explain(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "zones").mkdir()
    (tmp_path / "zones" / "example.com.yaml").write_text(ZONE)
    (tmp_path / "dnslb.yaml").write_text("listen: 127.0.0.1:5300\n")

    def run(*arguments):
        result = CliRunner().invoke(main, ["explain", *arguments])
        return result.exit_code, [line.rstrip() for line in result.output.splitlines()]

    return run


def words(lines):
    return [" ".join(line.split()) for line in lines]


def test_every_step_of_a_decision(explain):
    code, lines = explain("www.example.com")
    assert code == 0
    assert words(lines) == [
        "www.example.com. A",
        "zone example.com.",
        "found www.example.com.: service",
        "service www.example.com.: pool world, ttl 20, answers 1",
        "",
        "pool world failover, 2 of 2 members up",
        "├── 100.0 % pool europe weighted, 2 of 2 members up weight 1",
        "│ ├── 75.0 % fra1 weight 3",
        "│ └── 25.0 % ams1 weight 1",
        "└── 0.0 % pool america round-robin, 2 of 2 members up weight 1 stands by",
        "├── 0.0 % iad1 weight 1 stands by",
        "└── 0.0 % sjc1 weight 1 stands by",
        "",
        "chance answer backends",
        "75.0 % A 192.0.2.10 europe/fra1",
        "25.0 % A 192.0.2.20 europe/ams1",
    ]


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (["www.example.com", "AAAA"], ["ams1 weight 1 no IPv6 address", "100.0 % AAAA 2001:db8::10"]),
        (["www.example.com", "TXT"], ["NODATA"]),
        (["www.example.com", "--down", "europe/fra1"], ["down: taken as down", "100.0 % A 192.0.2.20"]),
        (["www.example.com", "--down", "europe/*"], ["50.0 % A 198.51.100.10", "0 of 2 members up"]),
        (
            ["www.example.com", "--down", "europe/*", "--down", "america/iad1"],
            ["when_down serve-all", "75.0 % A 192.0.2.10"],
        ),
        (["kept.example.com", "--client", "203.0.113.77"], ["100.0 % A 192.0.2.", "ECS scope /24"]),
        (["ns1.example.com."], ["static records", "300 A 192.0.2.53"]),
        (["NS1.Example.COM", "aaaa"], ["no records of this type"]),
        (["x.lab.example.com"], ["lab.example.com.: delegation", "NS ns.example.net."]),
        (["alias.example.com"], ["alias", "CNAME www.example.com."]),
        (["none.example.com"], ["no such name"]),
        (["www.example.org"], ["none of ours: REFUSED"]),
    ],
    ids=lambda value: " ".join(value) if len(value) < 6 and value[0][0].islower() else "",
)  # fmt: skip
def test_what_is_told(explain, arguments, expected):
    code, lines = explain(*arguments)
    text = "\n".join(words(lines))
    assert code == 0
    for part in expected:
        assert part in text


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["www.example.com", "--down", "europe/fra9"], "no backend matches 'europe/fra9'; there are"),
        (["www.example.com", "--client", "10.0.0.999"], "is no address and no network"),
        (["www.example.com", "WHAT"], "'WHAT' is no record type"),
        (["www..example.com"], "is no domain name"),
    ],
)  # fmt: skip
def test_bad_arguments(explain, arguments, message):
    code, lines = explain(*arguments)
    assert code == 2
    assert message in "\n".join(lines)


def test_the_same_client_network_gets_the_same_answer(explain):
    one = explain("kept.example.com", "--client", "203.0.113.0/24")[1]
    other = explain("kept.example.com", "--client", "203.0.113.200")[1]
    assert one[1:] != []
    assert one[1:] == other[1:]
