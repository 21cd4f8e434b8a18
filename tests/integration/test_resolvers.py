"""Real resolvers ask the server on their clients' behalf: who gets which backend, and what is kept.

    dig +subnet ─▶ unbound (passes the network on) ─▶ counter ─▶ dnslb serve
    dig         ─▶ BIND (passes nothing on)        ─▶ counter ─▶ dnslb serve

The counter passes packets on and counts those that ask for the service.
"""

from __future__ import annotations

import socket
import subprocess
import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING

import pytest
from dnslib import QTYPE, DNSRecord
from harness import PATIENCE, Daemon, need_engine
from peers import served

from ports import free_port
from tools import tool

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

need_engine()

PATIENT = 20_000  # milliseconds until a resolver asks again, which would count as another question

ZONE = """\
ttl: 300
nameservers: [ns.example.net.]
pools:
  near: {strategy: failover, members: [{name: a, address: 192.0.2.1}]}
  far: {strategy: failover, members: [{name: b, address: 192.0.2.2}]}
  rest: {strategy: failover, members: [{name: c, address: 192.0.2.3}]}
  all:
    strategy: geo
    members:
      - {pool: near, network: [10.1.0.0/16, 10.2.3.0/24]}
      - {pool: far, network: 10.2.0.0/16}
      - {pool: rest}
services:
  www: {pool: all}
"""


class Counter:
    """Passes UDP packets on to a server, and counts those that ask for `www`."""

    def __init__(self, server: int) -> None:
        self.asked: list[str] = []  # the type of each, as it came
        self._server = ("127.0.0.1", server)
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._socket.bind(("127.0.0.1", 0))
        self.port = int(self._socket.getsockname()[1])
        self._thread = threading.Thread(target=self._run)
        self._thread.start()

    def _run(self) -> None:
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as up:
            up.settimeout(PATIENCE)
            while True:
                packet, resolver = self._socket.recvfrom(4096)
                if not packet:
                    return
                question = DNSRecord.parse(packet).q
                if str(question.qname).lower() == "www.example.com.":
                    self.asked.append(QTYPE[question.qtype])
                up.sendto(packet, self._server)
                self._socket.sendto(up.recv(4096), resolver)

    def end(self) -> None:
        """Stop; an empty packet says so."""
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
            sock.sendto(b"", ("127.0.0.1", self.port))
        self._thread.join()
        self._socket.close()


@pytest.fixture
def upstream(tmp_path: Path) -> Iterator[Counter]:
    """A counter before a daemon that has the zone."""
    (tmp_path / "zones").mkdir()
    (tmp_path / "zones" / "example.com.yaml").write_text(ZONE)
    config = tmp_path / "dnslb.yaml"
    config.write_text('listen: ["127.0.0.1:0"]\n')
    daemon = Daemon(config).ready()
    counter = Counter(daemon.port)
    yield counter
    counter.end()
    assert daemon.end() == 0


@contextmanager
def unbound(folder: Path, server: int) -> Iterator[int]:
    """Debian's unbound, which passes its clients' networks on to `server`; its port."""
    port = free_port()
    config = folder / "unbound.conf"
    config.write_text(
        f"""
server:
  interface: 127.0.0.1@{port}
  directory: "{folder}"
  chroot: ""
  username: ""
  pidfile: ""
  use-syslog: no
  module-config: "subnetcache validator iterator"
  send-client-subnet: 127.0.0.1
  client-subnet-always-forward: yes
  max-client-subnet-ipv4: 24
  do-not-query-localhost: no
  infra-cache-min-rtt: {PATIENT}
  unknown-server-time-limit: {PATIENT}
  trust-anchor-signaling: no
  qname-minimisation: no
  domain-insecure: "example.com"
  num-threads: 1
stub-zone:
  name: "example.com"
  stub-addr: 127.0.0.1@{server}
remote-control:
  control-enable: no
"""
    )
    with served([tool("unbound", "unbound"), "-d", "-c", str(config)], port, "example.com"):
        yield port


@contextmanager
def bind(folder: Path, server: int) -> Iterator[int]:
    """Debian's BIND as a resolver that asks `server`; its port."""
    port = free_port()
    config = folder / "named.conf"
    config.write_text(
        f"""
options {{
  directory "{folder}";
  pid-file none;
  session-keyfile none;
  listen-on port {port} {{ 127.0.0.1; }};
  listen-on-v6 {{ none; }};
  recursion yes;
  dnssec-validation no;
  qname-minimization off;
  resolver-query-timeout {PATIENT};
  resolver-retry-interval {PATIENT};
}};
controls {{ }};
zone "example.com" {{ type forward; forward only; forwarders {{ 127.0.0.1 port {server}; }}; }};
zone "." {{ type hint; file "/dev/null"; }};
"""
    )
    with served([tool("named", "bind9"), "-g", "-c", str(config)], port, "example.com"):
        yield port


def dig(port: int, qtype: str, *options: str) -> list[str]:
    command = [tool("dig", "bind9-dnsutils"), "@127.0.0.1", "-p", str(port), "+short", "+tries=1"]
    command += [f"+timeout={PATIENCE:.0f}", *options, "www.example.com", qtype]
    done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=PATIENCE)
    return done.stdout.split()


def test_unbound_asks_once_for_each_scope(tmp_path, upstream):
    near, far, rest = ["192.0.2.1"], ["192.0.2.2"], ["192.0.2.3"]
    with unbound(tmp_path, upstream.port) as port:
        # scope by scope: the first client of each is asked for, others are answered from the cache
        steps = [
            ("10.1.1.0/24", near, 1),
            ("10.1.200.0/24", near, 1),  # 10.1.0.0/16
            ("10.2.3.0/24", near, 2),
            ("10.2.2.0/24", far, 3),
            ("10.2.128.0/24", far, 4),  # 10.2.128.0/17
            ("10.2.255.0/24", far, 4),
            ("192.168.0.0/24", rest, 5),  # 128.0.0.0/1
            ("172.16.0.0/24", rest, 5),
            ("10.2.3.0/24", near, 5),
            ("10.1.7.0/24", near, 5),
        ]
        for network, backend, asked in steps:
            assert dig(port, "A", f"+subnet={network}") == backend, network
            assert len(upstream.asked) == asked, network


def test_unbound_asks_once_for_what_nobody_has(tmp_path, upstream):
    with unbound(tmp_path, upstream.port) as port:
        for network in ("10.1.1.0/24", "10.2.2.0/24", "192.168.0.0/24"):
            assert dig(port, "AAAA", f"+subnet={network}") == []
        assert upstream.asked == ["AAAA"]


def test_bind_is_answered_by_its_own_address(tmp_path, upstream):
    with bind(tmp_path, upstream.port) as port:
        for network in ("10.1.1.0/24", "10.2.2.0/24"):
            assert dig(port, "A", f"+subnet={network}") == ["192.0.2.3"]
        assert upstream.asked == ["A"]
