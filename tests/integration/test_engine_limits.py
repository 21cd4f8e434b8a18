"""What hostile or unlucky traffic, and zones beyond measure, can do to the engine: nothing lasting."""

from __future__ import annotations

import socket
import struct
from contextlib import ExitStack, contextmanager
from types import SimpleNamespace

import pytest
from dnslib import EDNS0, RCODE, DNSQuestion, DNSRecord
from harness import PATIENCE, need_engine

from dnslb.engine import new_engine
from dnslb.zone.names import from_text
from dnslb.zone.records import RRset

need_engine()

ORIGIN = from_text("z.example.")
SOA = RRset(ORIGIN, 6, 300, (ORIGIN * 2 + struct.pack("!5I", 1, 3600, 600, 86400, 60),))
QUERY = bytes(DNSRecord(q=DNSQuestion("z.example.", 6)).pack())
FRAMED = struct.pack("!H", len(QUERY)) + QUERY
SHARE = 8  # the connections that any client may have; the engine's bound


def engine_with(*rrsets):
    engine = new_engine()
    engine.publish({}, [SimpleNamespace(origin=ORIGIN, rrsets=[SOA, *rrsets], services=[])])
    return engine


@contextmanager
def running(**limits):
    """An engine that answers on loopback, and its port."""
    engine = engine_with()
    port = engine.bind([("127.0.0.1", 0)], 1, **limits)[0][1]
    engine.start()
    try:
        yield port
    finally:
        engine.stop()


class Clients:
    """TCP connections from several addresses of loopback."""

    def __init__(self, port, stack):
        self.port = port
        self.stack = stack

    def open(self, last):
        """A connection from 127.0.0.`last`."""
        source = (f"127.0.0.{last}", 0)
        sock = socket.create_connection(("127.0.0.1", self.port), PATIENCE, source)
        return self.stack.enter_context(sock)


def is_served(sock):
    """Whether the server answers a query, rather than to have closed the connection."""
    try:
        sock.sendall(FRAMED)
        return len(sock.recv(2, socket.MSG_WAITALL)) == 2
    except (ConnectionResetError, BrokenPipeError):
        return False


def is_closed(sock):
    """Wait until the server closes an idle connection."""
    try:
        return sock.recv(1) == b""
    except ConnectionResetError:
        return True


def drain(sock):
    """Read the rest of an answer whose length was read."""
    sock.recv(65535)


def test_a_client_has_its_share_of_the_connections():
    with running(connections=16) as port, ExitStack() as stack:
        clients = Clients(port, stack)
        first = [clients.open(1) for _ in range(SHARE)]
        assert all(is_served(sock) for sock in first)
        assert is_closed(clients.open(1)), "one more"
        assert is_served(clients.open(2)), "another client"
        first.pop().close()
        while not is_served(clients.open(1)):  # the server has to see that one has gone
            pass


def test_the_longest_idle_connection_makes_room():
    with running(connections=3) as port, ExitStack() as stack:
        clients = Clients(port, stack)
        socks = [clients.open(last) for last in (1, 2, 3)]
        assert all(is_served(sock) for sock in socks)
        drain(socks[0])
        assert is_served(socks[0]), "is the last one used"
        newest = clients.open(4)
        assert is_served(newest)
        drain(socks[1])
        assert is_closed(socks[1])
        for sock in (socks[0], socks[2], newest):
            drain(sock)
            assert is_served(sock)


def test_the_version_of_edns_comes_before_its_options():
    odd = b"\x00\x08\xff"
    engine = engine_with()
    rcodes = {}
    for version in (0, 1):
        query = DNSRecord(q=DNSQuestion("z.example.", 6))
        query.add_ar(EDNS0(udp_len=1232, version=version))
        packet = bytes(query.pack())[:-2] + struct.pack("!H", len(odd)) + odd
        reply = DNSRecord.parse(engine.answer(packet, "192.0.2.1"))
        high = sum(record.edns_rcode for record in reply.ar)
        rcodes[version] = high << 4 | reply.header.rcode
    assert rcodes == {0: RCODE.FORMERR, 1: 16}


def test_a_circle_of_aliases_is_told_once():
    circle = ["a", "B", "c"]
    names = [from_text(one.lower(), ORIGIN) for one in circle]
    targets = [from_text(one, ORIGIN) for one in (*circle[1:], circle[0])]
    engine = engine_with(
        *(RRset(name, 5, 300, (target,)) for name, target in zip(names, targets, strict=True))
    )
    query = bytes(DNSRecord(q=DNSQuestion("A.z.example.", 1)).pack())
    reply = DNSRecord.parse(engine.answer(query, "192.0.2.1"))
    assert [str(record.rname).lower() for record in reply.rr] == [
        f"{one.lower()}.z.example." for one in circle
    ]


def test_a_delegation_that_no_message_holds():
    below = from_text("sub", ORIGIN)
    servers = tuple(from_text(f"n{number}", below) for number in range(1500))
    glue = [RRset(server, 1, 300, (bytes(4),)) for server in servers]
    with pytest.raises(ValueError, match=r"delegation sub\.z\.example\."):
        engine_with(RRset(below, 2, 300, servers), *glue)
