"""Balanced answers, from a daemon's socket."""

from __future__ import annotations

from collections import Counter

import pytest
from dnslib import DNSRecord
from harness import client

HEAD = "nameservers: [ns.example.net.]\n"


def pool(strategy: str, *members: str, more: str = "") -> str:
    lines = "".join(f"      - {member}\n" for member in members)
    return f"  p:\n    strategy: {strategy}\n{more}    members:\n{lines}"


def zone(pools: str, **services: str) -> str:
    lines = "".join(f"  {name}: {text}\n" for name, text in services.items())
    return f"{HEAD}pools:\n{pools}services:\n{lines}"


def members(*weights: int) -> list[str]:
    return [
        f"{{name: b{index}, address: 192.0.2.{index}, weight: {weight}}}"
        for index, weight in enumerate(weights, 1)
    ]


def test_weights_are_exact(serve, write):
    config = write(example_com=zone(pool("weighted", *members(3, 2, 1)), www="{pool: p}"))
    daemon = serve(config).ready()
    assert daemon.count("www.example.com", 6000) == {
        "192.0.2.1": 3000,
        "192.0.2.2": 2000,
        "192.0.2.3": 1000,
    }


def test_round_robin_visits_everybody(serve, write):
    config = write(example_com=zone(pool("round-robin", *members(*[1] * 5)), www="{pool: p}"))
    daemon = serve(config).ready()
    assert set(daemon.count("www.example.com", 5)) == {f"192.0.2.{index}" for index in range(1, 6)}


@pytest.mark.parametrize(
    ("strategy", "options", "expected"),
    [
        ("failover", "", ["192.0.2.1"]),
        ("all", "", ["192.0.2.1", "192.0.2.2", "192.0.2.3"]),
        ("failover", ", answers: 2", ["192.0.2.1", "192.0.2.2"]),
        ("round-robin", ", answers: 3", ["192.0.2.1", "192.0.2.2", "192.0.2.3"]),
    ],
    ids=["failover", "all", "failover-2", "round-robin-3"],
)
def test_answers(serve, write, strategy, options, expected):
    config = write(
        example_com=zone(pool(strategy, *members(1, 1, 1)), www=f"{{pool: p, ttl: 7{options}}}")
    )
    reply = serve(config).ready().ask("www.example.com")
    assert sorted(str(record.rdata) for record in reply.rr) == expected
    assert {record.ttl for record in reply.rr} == {7}
    assert reply.header.aa


def test_both_families_of_one_backend(serve, write):
    pairs = [
        f"{{name: b{index}, address: [192.0.2.{index}, '2001:db8::{index}']}}"
        for index in range(1, 6)
    ]
    config = write(example_com=zone(pool("subnet", *pairs), www="{pool: p}"))
    daemon = serve(config).ready()
    met = set()
    for network in range(30):
        subnet = f"198.51.{network}.0/24"
        v4 = daemon.addresses("www.example.com", "A", subnet=subnet)
        v6 = daemon.addresses("www.example.com", "AAAA", subnet=subnet)
        assert v4[0].rpartition(".")[2] == v6[0].rpartition(":")[2]
        met.add(v4[0])
    assert len(met) == 5


def test_cname_targets_answer_every_type(serve, write):
    config = write(
        example_com=zone(
            pool("weighted", "{name: a, target: a.example.net., weight: 2}",
                 "{name: b, target: b.example.net., weight: 1}"),
            cdn="{pool: p}",
        )
    )  # fmt: skip
    daemon = serve(config).ready()
    for qtype in ("A", "AAAA", "HTTPS"):
        replies = [daemon.ask("cdn.example.com", qtype) for _ in range(3)]
        assert Counter(str(reply.rr[0].rdata) for reply in replies) == {
            "a.example.net.": 2,
            "b.example.net.": 1,
        }
        assert {record.rtype for reply in replies for record in reply.rr} == {5}


def test_subnet_keeps_backends_through_a_restart(serve, write):
    config = write(example_com=zone(pool("subnet", *members(*[1] * 10)), www="{pool: p}"))
    networks = [f"10.{high}.{low}.0/24" for high in range(4) for low in range(0, 250, 5)]

    def seen() -> dict[str, str]:
        daemon = serve(config).ready()
        found = {
            network: daemon.addresses("www.example.com", subnet=network)[0] for network in networks
        }
        daemon.end()
        return found

    first = seen()
    assert seen() == first
    assert len(set(first.values())) == 10


def test_subnet_tells_resolvers_its_scope(serve, write):
    config = write(
        example_com=zone(
            pool("subnet", *members(1, 1), more="    prefix: {v4: 20, v6: 48}\n"),
            www="{pool: p}",
        )
    )
    daemon = serve(config).ready()
    reply = daemon.ask("www.example.com", subnet="198.51.100.0/24")
    option = reply.ar[0].rdata[0]
    assert (option.code, option.data) == (8, bytes([0, 1, 24, 20, 198, 51, 100]))


def test_a_pipelined_client_gets_every_answer(serve, write):
    config = write(example_com=zone(pool("round-robin", *members(1, 1)), www="{pool: p}"))
    daemon = serve(config).ready()
    with client(daemon.port) as sock:
        wanted = set(range(1, 200))
        for number in wanted:
            packet = DNSRecord.question("www.example.com")
            packet.header.id = number
            sock.send(packet.pack())
        got = {DNSRecord.parse(sock.recv(512)).header.id for _ in wanted}
    assert got == wanted


@pytest.mark.parametrize("options", [", answers: 2", ""], ids=["answers", "one-backend"])
def test_an_rrset_holds_each_address_once(serve, write, options):
    twice = ["{name: a, address: [192.0.2.1, 192.0.2.2]}", "{name: b, address: 192.0.2.1}"]
    config = write(example_com=zone(pool("all", *twice), www=f"{{pool: p{options}}}"))
    found = serve(config).ready().addresses("www.example.com")
    assert sorted(found) == ["192.0.2.1", "192.0.2.2"]
