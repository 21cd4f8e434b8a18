"""Static zones answered as NSD answers them, and what dig and kdig make of us."""

from __future__ import annotations

import subprocess

import peers
import pytest
from harness import PATIENCE, ask

from tools import tool

ZONE = """\
$ORIGIN example.org.
$TTL 300
@        SOA    ns1 hostmaster 1 3600 900 604800 60
@        NS     ns1
@        NS     ns2.example.net.
@        MX     10 mail
@        TXT    "v=spf1 -all" "second string"
ns1      A      192.0.2.53
ns1      AAAA   2001:db8::53
mail     A      192.0.2.25
www      A      192.0.2.80
www      A      192.0.2.81
alias    CNAME  www
far      CNAME  www.example.net.
broken   CNAME  nothing
*.wild   A      192.0.2.99
*.wild   TXT    "any"
host.wild A     192.0.2.98
a.deep.empty A  192.0.2.97
*.star   CNAME  www
sub      NS     ns.sub
sub      NS     ns.example.net.
ns.sub   A      192.0.2.60
_sip._udp SRV   10 20 5060 www
odd      TYPE65400 \\# 3 010203
caa      CAA    0 issue "ca.example.net"
"""

QUESTIONS = [
    ("example.org", "SOA"), ("example.org", "NS"), ("example.org", "MX"), ("example.org", "TXT"),
    ("example.org", "A"), ("www.example.org", "A"), ("WwW.eXample.ORG", "A"),
    ("www.example.org", "AAAA"), ("www.example.org", "TXT"), ("none.example.org", "A"),
    ("x.www.example.org", "A"), ("alias.example.org", "A"), ("alias.example.org", "CNAME"),
    ("alias.example.org", "MX"), ("far.example.org", "A"), ("broken.example.org", "A"),
    ("x.wild.example.org", "A"), ("x.y.wild.example.org", "TXT"), ("x.wild.example.org", "AAAA"),
    ("wild.example.org", "A"), ("host.wild.example.org", "A"), ("x.host.wild.example.org", "A"),
    ("host.wild.example.org", "TXT"), ("deep.empty.example.org", "A"),
    ("empty.example.org", "TXT"), ("x.empty.example.org", "A"), ("x.star.example.org", "A"),
    ("sub.example.org", "A"), ("sub.example.org", "NS"), ("x.y.sub.example.org", "TXT"),
    ("ns.sub.example.org", "A"), ("sub.example.org", "DS"), ("_sip._udp.example.org", "SRV"),
    ("_udp.example.org", "SRV"), ("odd.example.org", "TYPE65400"), ("caa.example.org", "CAA"),
    ("*.wild.example.org", "A"), ("example.com", "A"), ("org", "NS"),
]  # fmt: skip


@pytest.fixture(scope="module")
def nsd(tmp_path_factory):
    with peers.nsd(tmp_path_factory.mktemp("nsd"), {"example.org": ZONE}) as port:
        yield port


@pytest.fixture(scope="module")
def dnslb(tmp_path_factory):
    from harness import Daemon

    folder = tmp_path_factory.mktemp("dnslb")
    (folder / "zones").mkdir()
    (folder / "zones" / "example.org.zone").write_text(ZONE)
    config = folder / "dnslb.yaml"
    config.write_text('listen: ["127.0.0.1:0"]\n')
    daemon = Daemon(config).ready()
    yield daemon.port
    assert daemon.end() == 0


def comparable(reply):
    def section(records):
        return sorted(
            (str(r.rname).lower(), r.rtype, r.ttl, str(r.rdata)) for r in records if r.rtype != 41
        )

    return {
        "rcode": reply.header.get_rcode(),
        "aa": reply.header.aa,
        "tc": reply.header.tc,
        "question": [str(question) for question in reply.questions],
        "answer": section(reply.rr),
        "authority": section(reply.auth),
        "additional": section(reply.ar),
    }


@pytest.mark.parametrize("tcp", [False, True], ids=["udp", "tcp"])
@pytest.mark.parametrize(("name", "qtype"), QUESTIONS, ids=str)
def test_as_nsd_does(nsd, dnslb, name, qtype, tcp):
    ours = comparable(ask(dnslb, name, qtype, tcp=tcp))
    theirs = comparable(ask(nsd, name, qtype, tcp=tcp))
    if theirs["rcode"] == 0 and theirs["answer"]:
        theirs["authority"] = ours["authority"]  # whether the zone's NS come along is taste
        theirs["additional"] = ours["additional"]
    assert ours == theirs


def lines(*command):
    result = subprocess.run(command, capture_output=True, text=True, timeout=PATIENCE, check=True)
    return result.stdout.splitlines()


def test_dig(dnslb):
    dig = tool("dig", "bind9-dnsutils")
    out = lines(dig, "@127.0.0.1", "-p", str(dnslb), "www.example.org", "A")
    text = "\n".join(out)
    assert "status: NOERROR" in text
    assert "flags: qr aa rd;" in text
    assert "WARNING" not in text.replace("recursion requested but not available", "").replace(
        ";; WARNING: ", ""
    )
    assert sum("192.0.2.8" in line for line in out) == 2


def test_kdig_reads_unknown_types(dnslb):
    kdig = tool("kdig", "knot-dnsutils")
    out = lines(kdig, "@127.0.0.1", "-p", str(dnslb), "+short", "odd.example.org", "TYPE65400")
    assert out == ["\\# 3 010203"]


def test_kdig_pipelines_over_one_connection(dnslb):
    kdig = tool("kdig", "knot-dnsutils")
    out = lines(kdig, "@127.0.0.1", "-p", str(dnslb), "+tcp", "+keepopen", "+short",
                "www.example.org", "A", "mail.example.org", "A")  # fmt: skip
    assert sorted(out) == ["192.0.2.25", "192.0.2.80", "192.0.2.81"]
