"""Zones from master files, through a whole daemon; and as BIND's own reader reads them."""

from __future__ import annotations

import signal
import subprocess
import sys

import pytest
from harness import PATIENCE, need_engine

from dnslb.config.files import why_unreadable
from dnslb.engine import new_records
from dnslb.zone.master import Meaning
from dnslb.zone.names import from_text
from tools import tool

need_engine()

APEX = "@ 300 SOA ns1 hostmaster 7 1h 15m 2w 60\n@ 300 NS ns1\nns1 300 A 192.0.2.53\n"
NOERROR, SERVFAIL, NXDOMAIN = 0, 2, 3


@pytest.fixture
def zones(tmp_path):
    folder = tmp_path / "zones"
    folder.mkdir()
    (tmp_path / "dnslb.yaml").write_text('listen: ["127.0.0.1:0"]\n')
    return folder


def test_a_large_zone(zones, serve):
    numbers = range(1, 25_001)
    entries = [APEX, "$TTL 60\n"]
    entries += [
        f"h{number} A 10.0.{number >> 8}.{number & 255}\n  AAAA 2001:db8::{number:x}\n"
        f'alias{number} CNAME h{number}\ntext{number} TXT "number {number}"\n'
        for number in numbers
    ]
    (zones / "example.com.zone").write_text("".join(entries))
    daemon = serve(zones.parent / "dnslb.yaml").ready()
    for number in [*numbers[::997], numbers[-1]]:
        address = f"10.0.{number >> 8}.{number & 255}"
        assert daemon.addresses(f"h{number}.example.com") == [address]
        assert daemon.addresses(f"h{number}.example.com", "AAAA") == [f"2001:db8::{number:x}"]
        assert daemon.addresses(f"alias{number}.example.com")[-1] == address
        assert daemon.addresses(f"text{number}.example.com", "TXT") == [f'"number {number}"']
    missing = daemon.ask("h25001.example.com")
    assert (missing.header.rcode, missing.auth[0].ttl) == (NXDOMAIN, 60)


def test_a_broken_file_leaves_the_old_answers(zones, serve):
    file = zones / "example.com.zone"
    file.write_text(f"{APEX}www A 192.0.2.1\n")
    daemon = serve(zones.parent / "dnslb.yaml").ready()
    assert daemon.addresses("www.example.com") == ["192.0.2.1"]
    file.write_text(f"{APEX}www A 192.0.2.2\nx A 192.0.2\n")
    daemon.signal(signal.SIGHUP)
    daemon.wait_for('zones/example.com.zone:5:3: "192.0.2" is no A rdata')
    daemon.wait_for("reload: 1 problem, so nothing changes")
    assert daemon.addresses("www.example.com") == ["192.0.2.1"]
    file.write_text(f"{APEX}www A 192.0.2.2\n")
    daemon.signal(signal.SIGHUP)
    daemon.wait_for("reloaded")
    assert daemon.addresses("www.example.com") == ["192.0.2.2"]


def test_a_zone_in_another(zones, serve):
    above = (
        "sub NS ns.sub\nns.sub A 192.0.2.60\nsub DS 1 13 2 " + "AB" * 32 + "\n"
        "deep.sub A 192.0.2.61\n*.w A 192.0.2.62\nlost.far A 192.0.2.63\n* TXT star\n"
    )
    (zones / "example.com.zone").write_text(APEX + above)
    (zones / "sub.example.com.zone").write_text(f"{APEX}www A 192.0.2.70\n")
    (zones / "a.between.example.com.zone").write_text(f"{APEX}www A 192.0.2.72\n")
    (zones / "far.example.com.zone").write_text(f"{APEX}www A 192.0.2.71\n")
    daemon = serve(zones.parent / "dnslb.yaml").ready()
    for name, addresses in [
        ("www.sub.example.com", ["192.0.2.70"]),
        ("www.far.example.com", ["192.0.2.71"]),
        ("x.w.example.com", ["192.0.2.62"]),
        ("ns1.sub.example.com", ["192.0.2.53"]),
        ("deep.sub.example.com", []),
        ("lost.far.example.com", []),
    ]:
        assert daemon.addresses(name) == addresses, name
    assert daemon.ask("lost.far.example.com").header.rcode == NXDOMAIN
    # what is between two apexes exists, though the zone above does not mention it
    assert daemon.ask("between.example.com").header.rcode == NOERROR
    assert daemon.addresses("www.a.between.example.com") == ["192.0.2.72"]
    assert daemon.ask("x.between.example.com").header.rcode == NXDOMAIN
    (ds,) = daemon.addresses("sub.example.com", "DS")
    assert ds.startswith("1 13 2")
    nothing = daemon.ask("far.example.com", "DS")
    assert (nothing.header.rcode, nothing.rr) == (NOERROR, [])
    assert str(nothing.auth[0].rname) == "example.com."
    (soa,) = daemon.ask("sub.example.com", "SOA").rr
    assert str(soa.rname) == "sub.example.com."


def test_services_beside_included_records(tmp_path, write, serve):
    (tmp_path / "part").write_text("$GENERATE 1-3 h$ A 192.0.2.$\n@ TXT x\n")
    zone = """
nameservers: [ns.example.net.]
include: [../part]
services: {www: {members: [{address: 192.0.2.80}]}, '@': {members: [{address: 192.0.2.81}]}}
"""
    daemon = serve(write(example_com=zone)).ready()
    for name, kind, expected in [
        ("www.example.com", "A", "192.0.2.80"),
        ("example.com", "A", "192.0.2.81"),
        ("example.com", "TXT", '"x"'),
        ("h2.example.com", "A", "192.0.2.2"),
    ]:
        assert daemon.addresses(name, kind) == [expected]


def test_explain_knows_them(zones):
    (zones / "example.com.zone").write_text(f"{APEX}a CNAME b\nb A 192.0.2.1\nold DNAME new\n")

    def explain(*question):
        command = [sys.executable, "-m", "dnslb", "explain", *question]
        done = subprocess.run(
            command, capture_output=True, text=True, timeout=PATIENCE, check=True, cwd=zones.parent
        )
        return done.stdout

    assert "a.example.com.: alias" in explain("a.example.com")
    assert "300 A 192.0.2.1" in explain("b.example.com")
    renamed = explain("x.old.example.com")
    assert "old.example.com.: another name by DNAME" in renamed
    assert "300 DNAME new.example.com." in renamed
    assert "no such name" in explain("c.example.com")


READ_BY_BOTH = """\
$TTL 1h
@ SOA ns1 host\\.master ( 7 1h ; refresh
  15m 2w 60 )
  NS ns1
ns1 A 192.0.2.53
$ORIGIN sub.example.com.
a 60 IN TXT "two words" \\"x\\" ; comment
a IN 60 TXT third
$GENERATE 1-10/3 h$ A 192.0.2.${10,0,d}
$GENERATE 253-258 ${0,3,d} PTR x${-250,4,x}.y.
$GENERATE 10-18 r.${0,0,n} CNAME ${0,7,N}.ip6.arpa.
$INCLUDE part more
b SRV 0 5 443 @
z TYPE65534 \\# 3 abcdef
"""
PART = "@ AAAA 2001:db8::1\n  SSHFP 1 1 " + "ab" * 20 + "\n$ORIGIN deeper\nc\\046d A 192.0.2.7\n"


def test_bind_reads_the_same(tmp_path):
    compiler = tool("named-compilezone", "bind9-utils")
    (tmp_path / "in.zone").write_text(READ_BY_BOTH)
    (tmp_path / "part").write_text(PART)
    done = subprocess.run(
        [compiler, "-k", "ignore", "-i", "none", "-s", "full", "-o", "out.zone", "example.com",
         "in.zone"],
        cwd=tmp_path, capture_output=True, text=True, timeout=PATIENCE, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    ours, theirs = (
        {(rrset.owner, rrset.type, rrset.ttl, frozenset(rrset.rdatas)) for rrset in records(path)}
        for path in (tmp_path / "in.zone", tmp_path / "out.zone")
    )
    assert ours == theirs
    assert len(ours) > 20


def records(path):
    found = new_records(from_text("example.com."))
    _, problems, _ = found.read(path, 1, Meaning(why_unreadable), [])
    assert problems == []
    return found
