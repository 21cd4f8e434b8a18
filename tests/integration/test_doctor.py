"""The doctor at real name servers: a parent zone, daemons of ours that differ, NSD without ECS."""

from __future__ import annotations

import json
import socket
import subprocess
import sys
import threading
from contextlib import contextmanager

import peers
import pytest
from harness import PATIENCE, need_engine, until

from dnslb.doctor.asking import Endpoint
from dnslb.doctor.asking import ask as ask_server
from ports import free_port
from tools import tool

need_engine()

A, B, PARENT = "127.0.0.42", "127.0.0.43", "127.0.0.41"

ZONE = """\
nameservers: [ns1.example.org., ns2.example.org.]
ttl: 300
records:
  ns1: {A: 127.0.0.42}
  ns2: {A: 127.0.0.43}
  "@": {TXT: [%s]}
services:
  www:
    strategy: subnet
    ttl: 20
    members: [{name: a, address: 192.0.2.1}, {name: b, address: 192.0.2.2}]
"""

MASTER = """\
$ORIGIN example.org.
$TTL 300
@    SOA ns1 hostmaster 1 3600 900 604800 300
@    NS  ns1
@    NS  ns2
@    TXT "one"
ns1  A   127.0.0.42
ns2  A   127.0.0.43
www  20 A 192.0.2.1
"""

DELEGATION = """\
example.org. NS ns1.example.org.
example.org. NS ns2.example.org.
ns1.example.org. A 127.0.0.42
ns2.example.org. A 127.0.0.43
"""


@contextmanager
def nsd_at(folder, address, port, zones):
    """NSD at an address of its own."""
    folder.mkdir()
    peers.write_zones(folder, {name or "root": text for name, text in zones.items()})
    listed = "".join(
        f"zone:\n  name: {name or '.'}\n  zonefile: {name or 'root'}.zone\n" for name in zones
    )
    (folder / "nsd.conf").write_text(
        f'server:\n  ip-address: {address}@{port}\n  username: ""\n  chroot: ""\n'
        f'  zonesdir: "{folder}"\n  database: ""\n  pidfile: ""\n'
        f'  xfrdfile: "{folder}/xfrd.state"\n  zonelistfile: "{folder}/zone.list"\n'
        f'  cookie-secret-file: ""\nremote-control:\n  control-enable: no\n{listed}'
    )
    program = [tool("nsd", "nsd"), "-d", "-c", str(folder / "nsd.conf")]
    process = subprocess.Popen(program, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    try:
        until(lambda: ask_server(Endpoint.parse(address, port), next(iter(zones)), "SOA").good)
        yield
    finally:
        process.terminate()
        process.communicate(timeout=PATIENCE)


@contextmanager
def parent(folder, port, delegation=DELEGATION):
    """The parent zone org. and the root, both at one server."""
    soa = "SOA a.nic.org. x.nic.org. 1 3600 900 604800 300\n"
    org = f"$ORIGIN org.\n$TTL 300\n@ {soa}@ NS a.nic\na.nic A {PARENT}\n{delegation}"
    with nsd_at(folder, PARENT, port, {"org": org}):
        yield


@pytest.fixture
def port():
    return free_port()


@pytest.fixture
def daemon(tmp_path, serve, port):
    def start(address, zone=ZONE % "one", more=""):
        folder = tmp_path / address
        (folder / "zones").mkdir(parents=True)
        (folder / "zones" / "example.org.yaml").write_text(zone)
        (folder / "dnslb.yaml").write_text(f'listen: ["{address}:{port}"]\n{more}')
        return serve(folder / "dnslb.yaml").ready()

    return start


@pytest.fixture
def doctor(tmp_path, port):
    def run(*arguments, config=None):
        """Exit code, and findings as (level, looked): found + do."""
        command = [sys.executable, "-m", "dnslb", "doctor", "example.org", "--json"]
        command += ["--port", str(port), *arguments]
        command += ["--config", str(tmp_path / config / "dnslb.yaml")] if config else []
        done = subprocess.run(
            command, check=False, capture_output=True, text=True, timeout=60, cwd=tmp_path
        )
        assert done.stderr == ""
        whole = json.loads(done.stdout)
        assert whole["exit"] == done.returncode
        return done.returncode, whole["findings"]

    return run


def about(findings, subject, level, word=""):
    """What was found, in those of a subject and level that speak of a word."""
    return [
        f"{one['looked']}: {one['found']} → {one['do']}"
        for one in findings
        if one["subject"] == subject
        and one["level"] == level
        and word in one["looked"] + one["found"] + one["do"]
    ]


def test_all_is_well(tmp_path, doctor, daemon, port):
    daemon(A)
    daemon(B)
    with parent(tmp_path / "nsd", port):
        _, findings = doctor("--parent", f"{PARENT}:{port}", config=A)
    network = [
        one for one in findings if one["subject"] in {"delegation", "name servers", "EDNS", "ports"}
    ]
    assert {one["level"] for one in network} == {"ok", "note"}, network
    told = {one["looked"]: one["found"] for one in network}
    assert told["NS records of parent zone and of the zone"] == "the same"
    assert told["glue of 2 name servers"] == "there where it is needed, and right"
    assert told["client subnet (ECS, RFC 7871) for www.example.org."].startswith("answered by all")
    assert told["cookies (RFC 7873)"] == "answered by all"
    assert told[f"{A}:{port}"] == "answers by UDP and TCP"


def test_walks_from_a_root_and_by_a_resolver(tmp_path, doctor, daemon, port):
    """The parent is found by referrals; a server that knows the NS sets is resolver enough."""
    daemon(A)
    daemon(B)
    root = tmp_path / "root"
    soa = "@ 300 SOA a. x. 1 3600 900 604800 300\n@ 300 NS a.\na. 300 A 127.0.0.44\n"
    zone = f"$ORIGIN .\n{soa}org. 300 NS a.nic.org.\na.nic.org. 300 A {PARENT}\n"
    with parent(tmp_path / "nsd", port), nsd_at(root, "127.0.0.44", port, {"": zone}):
        _, findings = doctor("--root", f"127.0.0.44:{port}")
        assert about(findings, "delegation", "ok", "parent zone org.")
        assert about(findings, "delegation", "ok", "glue of 2")
        _, findings = doctor("--resolver", f"{PARENT}:{port}")
        assert about(findings, "delegation", "ok", "parent zone org.")


@pytest.mark.parametrize(
    ("delegation", "level", "words"),
    [
        ("", "error", "it delegates example.org. to nobody"),
        (
            DELEGATION.replace("42", "99"),
            "error",
            "the parent says 127.0.0.99, the zone 127.0.0.42",
        ),
        (DELEGATION + "example.org. NS ns3.example.net.\n", "warning", "only the parent names ns3"),
        (
            "example.org. NS ns2.example.org.\nns2.example.org. A 127.0.0.43\n",
            "warning",
            "only the zone names ns1",
        ),
        (
            "example.org. NS ns2.example.org.\nns2.example.org. A 127.0.0.43\n",
            "warning",
            "there is one, ns2",
        ),
    ],
    ids=["none", "wrong-glue", "parent-has-more", "zone-has-more", "only-one"],
)
def test_delegations_that_are_wrong(tmp_path, doctor, daemon, port, delegation, level, words):
    daemon(A)
    daemon(B)
    with parent(tmp_path / "nsd", port, delegation):
        code, findings = doctor("--parent", f"{PARENT}:{port}")
    found = about(findings, "delegation", level, words)
    assert found, findings
    assert not found[0].endswith("→ ")  # says what to do
    assert code >= (2 if level == "error" else 1)


def test_missing_glue(tmp_path, doctor, daemon, port):
    daemon(A)
    delegation = DELEGATION.replace("ns2.example.org. A 127.0.0.43\n", "")
    with parent(tmp_path / "nsd", port, delegation):
        code, findings = doctor("--parent", f"{PARENT}:{port}")
    assert about(findings, "delegation", "error", "glue of ns2.example.org.: missing") or about(
        findings, "delegation", "error", "missing"
    )
    assert code == 2


def test_servers_that_differ(tmp_path, doctor, daemon, port):
    daemon(A)
    daemon(B, ZONE.replace("ttl: 20", "ttl: 25") % "two")
    with parent(tmp_path / "nsd", port):
        code, findings = doctor("--parent", f"{PARENT}:{port}", config=A)
    assert about(findings, "name servers", "error", "they serve different zones")
    (text,) = about(findings, "name servers", "error", "TXT of example.org.")
    assert '"one"' in text
    assert '"two"' in text
    assert about(findings, "name servers", "error", "a TTL of 20")
    assert code == 2


def test_a_server_without_ecs(tmp_path, doctor, daemon, port):
    daemon(A)
    with (
        parent(tmp_path / "nsd", port),
        nsd_at(tmp_path / "b", B, port, {"example.org": MASTER}),
    ):
        code, findings = doctor("--parent", f"{PARENT}:{port}", config=A)
    (text,) = about(findings, "EDNS", "error", "client subnet")
    assert f"not answered by ns2.example.org. ({B}:{port}), but by ns1" in text
    assert code == 2


def test_a_server_that_is_gone_and_one_that_is_lame(tmp_path, doctor, daemon, port):
    daemon(A)
    with parent(tmp_path / "nsd", port):
        _, findings = doctor("--parent", f"{PARENT}:{port}")
        (text,) = about(findings, "name servers", "error", "ns2")
        assert "UDP: refused: nothing listens there; TCP: refused" in text
        other = MASTER.replace("example.org", "example.net")
        with nsd_at(tmp_path / "b", B, port, {"example.net": other}):
            _, findings = doctor("--parent", f"{PARENT}:{port}")
    (text,) = about(findings, "name servers", "error", "ns2")
    assert "a lame delegation" in text


@contextmanager
def by_udp_only(address, target, port):
    """What a firewall does that forgets TCP: pass datagrams on, and nothing else."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.bind((address, port))

        def relay():
            while True:
                packet, sender = sock.recvfrom(4096)
                if not packet:
                    return
                with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as onward:
                    onward.settimeout(PATIENCE)
                    onward.sendto(packet, (target, port))
                    sock.sendto(onward.recv(65_535), sender)

        thread = threading.Thread(target=relay)
        thread.start()
        try:
            yield
        finally:
            with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as last:
                last.sendto(b"", (address, port))
            thread.join()


def test_a_server_whose_tcp_is_closed(tmp_path, doctor, daemon, port):
    daemon(A)
    with parent(tmp_path / "nsd", port), by_udp_only(B, A, port):
        code, findings = doctor("--parent", f"{PARENT}:{port}")
    (text,) = about(findings, "name servers", "error", "by TCP")
    assert text.startswith(f"ns2.example.org. ({B}:{port}) by TCP: refused")
    assert "let TCP to port 53 pass" in text
    assert code == 2


def test_ipv6_and_answers_too_large_for_udp(tmp_path, doctor, daemon, port):
    zone = ZONE.replace("ns2: {A: 127.0.0.43}", 'ns2: {AAAA: "::1"}')
    zone %= ", ".join(f"{number}{'x' * 200}" for number in range(9))
    daemon(A, zone)
    daemon("[::1]", zone)
    glue = DELEGATION.replace("ns2.example.org. A 127.0.0.43", "ns2.example.org. AAAA ::1")
    with parent(tmp_path / "nsd", port, glue):
        _, findings = doctor("--parent", f"{PARENT}:{port}", config=A)
    assert about(findings, "name servers", "ok", f"ns2.example.org. ([::1]:{port})")
    assert not about(findings, "name servers", "note", "address families")
    assert about(findings, "EDNS", "ok", "truncated by UDP and whole by TCP")
    levels = {one["level"] for one in findings if one["subject"] in {"delegation", "name servers"}}
    assert levels == {"ok"}


def test_a_port_that_is_closed_and_one_that_is_taken(tmp_path, doctor, port):
    folder = tmp_path / A
    (folder / "zones").mkdir(parents=True)
    (folder / "zones" / "example.org.yaml").write_text(ZONE % "one")
    (folder / "dnslb.yaml").write_text(f'listen: ["{A}:{port}"]\n')
    _, findings = doctor("--parent", f"{PARENT}:{port}", config=A)
    assert about(findings, "ports", "note", "nobody answers; the address is free")
    assert about(findings, "delegation", "error", "none of its servers answers")
    other = MASTER.replace("example.org", "example.net")
    with nsd_at(tmp_path / "other", A, port, {"example.net": other}):
        _, findings = doctor("--parent", f"{PARENT}:{port}", config=A)
    assert about(findings, "ports", "warning", "not this configuration")


def test_a_zone_file_that_is_newer_than_the_server(tmp_path, doctor, daemon, port):
    daemon(A)
    (tmp_path / A / "zones" / "example.org.yaml").write_text(ZONE % "newer")
    _, findings = doctor("--parent", f"{PARENT}:{port}", config=A)
    assert about(findings, "running server", "warning", "the file says")


def test_the_terminal_is_eighty_columns_wide(tmp_path, daemon, port):
    daemon(A)
    command = [sys.executable, "-m", "dnslb", "doctor", "example.org", "--port", str(port)]
    command += ["--parent", f"{A}:{port}"]
    done = subprocess.run(command, check=False, capture_output=True, text=True, cwd=tmp_path)
    lines = done.stdout.splitlines()
    assert max(map(len, lines)) <= 80
    assert done.stdout.index("delegation") < done.stdout.index("name servers")
    assert lines[-1].startswith("1 error")
    assert done.returncode == 2
