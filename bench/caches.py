"""A caching resolver in front of a server: unbound, which tells the server its clients' networks.

    client ── ECS /32 ──▶ unbound ── ECS /24 ──▶ forwarder, counts ──▶ server
                             ◀── scope as the server says, or SOURCE ──┘

The forwarder can write SOURCE into SCOPE on the way back: then unbound keeps the very same answers
as those of a server that says no more than that its answers depend on the network.
"""

from __future__ import annotations

import contextlib
import random
import socket
import threading
from ipaddress import IPv4Network
from typing import TYPE_CHECKING, Final, NamedTuple

from clients import Client, records
from measure import PATIENCE, QUESTION, BenchError, free_port, running
from servers import Server

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from servers import At

__all__ = ["CLIENTS", "Hits", "ask_through", "resolver"]

CLIENTS: Final = 10
"""Of each network, one query each."""

OPT: Final = 41
CLIENT_SUBNET: Final = b"\x00\x08"


class Hits(NamedTuple):
    """What a run came to."""

    clients: int
    upstream: int

    @property
    def rate(self) -> float:
        """The share of clients whose answer was in the cache."""
        return 1 - self.upstream / self.clients


def resolver(server_port: int, networks_kept: int | None) -> Server:
    """unbound for one zone; it keeps so many networks' answers for a name (None: as by default)."""

    def prepare(folder: Path, at: At) -> list[str]:
        kept = "" if networks_kept is None else f"max-ecs-tree-size-ipv4: {networks_kept}"
        (folder / "unbound.conf").write_text(f"""\
server:
    interface: 127.0.0.1
    port: {at.port}
    do-ip6: no
    do-daemonize: no
    num-threads: 1
    username: ""
    chroot: ""
    directory: "{folder}"
    pidfile: "{folder}/pid"
    use-syslog: no
    module-config: "subnetcache iterator"
    send-client-subnet: 127.0.0.1
    {kept}
    do-not-query-localhost: no
    qname-minimisation: no
    target-fetch-policy: "0 0 0 0 0"
remote-control:
    control-enable: no
stub-zone:
    name: example.com
    stub-addr: 127.0.0.1@{server_port}
""")
        return ["unbound", "-c", str(folder / "unbound.conf")]

    return Server("unbound", "send-client-subnet", "unbound", prepare, "unbound", ("unbound", "-V"))


def ask_through(
    server_port: int,
    networks: Sequence[IPv4Network],
    kept: int | None,
    folder: Path,
    *,
    exact: bool,
) -> Hits:
    """Have ten clients of each network ask in random order; check what each is told."""
    with Client(server_port) as direct:
        due = {network: direct.ask(network).address for network in networks}
    dice = random.Random(3)
    clients = [
        (network, IPv4Network((int(network[0]) + dice.randrange(256), 32)))
        for network in networks
        for _ in range(CLIENTS)
    ]
    dice.shuffle(clients)
    port = free_port()
    with (
        _forwarder(server_port, exact=exact) as forwarder,
        running(resolver(forwarder.port, kept), folder, port),
        Client(port) as client,
    ):
        forwarder.count = 0
        for network, address in clients:
            if client.ask(address).address != due[network]:
                raise BenchError(f"{address} is told what is for another network")
        return Hits(len(clients), forwarder.count)


class _Forwarder(threading.Thread):
    """Carries queries to the server and answers back, one at a time, and counts those for A."""

    def __init__(self, server_port: int, *, exact: bool) -> None:
        super().__init__(daemon=True)
        self._exact = exact
        self._front = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._front.bind(("127.0.0.1", 0))
        self._back = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._back.connect(("127.0.0.1", server_port))
        self._back.settimeout(PATIENCE)
        self.port: int = self._front.getsockname()[1]
        self.count = 0

    def run(self) -> None:
        while True:
            packet, client = self._front.recvfrom(4096)
            if not packet:
                return
            self.count += packet[12 : len(QUESTION)] == QUESTION[12:]
            self._back.send(packet)
            answer = self._back.recv(4096)
            self._front.sendto(_with_source_as_scope(answer) if self._exact else answer, client)

    def stop(self) -> None:
        self._back.close()
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as last:
            last.sendto(b"", ("127.0.0.1", self.port))
        self.join(PATIENCE)
        self._front.close()


@contextlib.contextmanager
def _forwarder(server_port: int, *, exact: bool) -> Iterator[_Forwarder]:
    forwarder = _Forwarder(server_port, exact=exact)
    forwarder.start()
    try:
        yield forwarder
    finally:
        forwarder.stop()


def _with_source_as_scope(answer: bytes) -> bytes:
    for rtype, rdata, at in records(answer):
        if rtype == OPT and rdata[:2] == CLIENT_SUBNET:
            # code, length and family take two octets each, then SOURCE and SCOPE
            return answer[: at + 7] + answer[at + 6 : at + 7] + answer[at + 8 :]
    return answer
