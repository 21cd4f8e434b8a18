"""Zones and queries for hypothesis: few labels, so that everything meets everything."""

from __future__ import annotations

import struct
import time

from hypothesis import strategies as st

from reference.cookies import sign
from reference.names import MAX_NAME, Name, encode, octets
from reference.query import COOKIE, ECS, KEEPALIVE, NSID, PADDING, ZONEVERSION
from reference.server import Settings
from reference.zone import AAAA, CNAME, DNAME, DS, MX, NS, SOA, TXT, A, Node, RRset, Service, Zone

CAA = 257
ODD = [b"\0", b"a.b", b"\xff\xc0", b"\xc0\x0c", b"x" * 63, b"@"]  # labels with any octet

Z: Name = (b"z", b"example")
ORIGINS: list[Name] = [
    Z,
    (b"a", *Z),
    (b"b", b"a", *Z),
    (b"a", b"b", *Z),
    (b"*", *Z),
    (b"example",),
    (b"other",),
    (),
]

labels = st.one_of(st.sampled_from([b"a", b"b", b"*"]), st.sampled_from(ODD))
common = st.sampled_from([b"a", b"b", b"*"])
relative = st.lists(st.one_of(common, common, common, labels), max_size=4).map(tuple)
LONG: Name = (b"l" * 63, b"m" * 63, b"n" * 63)

CONTENTS = [
    "A", "AAAA", "A TXT", "MX A", "CNAME", "CNAME", "NS", "NS DS", "NS A", "NS AAAA A", "DNAME", "DNAME TXT",
    "many", "odd", "v4", "both", "both TXT MX CAA", "brim:28", "brim:30", "brim:31", "brim:74", "alias", "nothing", "nothing TXT", "failed",
]  # fmt: skip


def case(name: Name, upper: int) -> Name:
    """`name` with letters in upper case where `upper` has a bit."""
    result = []
    for label in name:
        turned = bytearray(label)
        for place in range(len(label)):
            if upper & 1:
                turned[place : place + 1] = label[place : place + 1].upper()
            upper = upper >> 1 | (upper & 1) << 23  # goes round
        result.append(bytes(turned))
    return tuple(result)


def node(content: str, targets: list[Name]) -> Node:
    """What stands at a name whose content is told in words; names in rdata are `targets` in turn."""
    turn = [*targets, *targets]
    wires = [encode(target) for target in turn]
    ttl = 100 + 10 * len(content)
    rrsets: dict[int, RRset] = {}
    service = None
    both = RRset(30, (bytes([192, 0, 2, 1]),)), RRset(30, (bytes.fromhex("20010db8") + bytes(12),))
    for word in content.split():
        if word == "A":
            rrsets[A] = RRset(ttl, (bytes([192, 0, 2, 8]), bytes([192, 0, 2, 9])))
        elif word == "AAAA":
            rrsets[AAAA] = RRset(ttl, (bytes(16),))
        elif word == "TXT":
            rrsets[TXT] = RRset(ttl, (b"\x04text",))
        elif word == "CAA":
            rrsets[CAA] = RRset(ttl, (b"\x00\x05issue;",))
        elif word == "many":
            rrsets[TXT] = RRset(ttl, tuple(bytes([199]) + bytes([n]) * 199 for n in range(9)))
            rrsets[A] = RRset(ttl, tuple(bytes([10, 0, 0, n]) for n in range(40)))
        elif word.startswith("brim:"):  # about as much as fits into 512 or 1232 octets
            count = int(word[5:])
            rrsets[A] = RRset(ttl, tuple(bytes([10, 0, 0, n]) for n in range(count)))
        elif word == "odd":
            rrsets[65400] = RRset(0, (b"",))
            rrsets[DS] = RRset(2**31 - 1, (bytes(36),))
        elif word == "MX":
            rrsets[MX] = RRset(ttl, tuple(b"\x00\x0a" + wire for wire in dict.fromkeys(wires[:2])))
        elif word == "CNAME":
            rrsets[CNAME] = RRset(ttl, (wires[0],))
        elif word == "DNAME":
            rrsets[DNAME] = RRset(ttl, (wires[0],))
        elif word == "NS":
            rrsets[NS] = RRset(ttl, tuple(dict.fromkeys(wires[:3])))
        elif word == "DS":
            rrsets[DS] = RRset(ttl, (bytes([0, 1, 13, 2]) + bytes(32),))
        elif word == "v4":
            service = Service(a=both[0])
        elif word == "both":
            service = Service(a=both[0], aaaa=both[1])
        elif word == "alias":
            service = Service(alias=RRset(30, (encode((b"cdn", b"example", b"net")),)))
        elif word == "nothing":
            service = Service(a=RRset(30, ()), aaaa=RRset(30, ()))
        elif word == "failed":
            service = Service(failed=True)
    return Node(rrsets, service)


def apex(origin: Name, serial: int, negative: int, servers: list[Name]) -> Node:
    """An apex with SOA and NS."""
    soa = encode((b"Ns", *origin)) + encode((b"hostmaster", b"example"))
    soa += struct.pack("!5I", serial, 3600, 600, 86400, negative)
    ns = tuple(dict.fromkeys(map(encode, servers)))
    return Node({SOA: RRset(300, (soa,)), NS: RRset(200, ns)})


@st.composite
def names(draw: st.DrawFn, origins: list[Name]) -> Name:
    """A name near `origins`; one in a few has letters in upper case, one is long."""
    prefix = draw(relative)
    origin = draw(st.sampled_from(origins))
    if draw(st.integers(0, 15)) == 0:
        prefix = LONG[: draw(st.integers(1, 3))] + prefix
    name = (*prefix, *origin)
    while octets(name) > MAX_NAME:
        name = name[1:]
    return case(name, draw(st.sampled_from([0, 0, 0, 1, 0x0FF0F1, 0xFFFFFF])))


@st.composite
def zones(draw: st.DrawFn) -> list[Zone]:
    """One to three zones, nested or apart."""
    origins = draw(st.lists(st.sampled_from(ORIGINS), min_size=1, max_size=3, unique=True))
    if draw(st.booleans()) and Z not in origins:
        origins[0] = Z
    near = st.one_of(
        names([*origins, Z]), names([*origins, Z]), st.just((b"far", b"example", b"net"))
    )
    made = []
    for origin in origins:
        nodes: dict[Name, Node] = {}
        owners = draw(st.dictionaries(relative, st.sampled_from(CONTENTS), max_size=7))
        targets = draw(st.lists(near, min_size=3, max_size=3))
        for prefix, drawn in owners.items():
            content = drawn
            owner = tuple(label.lower() for label in (*prefix, *origin))
            if octets(owner) > MAX_NAME:
                continue
            if owner == origin:  # which has no CNAME; and a DNAME of the root would be all there is
                content = "DNAME TXT" if content.startswith("DNAME") and origin else "A TXT"
            # a delegation with addresses of its own is its own name server
            own = [owner] if content.startswith("NS A") else []
            nodes[owner] = node(content, [*own, *targets])
            targets = targets[1:] + targets[:1]
        top = apex(
            origin,
            draw(st.sampled_from([1, 2**32 - 1])),
            draw(st.sampled_from([0, 60, 900])),
            targets[:2],
        )
        own = nodes.get(origin)
        nodes[origin] = Node({**own.rrsets, **top.rrsets}) if own else top
        made.append(Zone(origin, nodes))
    return made


TYPES = [A, A, A, AAAA, TXT, MX, CNAME, DNAME, NS, SOA, DS, DS, CAA, 255, 255, 65400]
META = [0, 41, 46, 47, 128, 249, 250, 251, 252, 253, 254, 65535]

GOOD_SUBNETS = [
    bytes.fromhex(one)
    for one in ("00011800c00002", "00010000", "0002380020010db8000000", "00012000c0000201")
]
CLIENT = "192.0.2.77"
SECRETS = (b"0123456789abcdef", b"another secret!!", b"one of nobody's!")
all_settings = st.builds(
    Settings,
    udp_payload=st.sampled_from([512, 1232, 1232, 4096]),
    identity=st.sampled_from([None, b"ns1.example", b"i" * 128]),
    version=st.sampled_from([None, b"dnslb"]),
    cookie_secrets=st.sampled_from([(), SECRETS[:1], SECRETS[:2]]),
    cookies_required=st.booleans(),
    keepalive=st.sampled_from([0, 100, 65535]),
)


@st.composite
def cookies(draw: st.DrawFn) -> tuple[int, bytes]:
    """A cookie: a client's alone, with the server's of some age, or with anything else."""
    client = b"cookie!!"
    kind = draw(st.sampled_from(["alone", "signed", "signed", "signed", "other"]))
    if kind == "alone":
        return COOKIE, client
    if kind == "other":
        return COOKIE, draw(st.one_of(st.binary(max_size=42), st.just(client + bytes(16))))
    # none is near to a limit, so that it does not matter when the query is answered
    ago = draw(st.sampled_from([2400, 0, 600, 3300, 4200, -120, -900]))
    secret = draw(st.sampled_from(SECRETS))
    return COOKIE, client + sign(secret, client, CLIENT, int(time.time()) - ago)


options = st.one_of(
    st.sampled_from(GOOD_SUBNETS).map(lambda value: (ECS, value)),
    st.sampled_from(GOOD_SUBNETS).map(lambda value: (ECS, value)),
    st.tuples(st.just(ECS), st.binary(max_size=9)),
    cookies(),
    cookies(),
    st.tuples(st.just(KEEPALIVE), st.sampled_from([b"", b"\0\1"])),
    st.tuples(st.just(NSID), st.sampled_from([b"", b"", b"x"])),
    st.tuples(st.just(ZONEVERSION), st.sampled_from([b"", b"", b"x"])),
    st.tuples(st.sampled_from([PADDING, 65001, 15, 4]), st.binary(max_size=8)),
)


def opt(size: int, high: int, version: int, flags: int, pairs: list[tuple[int, bytes]]) -> bytes:
    """An OPT record."""
    rdata = b"".join(struct.pack("!HH", code, len(value)) + value for code, value in pairs)
    return b"\0" + struct.pack("!HHBBHH", 41, size, high, version, flags, len(rdata)) + rdata


opts = st.builds(
    opt,
    st.sampled_from([0, 511, 512, 513, 900, 1232, 1233, 4096, 65535]),
    st.sampled_from([0, 0, 0, 1]),
    st.sampled_from([0, 0, 0, 0, 0, 0, 1, 255]),
    st.sampled_from([0, 0x8000, 0x8000, 0x4000, 0xFFFF]),
    st.lists(options, max_size=4),
)

ABOUT: list[Name] = [
    (b"id", b"server"),
    (b"HostName", b"bind"),
    (b"version", b"bind"),
    (b"version", b"server"),
]

FLAGS = [0, 0x100, 0x100, 0x10, 0x20, 0x130, 0x40, 0x680, 0x0F]  # RD, CD, AD, Z, AA TC RA, an rcode


def question(
    name: Name,
    rtype: int,
    klass: int = 1,
    flags: int = 0x100,
    extra: bytes = b"",
    ident: int = 0x1234,
) -> bytes:
    """A query; `extra` is its OPT record."""
    head = struct.pack("!6H", ident, flags, 1, 0, 0, bool(extra))
    return head + encode(name) + struct.pack("!HH", rtype, klass) + extra


@st.composite
def queries(draw: st.DrawFn, served: list[Zone]) -> bytes:
    """A query for a name in or near the zones; well-formed but for the content of its options."""
    origins = [zone.origin for zone in served]
    owners = sorted({owner for zone in served for owner in zone.nodes})
    name = draw(st.one_of(names(origins), st.sampled_from(owners), names(owners), names([Z, ()])))
    if draw(st.booleans()):
        name = case(name, draw(st.integers(0, 0xFFFFFF)))
    rtype = draw(st.one_of(st.sampled_from(TYPES), st.sampled_from(TYPES), st.sampled_from(META)))
    klass = draw(st.sampled_from([1] * 20 + [0, 2, 3, 3, 254, 255]))
    if klass == 3:
        name = draw(st.sampled_from([*ABOUT, name]))
        rtype = draw(st.sampled_from([16, 255, 1]))
    flags = draw(st.sampled_from(FLAGS))
    extra = draw(st.one_of(st.just(b""), opts))
    return question(name, rtype, klass, flags, extra, draw(st.integers(0, 0xFFFF)))


def damaged(draw: st.DrawFn, packet: bytes) -> bytes:
    """`packet` with a few octets changed, left out or added."""
    octet = bytearray(packet)
    for _ in range(draw(st.integers(1, 3))):
        if not octet:
            break
        # the header and the ends of things are where it matters
        at = draw(
            st.one_of(st.integers(0, len(octet) - 1), st.integers(0, min(11, len(octet) - 1)))
        )
        kind = draw(st.sampled_from(["set", "set", "cut", "drop", "add"]))
        if kind == "set":
            octet[at] = draw(st.sampled_from([0, 1, 2, 0x28, 0x29, 0x3F, 0x40, 0x80, 0xC0, 0xFF]))
        elif kind == "cut":
            del octet[at:]
        elif kind == "drop":
            del octet[at]
        else:
            octet[at:at] = draw(st.binary(min_size=1, max_size=12))
    return bytes(octet)
