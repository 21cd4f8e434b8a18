"""What operators see of EDNS with their own tools: who answers, and why there is no answer."""

from __future__ import annotations

import socket
import subprocess
import time

import pytest
from harness import PATIENCE, Daemon, ask

from ports import free_port
from tools import tool

SERVER = """\
listen: ["127.0.0.1:0"]
udp_payload: 700
identity: {name: fra1.example.net, version: "0x00ff"}
"""
ZONE = f"""\
nameservers: [ns1.example.com.]
records:
  ns1: {{A: 192.0.2.53}}
  www: {{A: 192.0.2.80}}
  big: {{TXT: [{"a" * 250}, {"b" * 250}, {"c" * 250}]}}
"""


@pytest.fixture(scope="module")
def daemon(tmp_path_factory):
    folder = tmp_path_factory.mktemp("edns")
    (folder / "zones").mkdir()
    (folder / "zones" / "example.com.yaml").write_text(ZONE)
    (folder / "dnslb.yaml").write_text(SERVER)
    daemon = Daemon(folder / "dnslb.yaml").ready()
    yield daemon
    assert daemon.end() == 0


def run(program, package, port, *arguments):
    return subprocess.run(
        [tool(program, package), "@127.0.0.1", "-p", str(port), *arguments],
        capture_output=True,
        text=True,
        check=True,
        timeout=PATIENCE,
    ).stdout


def dig(port, *arguments):
    return run("dig", "bind9-dnsutils", port, *arguments)


@pytest.mark.parametrize(
    ("arguments", "shown"),
    [
        (["www.example.com", "+nsid"], '("fra1.example.net")'),
        (["id.server", "CH", "TXT", "+short"], '"fra1.example.net"'),
        (["hostname.bind", "CH", "TXT", "+short"], '"fra1.example.net"'),
        (["version.bind", "CH", "TXT", "+short"], r'"\000\255"'),
        (["www.example.com"], "udp: 700"),
        (["big.example.com", "TXT", "+ignore"], "flags: qr aa tc rd;"),
        (["www.example.org"], "EDE: 20 (Not Authoritative)"),
        (["authors.bind", "CH", "TXT"], "EDE: 18 (Prohibited)"),
        (["www.example.com", "HS"], "EDE: 21 (Not Supported)"),
        (["example.com", "AXFR"], "Transfer failed."),
        (["www.example.com", "TYPE128"], "EDE: 30"),
        (["www.example.com", "+edns=1", "+noednsneg"], "status: BADVERS"),
        (["www.example.com", "+opcode=notify"], "status: NOTIMP"),
        (["www.example.com", "+opcode=update"], "status: NOTIMP"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else None,
)
def test_dig(daemon, arguments, shown):
    assert shown in dig(daemon.port, *arguments)


def test_nothing_is_told_unless_said(write, serve):
    port = serve(write("", example_com=ZONE)).ready().port
    assert "NSID" not in dig(port, "www.example.com", "+nsid")
    for name in ("id.server", "version.bind"):
        assert "status: REFUSED" in dig(port, name, "CH", "TXT")


def test_how_long_an_idle_connection_is_kept(daemon):
    output = run(
        "kdig", "knot-dnsutils", daemon.port, "www.example.com", "+tcp", "+edns", "+ednsopt=11"
    )
    assert "11" in output.partition("EDNS PSEUDOSECTION")[2].partition("QUESTION")[0]


def test_before_the_first_checks_have_ended(write, serve):
    """A backend that takes its time: until then, nobody is sent anywhere."""
    with socket.create_server(("127.0.0.1", 0)) as silent:
        zone = ZONE + (
            "services:\n"
            "  api:\n"
            f"    check: {{type: http, port: {silent.getsockname()[1]},"
            f" timeout: {PATIENCE:.0f}s, interval: {2 * PATIENCE:.0f}s}}\n"
            "    members: [{name: a, address: 127.0.0.1}]\n"
        )
        port = free_port()
        serve(write(f'listen: ["127.0.0.1:{port}"]\n', example_com=zone))
        silent.settimeout(PATIENCE)
        connection, _ = silent.accept()
        with connection:
            output = dig(port, "www.example.com", "+tries=1")
            assert "status: SERVFAIL" in output
            assert "EDE: 14 (Not Ready)" in output
            connection.recv(4096)
            connection.sendall(b"HTTP/1.0 200 OK\r\n\r\n")
        deadline = time.monotonic() + PATIENCE
        while ask(port, "api.example.com").header.rcode:
            assert time.monotonic() < deadline
