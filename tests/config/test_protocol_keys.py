"""What the keys of tls, udp, dns, icmp, exec and agent become, and what is wrong with them."""

from __future__ import annotations

import importlib.util

import pytest
from configs import NS, built, checked, good_zone, lines, look

from dnslb.health.checks.agent import AgentCheck
from dnslb.health.checks.command import ExecCheck
from dnslb.health.checks.dns import DnsCheck
from dnslb.health.checks.icmp import IcmpCheck
from dnslb.health.checks.tls import Tls
from dnslb.health.checks.tls_handshake import TlsCheck
from dnslb.health.checks.udp import UdpCheck
from dnslb.health.load import LoadSource


@pytest.mark.parametrize(
    ("text", "check"),
    [
        ("type: tls", TlsCheck()),
        (
            "type: tls, host: a.example.com, tls: {min_days: 14}, send: x, expect: y",
            TlsCheck(host="a.example.com", tls=Tls(min_days=14), send=b"x", body="y"),
        ),
        ("type: udp, port: 9, send: 'hex:00ff'", UdpCheck(port=9, send=b"\0\xff")),
        ("type: udp, port: 9, send: a, expect: b+", UdpCheck(port=9, send=b"a", body="b+")),
        ("type: dns, query: example.com", DnsCheck(query=("example.com", 1))),
        ("type: dns, query: _dmarc.a TXT", DnsCheck(query=("_dmarc.a", 16))),
        ("type: dns, query: . ns", DnsCheck(query=(".", 2))),
        (
            "type: dns, query: a SOA, transport: tcp, expect: {rcode: [NOERROR, NXDOMAIN], answer: x}",
            DnsCheck(query=("a", 6), transport="tcp", rcodes=(0, 3), answer=("x",)),
        ),
        ("type: icmp, retries: 2", IcmpCheck(retries=2)),
        ("type: exec, command: [a, '{address}']", ExecCheck(command=("a", "{address}"))),
        ("type: exec, command: a", ExecCheck(command=("a",))),
        (
            "type: exec, command: [a, '-p{port}'], port: 7, expect: {status: [0-1, 3]}",
            ExecCheck(command=("a", "-p{port}"), port=7, status=((0, 1), (3, 3))),
        ),
        ("type: agent, port: 7", AgentCheck(port=7)),
        (
            "type: agent, port: 7, send: x, load: agent, tls: on",
            AgentCheck(port=7, send=b"x", load=LoadSource(kind="agent"), tls=Tls()),
        ),
    ],
)
def test_keys(tmp_path, text, check):
    assert built(tmp_path, text) == check


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("type: tls, tls: off", "never without TLS"),
        ("type: udp, port: 9", 'needs "send"'),
        ("type: udp, send: x", 'needs "port", since udp has no port of its own'),
        ("type: udp, port: 9, send: 'hex:0'", "pairs of hexadecimal digits"),
        ("type: udp, port: 9, send: x, expect: '['", "is no regular expression"),
        ("type: dns", 'needs "query"'),
        ("type: dns, query: a..b", '"a..b" is no domain name'),
        ("type: dns, query: a XX", "XX is no type"),
        ("type: dns, query: a, expect: {rcode: NXDOMIAN}", 'did you mean "NXDOMAIN"?'),
        ("type: dns, query: a, expect: a", "a dns check expects answer and rcode"),
        ("type: icmp, send: x", '"send" means nothing to an icmp check'),
        ("type: exec", 'needs "command"'),
        ("type: exec, command: [./no, x]", "there is no file ./no"),
        ("type: exec, command: [a, '{port}']", '{port} stands in it, so the check needs "port"'),
        ("type: exec, command: [a], expect: {status: 256}", "must be exit statuses"),
        ("type: agent", 'needs "port"'),
        ("type: agent, port: 7, load: orca", "the load of an agent check is agent"),
    ],
)
def test_problems(tmp_path, monkeypatch, text, problem):
    monkeypatch.chdir(tmp_path)
    told = lines(look(tmp_path, checked(text)))
    assert len(told) == 1
    assert problem in told[0]


def test_a_package_that_is_missing_is_named_with_the_extra_that_brings_it(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    there = importlib.util.find_spec
    monkeypatch.setattr(
        importlib.util, "find_spec", lambda name: None if name == "aioquic" else there(name)
    )
    zone = (
        NS + "checks: {c: {type: http3}}\npools: {p: {check: c, members: [{address: 192.0.2.1}]}}\n"
    )
    told = lines(look(tmp_path, zone))
    assert told[0].endswith(
        "checks.c.type: http3 needs the package aioquic; install it with: pip install 'dnslb[http3]'"
    )


@pytest.mark.parametrize(
    "text",
    [
        "type: icmp, retry_on: [[]]",
        "type: dns, query: a, expect: {rcode: [[], NOERROR]}",
        "type: dns, query: a, expect: {answer: [{x: 1}]}",
        "type: exec, command: [[]]",
        "type: exec, command: [x, {y: []}]",
        "type: tls, tls: []",
        "type: websocket, tls: {verify: []}",
    ],
)
def test_lists_where_words_go_are_told(tmp_path, text):
    (problem,) = look(tmp_path, checked(text)).problems
    assert "must be" in problem.message


@pytest.mark.parametrize("kind", ["grpc, port: 1", "agent, port: 1", "websocket", "http2"])
def test_an_empty_mapping_of_tls_is_tls(tmp_path, kind):
    assert built(tmp_path, f"type: {kind}, tls: {{}}").tls == Tls()


@pytest.mark.parametrize(
    ("base", "override", "meant"),
    [
        ("tls: off", "tls: {verify: false}", "tls: {verify: false}"),
        ("tls: off", "tls: {}", "tls: on"),
        ("tls: {verify: false}", "tls: off", "tls: off"),
        ("hold_down: 10s", "hold_down: {first: 1m}", "hold_down: {first: 1m}"),
        ("hold_down: 10s", "hold_down: {most: 5m}", "hold_down: {first: 10s, most: 5m}"),
        ("load: agent", "load: {full: 8}", "load: {source: agent, full: 8}"),
    ],
)
def test_a_members_mapping_holds_before_its_pools_word(tmp_path, base, override, meant):
    zone = (
        f"{NS}pools: {{p: {{check: {{type: agent, port: 1, {base}}}, "
        f"members: [{{address: 192.0.2.1, check: {{{override}}}}}]}}}}\n"
        "services: {www: {pool: p}}\n"
    )
    found = next(iter(good_zone(tmp_path, zone).pools["p"].backends())).check
    other = tmp_path / "meant"
    other.mkdir()
    assert found == built(other, f"type: agent, port: 1, {meant}")
