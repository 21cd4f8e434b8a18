"""TCP on a running engine: many queries at a time, any split, and what clients may take."""

from __future__ import annotations

import select
import socket
import struct
import threading
from contextlib import ExitStack, contextmanager
from types import SimpleNamespace

import pytest
from dnslib import EDNS0, QTYPE, RCODE, DNSQuestion, DNSRecord, EDNSOption
from harness import PATIENCE, Daemon, need_engine, until

from dnslb.engine import new_engine
from dnslb.zone.names import from_text
from dnslb.zone.records import RRset

need_engine()

ORIGIN = from_text("z.example.")
BIG = from_text("big", ORIGIN)
SOA = RRset(ORIGIN, 6, 300, (ORIGIN * 2 + struct.pack("!5I", 1, 3600, 600, 86400, 60),))
TEXTS = RRset(BIG, 16, 300, tuple(bytes([200]) + bytes([n]) * 200 for n in range(200)))
BIG_SIZE = 40_000  # octets of an answer with all of these, at least

LONG = 3600.0
SHORT = 0.1  # seconds: what tests wait for
WHILE = 2.0  # and what they wait for after they have asked something within it


def zone(*rrsets):
    return SimpleNamespace(origin=ORIGIN, rrsets=[SOA, *rrsets], services=[])


def settings(idle):
    return SimpleNamespace(
        udp_payload=1232,
        identity=None,
        version=None,
        cookie_secrets=(),
        cookies_required=False,
        ecs_trust=None,
        keepalive=round(idle * 10),
        rrl=None,
    )


def query(number, name="z.example.", qtype="SOA", *options):
    question = DNSRecord(q=DNSQuestion(name, getattr(QTYPE, qtype)))
    question.header.id = number
    if options:
        question.add_ar(EDNS0(udp_len=1232, opts=list(options)))
    packet = bytes(question.pack())
    return struct.pack("!H", len(packet)) + packet


class Server:
    """An engine that answers on loopback, and its clients."""

    def __init__(self, port, engine, stack):
        self.port = port
        self.engine = engine
        self._stack = stack

    def open(self, last=1):
        """A connection from 127.0.0.`last`."""
        source = (f"127.0.0.{last}", 0)
        sock = socket.create_connection(("127.0.0.1", self.port), PATIENCE, source)
        return self._stack.enter_context(sock)

    def await_stats(self, **wanted):
        """Wait until these are the numbers of connections."""
        for _ in range(int(PATIENCE / 0.01)):
            stats = self.engine.stats()["tcp"]
            if {key: stats[key] for key in wanted} == wanted:
                return
            threading.Event().wait(0.01)
        pytest.fail(f"{stats}, not {wanted}")


@contextmanager
def running(connections=100, per_client=100, idle=LONG, query_timeout=LONG, workers=1):
    engine = new_engine()
    engine.publish({}, [zone(TEXTS)], settings(idle))
    limits = SimpleNamespace(
        connections=connections, per_client=per_client, query_timeout=query_timeout
    )
    ((_, port),) = engine.bind([("127.0.0.1", 0)], workers, limits)
    engine.start()
    try:
        with ExitStack() as stack:
            yield Server(port, engine, stack)
    finally:
        engine.stop()


def octets(sock, count):
    """So many octets of the stream, fewer only at its end."""
    received = b""
    while len(received) < count and (more := sock.recv(count - len(received))):
        received += more
    return received


def answer(sock):
    """The next answer; None when the stream ends instead."""
    length = octets(sock, 2)
    return DNSRecord.parse(octets(sock, struct.unpack("!H", length)[0])) if length else None


def send_until_closed(sock, message, pause=0.0):
    """Send `message` over and over until the server has had enough."""
    try:
        while True:
            sock.sendall(message)
            select.select([], [], [sock], pause)
    except (ConnectionResetError, BrokenPipeError):
        return


def send_until_full(sock, message):
    """Send `message` over and over until the server reads no further."""
    while select.select([], [sock], [], 0.2)[1]:
        sock.send(message)


def is_served(sock):
    """Whether the server answers a query, rather than to have closed the connection."""
    try:
        sock.sendall(query(77))
        reply = answer(sock)
    except (ConnectionResetError, BrokenPipeError):
        return False
    return reply is not None and reply.header.id == 77


def is_closed(sock):
    """Wait until the server closes a connection that has nothing to say."""
    try:
        return sock.recv(1) == b""
    except ConnectionResetError:
        return True


def numbers(sock, count):
    """The numbers of the next answers, which are read in whole."""
    found = []
    for _ in range(count):
        message = octets(sock, *struct.unpack("!H", octets(sock, 2)))
        found += struct.unpack_from("!H", message)
    return found


def test_a_thousand_queries_in_one_write():
    with running() as server:
        sock = server.open()
        sock.sendall(b"".join(map(query, range(1000))))
        assert numbers(sock, 1000) == list(range(1000))


def test_octet_by_octet():
    with running() as server:
        sock = server.open()
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        for octet in query(1) + query(2):
            sock.send(bytes([octet]))
        assert numbers(sock, 2) == [1, 2]


def test_split_at_every_position():
    with running() as server:
        sock = server.open()
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        two = query(1) + query(2)
        for position in range(1, len(two)):
            sock.send(two[:position])
            complete = position >= len(query(1))
            first = numbers(sock, 1) if complete else []  # so that the rest is read by itself
            sock.send(two[position:])
            assert first + numbers(sock, 2 - len(first)) == [1, 2]


def test_a_client_that_reads_late_gets_everything():
    count = 500  # answers of 40 kB: more than the system buffers
    with running() as server:
        sock, other = server.open(), server.open()
        sender = threading.Thread(
            target=sock.sendall,
            args=(b"".join(query(n, "big.z.example.", "TXT") for n in range(count)),),
        )
        sender.start()
        assert is_served(other), "others are served meanwhile"
        assert numbers(sock, count) == list(range(count))
        sender.join()


def test_a_closed_side_gets_its_answers():
    with running() as server:
        sock = server.open()
        sock.sendall(b"".join(query(n, "big.z.example.", "TXT") for n in range(100)) + b"\0")
        sock.shutdown(socket.SHUT_WR)
        assert numbers(sock, 100) == list(range(100))
        assert is_closed(sock)
        server.await_stats(open=0)


def test_messages_that_are_no_query():
    response = query(5)[:4] + b"\x80" + query(5)[5:]
    longest = struct.pack("!HH", 65_535, 9) + b"\0" + bytes(range(256)) * 255 + bytes(252)
    assert len(longest) == 2 + 65_535
    with running() as server:
        sock = server.open()
        for silent in (b"\0\0", b"\0\1x", response, b"\0\0" * 1000):
            sock.sendall(silent + query(8))
            assert numbers(sock, 1) == [8]
        sock.sendall(longest + query(8))
        first = answer(sock)
        assert (first.header.id, first.header.rcode) == (9, RCODE.FORMERR)
        assert numbers(sock, 1) == [8]


def test_a_reset_ends_a_connection():
    with running() as server:
        sock = server.open()
        sock.sendall(b"".join(query(n, "big.z.example.", "TXT") for n in range(1000)))
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        sock.close()
        server.await_stats(accepted=1, open=0)
        assert is_served(server.open())


def test_a_new_snapshot_reaches_connections_that_live():
    with running() as server:
        sock = server.open()
        name = from_text("new", ORIGIN)
        sock.sendall(query(1, "new.z.example.", "A"))
        assert answer(sock).header.rcode == RCODE.NXDOMAIN
        server.engine.publish({}, [zone(RRset(name, 1, 300, (bytes(4),)))])
        sock.sendall(query(2, "new.z.example.", "A"))
        assert [str(record.rdata) for record in answer(sock).rr] == ["0.0.0.0"]


def test_idle_connections_end_and_clients_are_told_when():
    with running(idle=WHILE) as server:
        sock = server.open()
        sock.sendall(query(1, "z.example.", "SOA", EDNSOption(11, b"")))
        ((option,),) = (record.rdata for record in answer(sock).ar)
        assert (option.code, option.data) == (11, struct.pack("!H", round(WHILE * 10)))
        assert is_closed(sock)
        server.await_stats(accepted=1, open=0, timed_out=1)


def test_no_client_keeps_a_connection_by_what_is_no_query():
    with running(idle=SHORT) as server:
        sock = server.open()
        send_until_closed(sock, b"\0\0")
        server.await_stats(open=0, timed_out=1)


def test_a_slow_drip_is_closed_by_total_time():
    with running(query_timeout=SHORT) as server:
        sock, other = server.open(), server.open()
        sock.sendall(query(1))
        assert numbers(sock, 1) == [1]
        send_until_closed(
            sock, b"\xff", pause=SHORT / 50
        )  # octets of one message, none of them late
        assert is_served(other), "idle is not slow"
        server.await_stats(open=1, timed_out=1)


def test_a_client_that_takes_no_answers_is_closed():
    with running(query_timeout=SHORT) as server:
        sock = server.open()
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        send_until_closed(sock, query(1, "big.z.example.", "TXT"))
        server.await_stats(open=0, timed_out=1)


def test_the_longest_idle_connection_makes_room():
    with running(connections=3) as server:
        socks = [server.open(last) for last in (1, 2, 3)]
        assert all(map(is_served, socks))
        assert is_served(socks[0]), "is the last one used"
        newest = server.open(4)
        assert is_served(newest)
        assert is_closed(socks[1])
        assert all(map(is_served, (socks[0], socks[2], newest)))
        server.await_stats(accepted=4, open=3, shed=1)


def test_a_client_that_has_its_share_makes_room_itself():
    with running(connections=9, per_client=2) as server:
        other = server.open(2)
        first, second = server.open(), server.open()
        assert all(map(is_served, (other, first, second)))
        assert is_served(first)
        third = server.open()
        assert is_closed(second)
        assert all(map(is_served, (other, first, third)))
        server.await_stats(accepted=4, open=3, shed=1)


def test_limits_hold_for_all_workers_together():
    with running(connections=20, per_client=10, workers=4) as server:
        socks = [server.open(last) for last in (1, 2, 3) for _ in range(20)]

        def tcp():
            found = server.engine.stats()["tcp"]
            assert found["open"] <= 20
            return found

        until(lambda: tcp()["accepted"] + tcp()["refused"] == len(socks))
        # one that is shed gives its place back before it counts
        until(lambda: tcp()["accepted"] - tcp()["shed"] == tcp()["open"])
        assert tcp()["accepted"] + tcp()["refused"] == len(socks)


def test_answers_on_their_way_leave_when_the_engine_stops():
    count = 40
    with running() as server:
        sock = server.open()
        assert is_served(sock)
        sock.sendall(b"".join(query(n, "big.z.example.", "TXT") for n in range(count)))
        assert sock.recv(1, socket.MSG_PEEK)
        stopping = threading.Thread(target=server.engine.stop)
        stopping.start()
        received = bytearray()
        while more := sock.recv(65_536):
            received += more
        stopping.join()
        assert len(received) > count * BIG_SIZE
        assert server.engine.stats()["tcp"]["open"] == 0


def test_a_client_that_takes_nothing_does_not_hold_up_the_stop():
    with running() as server:
        sock = server.open()
        send_until_full(sock, query(1, "big.z.example.", "TXT"))
        server.engine.stop()
        assert server.engine.stats()["tcp"]["open"] == 0


def test_a_daemon_keeps_to_its_file(serve, write):
    config = write(
        'listen: ["127.0.0.1:0"]\ntcp: {idle_timeout: 2s}\n',
        z_example="nameservers: [ns.example.net.]\n",
    )
    daemon: Daemon = serve(config).ready()
    with socket.create_connection(("127.0.0.1", daemon.port), PATIENCE) as sock:
        sock.sendall(query(1, "z.example.", "SOA", EDNSOption(11, b"")))
        ((option,),) = (record.rdata for record in answer(sock).ar)
        assert option.data == struct.pack("!H", 20)
        assert is_closed(sock)
