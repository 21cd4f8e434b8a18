"""HTTPS, SRV and MX from a daemon's socket, as dig reads them."""

from __future__ import annotations

import subprocess
from collections import Counter

import pytest
from harness import PATIENCE, until

from dnslb.zone.rdata import parse_rdata
from dnslb.zone.tokens import words
from tools import tool

ECH = "AAb+DQACAAA="
ZONE = f"""\
nameservers: [ns.example.net.]
pools:
  web:
    strategy: weighted
    members:
      - {{name: a, address: [192.0.2.1, "2001:db8::1"], weight: 3}}
      - {{name: b, address: [192.0.2.2, "2001:db8::2"]}}
  sip:
    strategy: weighted
    members:
      - {{name: one, address: 192.0.2.11, weight: 3}}
      - {{name: two, address: 192.0.2.12}}
  mx:
    strategy: failover
    members:
      - {{name: own, address: [192.0.2.25, "2001:db8::25"], host: mx}}
      - {{name: other, target: mx.example.net.}}
services:
  www: {{pool: web, HTTPS: {{alpn: [h2, h3], no_default_alpn: true, port: 8443, ech: {ECH}}}}}
  plain: {{pool: web}}
  "@": {{pool: web, answers: 2, MX: {{pool: mx}}, HTTPS: {{priority: 0, target: www}}}}
  _sip._tcp: {{pool: sip, SRV: {{port: 5060, priority: 10}}}}
  _sips._tcp: {{pool: sip, answers: 2, SRV: {{port: 5061, weight: 0}}}}
  _dns: {{pool: web, SVCB: {{alpn: dot, mandatory: alpn, hints: false}}}}
"""


@pytest.fixture(scope="module")
def port(tmp_path_factory):
    from harness import Daemon

    folder = tmp_path_factory.mktemp("dnslb")
    (folder / "zones").mkdir()
    (folder / "zones" / "example.com.yaml").write_text(ZONE)
    config = folder / "dnslb.yaml"
    config.write_text('listen: ["127.0.0.1:0"]\n')
    daemon = Daemon(config).ready()
    yield daemon.port
    assert daemon.end() == 0


def dig(port: int, name: str, qtype: str, *options: str) -> list[str]:
    """The records that dig prints: owner, TTL, class, type and rdata, parted by one space."""
    command = [tool("dig", "bind9-dnsutils"), "@127.0.0.1", "-p", str(port), "+nocookie"]
    command += ["+noall", "+answer", "+additional", *options, name, qtype]
    out = subprocess.run(command, capture_output=True, text=True, timeout=PATIENCE, check=True)
    return [" ".join(line.split()) for line in out.stdout.splitlines() if line]


WWW = f'www.example.com. 30 IN HTTPS 1 . alpn="h2,h3" no-default-alpn port=8443 ipv4hint={{}} ech={ECH} ipv6hint={{}}'
ONE, TWO = (f"{name}._sip._tcp.example.com." for name in ("one", "two"))

SHOWN = [
    ("_dns.example.com", "SVCB", ['_dns.example.com. 30 IN SVCB 1 . mandatory=alpn alpn="dot"']),
    ("example.com", "HTTPS", ["example.com. 30 IN HTTPS 0 www.example.com."]),
    ("example.com", "MX", [
        "example.com. 30 IN MX 10 mx.example.com.",
        "example.com. 30 IN MX 11 mx.example.net.",
        "mx.example.com. 300 IN A 192.0.2.25",
        "mx.example.com. 300 IN AAAA 2001:db8::25",
    ]),
    ("mx.example.com", "A", ["mx.example.com. 300 IN A 192.0.2.25"]),
    ("one._sip._tcp.example.com", "A", ["one._sip._tcp.example.com. 300 IN A 192.0.2.11"]),
    ("one._sips._tcp.example.com", "A", ["one._sips._tcp.example.com. 300 IN A 192.0.2.11"]),
    ("plain.example.com", "HTTPS", []),
    ("www.example.com", "SVCB", []),
    ("www.example.com", "ANY", ['www.example.com. 3600 IN HINFO "RFC8482" ""']),
]  # fmt: skip


@pytest.mark.parametrize(("name", "qtype", "expected"), SHOWN, ids=lambda value: str(value)[:30])
@pytest.mark.parametrize("way", ["+notcp", "+tcp"])
def test_dig_shows(port, name, qtype, expected, way):
    assert dig(port, name, qtype, way) == expected


def test_dig_shows_what_a_cycle_says(port):
    seen = Counter(tuple(dig(port, "www.example.com", "HTTPS")) for _ in range(8))
    assert seen == {
        (WWW.format("192.0.2.1", "2001:db8::1"),): 6,
        (WWW.format("192.0.2.2", "2001:db8::2"),): 2,
    }


def test_srv_names_one_backend_or_several(port):
    seen = Counter(tuple(dig(port, "_sip._tcp.example.com", "SRV")) for _ in range(4))
    assert seen == {
        (f"_sip._tcp.example.com. 30 IN SRV 10 3 5060 {ONE}", f"{ONE} 300 IN A 192.0.2.11"): 3,
        (f"_sip._tcp.example.com. 30 IN SRV 10 1 5060 {TWO}", f"{TWO} 300 IN A 192.0.2.12"): 1,
    }
    both = dig(port, "_sips._tcp.example.com", "SRV")
    assert sorted(line.split(" SRV ")[1] for line in both if " SRV " in line) == [
        "0 0 5061 one._sips._tcp.example.com.",
        "0 0 5061 two._sips._tcp.example.com.",
    ]


@pytest.mark.parametrize("program", ["dig", "kdig"])
@pytest.mark.parametrize(
    ("name", "number"), [("www", 65), ("_sip._tcp", 33), ("@", 15), ("_dns", 64)], ids=str
)
def test_the_wire_format_is_that_of_others(port, program, name, number):
    """What a peer's program reads is, read as a zone file, what a peer's program sees raw."""
    command = [tool(program, "bind9-dnsutils" if program == "dig" else "knot-dnsutils")]
    owner = "example.com" if name == "@" else f"{name}.example.com"
    command += ["@127.0.0.1", "-p", str(port), "+short", owner, f"TYPE{number}"]

    def printed() -> set[str]:
        out = subprocess.run(command, capture_output=True, text=True, timeout=PATIENCE, check=True)
        return set(out.stdout.splitlines())

    rounds = [printed() for _ in range(4)]
    shown = {line for each in rounds for line in each}
    command.insert(-2, "+unknownformat" if program == "dig" else "+generic")
    raw = {line for each in [printed() for _ in range(4)] for line in each}
    assert all(line.startswith("\\#") for line in raw)
    assert {parse_rdata(number, words(line), b"\0") for line in shown} == {
        parse_rdata(number, words(line), b"\0") for line in raw
    }


def test_a_shared_weight_is_exact(serve, write):
    config = write(example_com=ZONE)
    daemon = serve(config).ready()
    counts: Counter[str] = Counter()
    for _ in range(400):
        (record,) = daemon.ask("_sip._tcp.example.com", "SRV").rr
        counts[str(record.rdata.target)] += 1
    assert counts == {ONE: 300, TWO: 100}


def test_a_client_is_led_to_one_backend_by_every_type(serve, write):
    text = ZONE.replace("strategy: weighted", "strategy: subnet")
    daemon = serve(write(example_com=text)).ready()
    met = set()
    for network in range(40):
        subnet = f"198.51.{network}.0/24"
        v4 = daemon.addresses("www.example.com", "A", subnet=subnet)
        v6 = daemon.addresses("www.example.com", "AAAA", subnet=subnet)
        (record,) = daemon.ask("www.example.com", "HTTPS", subnet=subnet).rr
        hints = dict(record.rdata.params)
        assert v4 == [".".join(map(str, hints[4]))]
        assert v6 == [f"2001:db8::{hints[6][-1]}"]
        met.add(v4[0])
    assert len(met) == 2


CHECK = "{type: http, path: /healthz, interval: 1s, timeout: 900ms, rise: 1, fall: 2}"


def flipping(webs, when_down: str) -> str:
    members = "".join(
        f"      - {{name: b{index}, address: {web.host}, check: {{port: {web.port}}}}}\n"
        for index, web in enumerate(webs)
    )
    return (
        "nameservers: [ns.example.net.]\n"
        f"pools:\n  p:\n    strategy: all\n    check: {CHECK}\n    members:\n{members}"
        f"services:\n  www: {{pool: p, when_down: {when_down}, HTTPS: {{}}, MX: {{}}}}\n"
    )


def test_health_decides_on_hints_and_names(serve, write, webs):
    stays, flips = webs(2)
    daemon = serve(write(example_com=flipping([stays, flips], "nodata"))).ready()

    def said() -> tuple[set[str], set[str]]:
        hints: set[str] = set()
        for record in daemon.ask("www.example.com", "HTTPS").rr:
            packed = dict(record.rdata.params)[4]
            parts = [packed[at : at + 4] for at in range(0, len(packed), 4)]
            hints |= {".".join(map(str, part)) for part in parts}
        targets = daemon.ask("www.example.com", "MX").rr
        return hints, {str(record.rdata.label).partition(".")[0] for record in targets}

    both = ({stays.host, flips.host}, {"b0", "b1"})
    until(lambda: said() == both)
    flips.stop()
    daemon.wait_for("backend p/b1 down")
    until(lambda: said() == ({stays.host}, {"b0"}))
    # names stay, whatever the health of who has them
    assert daemon.addresses("b1.www.example.com") == [flips.host]
    stays.stop()
    daemon.wait_for("service www.example.com. down")
    until(lambda: said() == (set(), set()))
    assert {record.rtype for record in daemon.ask("www.example.com", "HTTPS").auth} == {6}
    flips.start()
    stays.start()
    until(lambda: said() == both)
