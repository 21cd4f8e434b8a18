"""Response-rate limiting, and packets that nobody sends in earnest."""

from __future__ import annotations

import functools
import logging
import signal
import socket
import struct
import time
from contextlib import contextmanager
from types import SimpleNamespace

import pytest
from dnslib import EDNS0, RCODE, DNSQuestion, DNSRecord, EDNSOption
from harness import ask, client, need_engine

from dnslb.config.model import Prefix, RateLimit, Rates, ServiceId
from dnslb.engine import new_engine
from dnslb.policy.plan import Answer, Rcode, ServicePlan
from dnslb.publisher import EngineSettings
from dnslb.ratelimit import MAX_LINES, EngineRateLimit, LimitLog
from dnslb.zone.names import from_text
from dnslb.zone.records import RRset

need_engine()

ORIGIN = from_text("z.example.")
RRSETS = [
    RRset(ORIGIN, 6, 300, (ORIGIN * 2 + struct.pack("!5I", 1, 3600, 600, 86400, 60),)),
    RRset(from_text("www.z.example."), 1, 300, (b"\xc0\x00\x02\x01",)),
    RRset(from_text("mail.z.example."), 1, 300, (b"\xc0\x00\x02\x02",)),
    RRset(from_text("*.wild.z.example."), 1, 300, (b"\xc0\x00\x02\x03",)),
    RRset(from_text("lab.z.example."), 2, 300, (from_text("ns.example.net."),)),
]
SECRET = bytes(16)
ONE = Rates(1, 1, 1, 1, 1, 100)  # a second
CLIENT = "192.0.2.1"


def limits(**keys):
    """One answer a second, what is beyond is truncated."""
    return RateLimit(**{"rates": ONE, "burst": 1.0, "slip": 1, **keys})


def publish(engine, limit):
    settings = EngineSettings(
        udp_payload=1232,
        identity=b"a name that is told to whoever asks for it",
        version=None,
        cookie_secrets=(SECRET,),
        cookies_required=False,
        keepalive=100,
        rrl=limit and EngineRateLimit.of(limit),
    )
    key = ServiceId("z.example.", "down")
    failure = Answer((), 30, Rcode.SERVFAIL)
    services = [(from_text("down.z.example."), key)]
    zone = SimpleNamespace(origin=ORIGIN, rrsets=RRSETS, services=services)
    engine.publish({key: ServicePlan(failure, failure)}, [zone], settings)


def engine_with(limit):
    engine = new_engine()
    publish(engine, limit)
    return engine


def promptly(test):
    """Have the test run anew when it fails after a while, in which budgets fill up again.

    The greatest of them gives an answer in half a second.
    """

    @functools.wraps(test)
    def run(**arguments):
        for _ in range(10):
            began = time.monotonic()
            try:
                return test(**arguments)
            except AssertionError:
                if time.monotonic() - began < 0.45:
                    raise
        pytest.fail("this machine is too busy")

    return run


def query(name, *options, qtype=1):
    question = DNSRecord(q=DNSQuestion(name, qtype))
    question.add_ar(EDNS0(udp_len=1232, opts=[EDNSOption(*option) for option in options]))
    return bytes(question.pack())


def is_limited(engine, name, source=CLIENT, *, qtype=1, transport="udp"):
    """Whether an answer is truncated."""
    answer = engine.answer(query(name, qtype=qtype), source, transport)
    return DNSRecord.parse(answer).header.tc == 1


@pytest.mark.parametrize(
    ("first", "second"),
    [
        (("www.z.example", 1), ("www.z.example", 1)),
        (("a.wild.z.example", 1), ("b.c.wild.z.example", 1)),
        (("a.z.example", 1), ("b.c.z.example", 28)),
        (("www.z.example", 28), ("www.z.example", 15)),
        (("a.lab.z.example", 1), ("b.lab.z.example", 1)),
    ],
    ids=["name", "wildcard", "nxdomain", "nodata", "referral"],
)
@promptly
def test_one_subject(first, second):
    engine = engine_with(limits())
    assert not is_limited(engine, first[0], qtype=first[1])
    assert is_limited(engine, second[0], "192.0.2.254", qtype=second[1])
    assert not is_limited(engine, second[0], "192.0.3.1", qtype=second[1])
    assert not is_limited(engine, "mail.z.example")


@promptly
def test_what_the_parent_says_of_each_zone_below_is_a_subject():
    engine = engine_with(limits())
    zones = [SimpleNamespace(origin=ORIGIN, rrsets=[*RRSETS], services=[])]
    for name, ds in [("one", True), ("two", True), ("three", False), ("four", False)]:
        origin = from_text(f"{name}.z.example.")
        zones[0].rrsets.append(RRset(origin, 2, 300, (ORIGIN,)))
        if ds:
            zones[0].rrsets.append(RRset(origin, 43, 300, (bytes(36),)))
        soa = RRset(origin, 6, 300, RRSETS[0].rdatas)
        zones.append(SimpleNamespace(origin=origin, rrsets=[soa], services=[]))
    engine.publish({}, zones)
    for name in ("one", "two", "three", "four"):
        asked = [is_limited(engine, f"{name}.z.example", qtype=43) for _ in range(2)]
        assert asked == [False, True]


@promptly
def test_a_network_in_total():
    engine = engine_with(limits(rates=Rates(total=2)))
    told = [is_limited(engine, f"{name}.z.example") for name in ("www", "a.wild", "mail")]
    assert told == [False, False, True]
    assert engine.limited(60.0) == {("192.0.2.0/24", "total"): 1}


@promptly
def test_networks():
    engine = engine_with(limits(prefix=Prefix(32, 48)))
    sources = [CLIENT, "192.0.2.2", "2001:db8:1::1", "2001:db8:1:1::1", "2001:db8:2::1"]
    told = [is_limited(engine, "www.z.example", source) for source in sources]
    assert told == [False, False, False, True, False]
    assert engine.limited(60.0) == {("2001:db8:1::/48", "answer"): 1}


@promptly
def test_what_is_left_is_no_longer_than_the_query():
    engine = engine_with(limits())
    ecs = struct.pack("!HBB", 1, 24, 0) + b"\xc0\x00\x02"
    asked = query("www.z.example", (3, b""), (8, ecs), (19, b""))
    whole = engine.answer(asked, CLIENT)
    left = engine.answer(asked, CLIENT)
    assert len(left) < len(asked) < len(whole)
    reply = DNSRecord.parse(left)
    assert (reply.header.tc, reply.header.aa, reply.header.rcode) == (1, 1, 0)
    assert [(option.code, bytes(option.data)) for option in reply.ar[0].rdata] == [(8, ecs)]


@promptly
def test_errors_are_not_truncated():
    engine = engine_with(limits())
    asked = query("www.example.org")
    whole, left = (DNSRecord.parse(engine.answer(asked, CLIENT)) for _ in range(2))
    for reply in (whole, left):
        assert (reply.header.rcode, reply.header.tc) == (RCODE.REFUSED, 0)
    assert (len(whole.ar[0].rdata), len(left.ar[0].rdata)) == (1, 0), "without EDE"


@promptly
def test_the_failure_of_a_service_is_an_error():
    engine = engine_with(limits())
    asked = query("down.z.example")
    for reply in (DNSRecord.parse(engine.answer(asked, CLIENT)) for _ in range(2)):
        assert (reply.header.rcode, reply.header.tc) == (RCODE.SERVFAIL, 0)
    assert engine.limited(60.0) == {("192.0.2.0/24", "error"): 1}


@promptly
def test_dropped_and_log_only():
    engine = engine_with(limits(slip=0))
    asked = query("www.z.example")
    answers = [engine.answer(asked, CLIENT) for _ in range(11)]
    assert answers[0]
    assert answers[1:] == [None] * 10
    publish(engine, limits(log_only=True))
    assert all(engine.answer(asked, CLIENT) == answers[0] for _ in range(5))
    stats = engine.stats()
    assert stats["limited"] == {"dropped": 10, "truncated": 0, "passed": 5}
    assert stats["drops"]["rate"] == 10
    publish(engine, None)
    assert engine.answer(asked, CLIENT) == answers[0]
    assert engine.stats()["limited"] == stats["limited"]


@promptly
def test_a_reload_forgives_nobody():
    engine = engine_with(limits())
    assert not is_limited(engine, "www.z.example")
    publish(engine, limits(prefix=Prefix(24, 48)))
    assert is_limited(engine, "www.z.example")


@promptly
def test_who_is_not_limited():
    networks = SimpleNamespace(network_address="198.51.100.128", prefixlen=25)
    engine = engine_with(limits(exempt=(networks,)))
    asked = query("www.z.example", (10, b"12345678"))
    opt = DNSRecord.parse(engine.answer(asked, CLIENT)).ar[0]
    cookie = bytes(opt.rdata[0].data)
    assert is_limited(engine, "www.z.example")
    for _ in range(20):
        vouched = query("www.z.example", (10, cookie))
        assert DNSRecord.parse(engine.answer(vouched, CLIENT)).header.tc == 0
        assert not is_limited(engine, "www.z.example", transport="tcp")
        assert not is_limited(engine, "www.z.example", "198.51.100.200")
    assert not is_limited(engine, "www.z.example", "198.51.100.1"), "spent nothing of theirs"
    assert is_limited(engine, "www.z.example", "198.51.100.1")


@contextmanager
def serving(limit, host="127.0.0.1", workers=2):
    engine = engine_with(limit)
    port = engine.bind([(host, 0)], workers)[0][1]
    engine.start()
    try:
        yield engine, port
    finally:
        engine.stop()


def test_a_flood_over_all_workers():
    """Clients of many ports, which the kernel spreads over the workers."""
    began = time.monotonic()
    asked = query("www.z.example")
    with serving(limits()) as (engine, port):
        whole = 0
        for _ in range(40):
            with client(port) as sock:
                for _ in range(5):
                    sock.send(asked)
                    whole += DNSRecord.parse(sock.recv(512)).header.tc == 0
        assert 1 <= whole <= 2 + time.monotonic() - began
        assert engine.stats()["limited"]["truncated"] == 200 - whole
        assert DNSRecord.parse(ask(port, "www.z.example", tcp=True).pack()).header.tc == 0


@pytest.mark.parametrize("host", ["127.0.0.1", "0.0.0.0"])
@pytest.mark.parametrize("own", [False, True], ids=["port 0", "own port"])
def test_sources_that_cannot_be(host, own):
    with serving(None, host, workers=1) as (engine, port):
        raw_send(port if own else 0, port)
        assert not ask(port, "www.z.example").header.tc
        stats = engine.stats()
        assert (stats["drops"]["source"], stats["drops"]["unsent"]) == (1, 0)
        assert sum(stats["queries"].values()) == 1


def raw_send(source, port):
    """Send a query from a port of 127.0.0.1 that no client has."""
    try:
        sock = socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_UDP)
    except PermissionError:
        pytest.skip("forging a source needs a raw socket: run the tests as root")
    packet = query("www.z.example")
    with sock:
        header = struct.pack("!4H", source, port, 8 + len(packet), 0)  # no checksum
        sock.sendto(header + packet, ("127.0.0.1", 0))


def test_the_log_of_a_server(write, serve):
    rules = "{rate: 1, total: 100, burst: 1s, slip: 1}"
    zone = {"z_example": "nameservers: ns.example.net.\n"}
    server = serve(write(f'listen: ["127.0.0.1:0"]\nrrl: {rules}\n', **zone)).ready()
    while server.ask("z.example", "SOA").header.tc == 0:
        pass
    server.wait_for("answers to 127.0.0.0/24 are beyond their rate (answer)")
    write()
    server.signal(signal.SIGHUP)
    server.wait_for("reloaded")
    assert all(server.ask("z.example", "SOA").header.tc == 0 for _ in range(20))
    # which is found out every two seconds, and so perhaps while it reloads
    server.said("answers to 127.0.0.0/24 are within their rate (answer) again; ")


def test_log(caplog):
    caplog.set_level(logging.INFO, "dnslb.ratelimit")
    limit_log = LimitLog(lambda _: {})
    one, other = ("192.0.2.0/24", "nxdomain"), ("2001:db8::/56", "total")
    for counts in ({one: 3}, {one: 8, other: 1}, {one: 2}, {}, {}):
        limit_log.look(counts)
    assert caplog.messages == [
        "answers to 192.0.2.0/24 are beyond their rate (nxdomain)",
        "answers to 2001:db8::/56 are beyond their rate (total)",
        "answers to 2001:db8::/56 are within their rate (total) again; 1 were beyond it",
        "answers to 192.0.2.0/24 are within their rate (nxdomain) again; 10 were beyond it",
    ]


def test_a_log_of_very_many(caplog):
    caplog.set_level(logging.INFO, "dnslb.ratelimit")
    limit_log = LimitLog(lambda _: {})
    for counts in ({(f"10.0.{number}.0/24", "total"): 1 for number in range(200)}, {}):
        caplog.clear()
        limit_log.look(counts)
        assert len(caplog.messages) == MAX_LINES + 1
        assert caplog.messages[-1] == "and so are those to 190 further networks"
