"""A zone as the engine takes it, and the engine's answers from it."""

from __future__ import annotations

import os

import pytest
from dnslib import QTYPE, DNSRecord

from dnslb.config.load import load
from dnslb.engine import new_engine
from dnslb.errors import EngineMissingError
from dnslb.policy.compile import Compiler
from dnslb.zone.data import engine_zone
from dnslb.zone.names import from_text
from dnslb.zone.records import RRset

ZONE = """
nameservers: [ns1]
records:
  '@': {MX: 10 mail, TXT: '"hello; world"'}
  ns1: {A: 192.0.2.53}
  mail: {A: [192.0.2.25, 192.0.2.26], ttl: 1h}
  '*.dev': {CNAME: mail}
  a.b.deep: {TYPE731: '\\# 3 abcdef'}
  lab: {NS: ns.lab}
  ns.lab: {A: 192.0.2.99}
services:
  WWW: {members: [{address: 192.0.2.1}]}
  '*.w': {members: [{address: 192.0.2.2}]}
  '@': {members: [{address: 192.0.2.3}]}
"""


@pytest.fixture
def config(tmp_path):
    (tmp_path / "zones").mkdir()
    (tmp_path / "zones" / "Example.COM.yaml").write_text(ZONE)
    path = tmp_path / "dnslb.yaml"
    path.write_text("")
    return load(path)[0]


@pytest.fixture
def engine(config):
    try:
        engine = new_engine()
    except EngineMissingError as error:
        if os.environ.get("CI"):
            pytest.fail(str(error))
        pytest.skip(str(error))
    zones = [engine_zone(zone) for zone in config.zones.values()]
    engine.publish(Compiler({}).services(config.services()), zones)
    return engine


def test_what_the_engine_takes(config):
    data = engine_zone(config.zones["example.com."])
    assert data.origin == b"\x07example\x03com\x00"
    assert {owner: str(key) for owner, key in data.services} == {
        b"\x03www" + data.origin: "www.example.com.",
        b"\x01*\x01w" + data.origin: "*.w.example.com.",
        data.origin: "example.com.",
    }
    mail = from_text("mail.example.com.")
    expected = RRset(mail, 1, 3600, (bytes([192, 0, 2, 25]), bytes([192, 0, 2, 26])))
    assert expected in data.rrsets


def ask(engine, name: str, kind: str) -> DNSRecord:
    packet = bytes(DNSRecord.question(name, kind).pack())
    return DNSRecord.parse(engine.answer(packet, "192.0.2.200"))


@pytest.mark.parametrize(
    ("name", "kind", "expected"),
    [
        ("example.com", "MX", ["10 mail.example.com."]),
        ("example.com", "TXT", ['"hello; world"']),
        ("EXAMPLE.com", "NS", ["ns1.example.com."]),
        ("mail.example.com", "A", ["192.0.2.25", "192.0.2.26"]),
        ("x.dev.example.com", "A", ["mail.example.com.", "192.0.2.25", "192.0.2.26"]),
        ("www.example.com", "A", ["192.0.2.1"]),
        ("x.w.example.com", "A", ["192.0.2.2"]),
        ("example.com", "A", ["192.0.2.3"]),
        ("www.example.com", "AAAA", []),
        ("b.deep.example.com", "A", []),
    ],
)
def test_answers(engine, name, kind, expected):
    reply = ask(engine, name, kind)
    assert [str(record.rdata) for record in reply.rr] == expected
    assert reply.header.rcode == 0


def test_unknown_types(engine):
    packet = bytes(DNSRecord.question("a.b.deep.example.com").pack())
    packet = packet.replace(b"\x00\x00\x01\x00\x01", b"\x00\x02\xdb\x00\x01")
    assert engine.answer(packet, "192.0.2.200").endswith(b"\x00\x03\xab\xcd\xef")


def test_a_delegation_with_glue(engine):
    reply = ask(engine, "x.lab.example.com", "A")
    assert reply.rr == []
    assert [str(record.rdata) for record in reply.auth] == ["ns.lab.example.com."]
    assert [str(record.rdata) for record in reply.ar] == ["192.0.2.99"]


def test_the_soa_of_a_missing_name(engine):
    reply = ask(engine, "nope.example.com", "A")
    assert reply.header.rcode == 3
    (soa,) = reply.auth
    assert QTYPE[soa.rtype] == "SOA"
    assert soa.ttl == 60
    assert str(soa.rdata.get_mname()) == "ns1.example.com."
