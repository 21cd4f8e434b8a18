"""What right zone files mean: the model that they become."""

from __future__ import annotations

import struct
from ipaddress import ip_address

import pytest
from configs import NS, good, good_zone

from dnslb.config.model import BackendId, Family, Prefix, ServiceId
from dnslb.health.checks.http import HttpCheck
from dnslb.health.checks.tcp import TcpCheck
from dnslb.zone.names import from_text, relative
from dnslb.zone.rdata import rdata_text
from dnslb.zone.types import type_name

ORIGIN = from_text("example.com.")


def records(zone) -> list[str]:
    """The static records but for SOA and apex NS, as text."""
    return [
        f"{relative(rrset.owner, ORIGIN)} {rrset.ttl} {type_name(rrset.type)} "
        f"{rdata_text(rrset.type, rdata)}"
        for rrset in zone.rrsets
        for rdata in rrset.rdatas
        if rrset.owner != ORIGIN or rrset.type not in {2, 6}
    ]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("A: 192.0.2.1", ["a 300 A 192.0.2.1"]),
        ("A: [192.0.2.1, 192.0.2.2], ttl: 1h", ["a 3600 A 192.0.2.1", "a 3600 A 192.0.2.2"]),
        ("A: 192.0.2.1, TXT: x, ttl: 7", ["a 7 A 192.0.2.1", 'a 7 TXT "x"']),
        ("AAAA: 2001:db8::1", ["a 300 AAAA 2001:db8::1"]),
        ("CNAME: b.example.net.", ["a 300 CNAME b.example.net."]),
        ("MX: 10 a", ["a 300 MX 10 a.example.com."]),
        ("mx: 10 @", ["a 300 MX 10 example.com."]),
        ("MX: 0 .", ["a 300 MX 0 ."]),
        ("SRV: 1 2 443 a.x.", ["a 300 SRV 1 2 443 a.x."]),
        ('TXT: \'"a b" "c"\'', ['a 300 TXT "a b" "c"']),
        ('TXT: \'"say \\"hi\\"; \\195\\164"\'', ['a 300 TXT "say \\"hi\\"; \\195\\164"']),
        ("TXT: '\"ä\"'", ['a 300 TXT "\\195\\164"']),
        ("TXT: '\"\"'", ['a 300 TXT ""']),
        (f"TXT: '\"{'x' * 300}\"'", [f'a 300 TXT "{"x" * 255}" "{"x" * 45}"']),
        ("TYPE731: '\\# 2 ab CD'", ["a 300 TYPE731 \\# 2 ABCD"]),
        ("A: '\\# 4 C0000201'", ["a 300 A 192.0.2.1"]),
        ("TYPE1: 192.0.2.1", ["a 300 A 192.0.2.1"]),
    ],
    ids=lambda value: value if isinstance(value, str) and len(value) < 40 else "",
)
def test_records(tmp_path, text, expected):
    assert records(good_zone(tmp_path, f"{NS}records: {{a: {{{text}}}}}\n")) == expected


def test_owner_names(tmp_path):
    zone = good_zone(
        tmp_path,
        f"{NS}ttl: 5\nrecords:\n  '@': {{TXT: a}}\n  '*.Dev': {{TXT: b}}\n"
        "  10: {TXT: c}\n  NO: {TXT: d}\n  x.example.com.: {TXT: e}\n",
    )
    assert [line.split()[0] for line in records(zone)] == ["@", "*.dev", "10", "no", "x"]


@pytest.mark.parametrize(
    ("text", "mailbox", "ttl", "numbers"),
    [
        ("", "hostmaster.example.com.", 300, [3600, 900, 1209600, 60]),
        ("ttl: 1h", "hostmaster.example.com.", 3600, [3600, 900, 1209600, 60]),
        ("soa: {contact: dns}", "dns.example.com.", 300, [3600, 900, 1209600, 60]),
        ("soa: {contact: a.b@Example.NET}", "a\\.b.example.net.", 300, [3600, 900, 1209600, 60]),
        (
            "soa: {contact: x.y., ttl: 1, refresh: 2, retry: 3m, expire: 4, negative_ttl: 0}",
            "x.y.",
            1,
            [2, 180, 4, 0],
        ),
    ],
    ids=["defaults", "zone-ttl", "relative", "mailbox", "all"],
)
def test_soa(tmp_path, text, mailbox, ttl, numbers):
    zone = good_zone(tmp_path, f"{NS}{text}\n")
    (soa,) = [rrset for rrset in zone.rrsets if rrset.type == 6]
    assert soa.ttl == ttl
    names = from_text("ns.example.net.") + from_text(mailbox)
    assert soa.rdatas[0].startswith(names)
    assert list(struct.unpack("!5I", soa.rdatas[0][len(names) :]))[1:] == numbers


def serial(tmp_path, text: str) -> int:
    zone = good_zone(tmp_path, text)
    (soa,) = [rrset for rrset in zone.rrsets if rrset.type == 6]
    return struct.unpack("!5I", soa.rdatas[0][-20:])[0]


def test_the_serial_follows_the_content_and_nothing_else(tmp_path):
    zone = f"{NS}records: {{a: {{A: 192.0.2.1, TXT: x}}}}\n"
    services = (
        "services: {w: {members: [{address: 192.0.2.1}, {address: 192.0.2.2}]}, "
        "v: {members: [{target: x.}]}}\n"
    )
    first = serial(tmp_path, zone + services)
    assert serial(tmp_path, f"# a comment\n{services}{zone}") == first
    shuffled = zone.replace("A: 192.0.2.1, TXT: x", "TXT: x, A: 192.0.2.1")
    assert serial(tmp_path, shuffled + services) == first
    changed = [
        zone,
        zone.replace("192.0.2.1", "192.0.2.9") + services,
        zone + services.replace("192.0.2.1", "192.0.2.9"),
        zone + services.replace("target: x", "target: y"),
        zone + services.replace("[{a", "[{weight: 2, a"),
        zone + services.replace("{members", "{ttl: 5, members"),
        zone + services.replace("{members", "{strategy: subnet, members"),
        zone + services.replace("{members", "{strategy: subnet, bound: 2, members"),
        f"{zone}ttl: 5\n{services}",
    ]
    serials = {serial(tmp_path, text) for text in changed}
    assert len(serials | {first}) == len(changed) + 1
    assert 0 not in serials


POOLS = """
checks:
  web: {type: http, path: /h, interval: 5s, timeout: 500ms, expect: {status: 200}}
pools:
  europe:
    strategy: weighted
    check: web
    members:
      - {name: fra1, address: [192.0.2.1, "2001:db8::1"], weight: 3}
      - {address: 192.0.2.2, check: {port: 8080, expect: {body: ok}}}
      - {name: off, address: 192.0.2.3, check: none, weight: 0}
      - {name: tcp, address: 192.0.2.4, check: {type: tcp, port: 25, rise: 1, fall: 1}}
  cdn: {strategy: subnet, bound: 2, members: [{target: a.cdn.}, {target: b, name: second}]}
  world: {strategy: failover, min_up: 2, prefix: {v4: 20}, location: [50, 8.7],
          members: [{pool: europe}, {pool: cdn, weight: 2}]}
services:
  WWW: {pool: world}
  "*.dev": {strategy: all, members: [{address: 192.0.2.9}], ttl: 1m, answers: 1}
"""


def test_pools(tmp_path):
    config = good(tmp_path, NS + POOLS)
    zone = config.zones["example.com."]
    assert list(zone.pools) == ["europe", "cdn", "world", "*.dev"]
    europe, cdn, world = zone.pools["europe"], zone.pools["cdn"], zone.pools["world"]
    assert [pool.strategy.name for pool in zone.pools.values()] == [
        "weighted",
        "subnet",
        "failover",
        "all",
    ]
    assert [member.of for member in world.members] == [europe, cdn]
    assert [member.weight for member in world.members] == [1, 2]
    assert (world.min_up, world.prefix, world.location) == (2, Prefix(20, 56), (50.0, 8.7))
    assert (europe.min_up, europe.prefix, europe.location) == (1, Prefix(24, 56), None)
    assert (europe.bound, cdn.bound) == (None, 2.0)
    assert [(member.name, member.weight) for member in europe.members] == [
        ("fra1", 3),
        ("192.0.2.2", 1),
        ("off", 0),
        ("tcp", 1),
    ]
    fra1 = europe.members[0].of
    assert fra1.id == BackendId("example.com.", "europe", "fra1")
    assert fra1.addresses == (ip_address("192.0.2.1"), ip_address("2001:db8::1"))
    assert [backend.target for backend in cdn.backends()] == ["a.cdn.", "b.example.com."]
    assert [backend.id.name for backend in cdn.backends()] == ["a.cdn", "second"]
    assert len(list(config.backends())) == 7


def test_checks(tmp_path):
    zone = good_zone(tmp_path, NS + POOLS)
    web = HttpCheck(path="/h", interval=5.0, timeout=0.5, status=((200, 200),))
    assert [backend.check for backend in zone.pools["europe"].backends()] == [
        web,
        HttpCheck(path="/h", interval=5, timeout=0.5, status=((200, 200),), port=8080, body="ok"),
        None,
        TcpCheck(port=25, rise=1, fall=1),
    ]
    assert {backend.check for backend in zone.pools["cdn"].backends()} == {None}


def test_services(tmp_path):
    zone = good_zone(tmp_path, NS + POOLS)
    www, dev = zone.services["www"], zone.services["*.dev"]
    assert www.id == ServiceId("example.com.", "www")
    assert www.pool is zone.pools["world"]
    assert (www.ttl, www.answers, www.when_down.action) == (30, 1, "serve-all")
    assert dev.pool is zone.pools["*.dev"]
    assert dev.ttl == 60
    assert str(next(iter(dev.pool.backends())).id) == "*.dev/192.0.2.9"


@pytest.mark.parametrize("action", ["serve-all", "nodata", "servfail"])
def test_when_down_words(tmp_path, action):
    zone = good_zone(
        tmp_path, f"{NS}services: {{w: {{members: [{{address: 192.0.2.1}}], when_down: {action}}}}}"
    )
    assert zone.services["w"].when_down.action == action
    assert zone.services["w"].when_down.backend is None


def test_when_down_sorry_pages(tmp_path):
    zone = good_zone(
        tmp_path,
        f"{NS}services:\n"
        "  a: {members: [{address: 192.0.2.1}], when_down: {address: [192.0.2.9, '2001:db8::9']}}\n"
        "  b: {members: [{address: 192.0.2.1}], when_down: {target: sorry}}\n",
    )
    a, b = zone.services["a"].when_down, zone.services["b"].when_down
    assert (a.action, b.action) == ("answer", "answer")
    assert a.backend.id == BackendId("example.com.", "a", "when_down")
    assert a.backend.has(Family.IPV4)
    assert a.backend.has(Family.IPV6)
    assert (b.backend.addresses, b.backend.target) == ((), "sorry.example.com.")
