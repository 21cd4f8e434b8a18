"""A slow authoritative server that is meant to be checked against the RFCs line by line.

It shares no code with what it judges, holds plain data, and looks at everything that it holds for
each query. What the standards leave open is decided here as the project decides it; comments say so.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass, field, replace
from itertools import combinations
from typing import TYPE_CHECKING

from reference import cookies
from reference import query as q
from reference.message import AA, CD, OPCODE, QR, RD, TC, Opt, Record, Response, sizes
from reference.names import MAX_NAME, Name, decode, encode, fold, is_within, octets
from reference.zone import (
    CNAME,
    DNAME,
    DS,
    EMPTY,
    NS,
    SOA,
    TXT,
    Delegation,
    Missing,
    Node,
    Redirection,
    RRset,
    Zone,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

    from reference.query import Edns, Query

IN, CH = 1, 3
HINFO, NXNAME, IXFR, AXFR, ANY = 13, 128, 251, 252, 255

CLASSIC = 512  # RFC 1035 section 4.2.1; RFC 6891 section 6.2.3 makes it the floor
LARGEST = 65_535  # RFC 1035 section 4.2.2
LINKS = 8  # aliases followed in one response: a bound of ours

# RFC 8914 section 4, RFC 9824 section 3.5
NOT_READY, PROHIBITED, NOT_AUTHORITATIVE, NOT_SUPPORTED, INVALID_QUERY_TYPE = 14, 18, 20, 21, 30


@dataclass(frozen=True)
class Settings:
    """What the operator decides for all zones; the attributes that `Engine.publish` reads."""

    udp_payload: int = 1232  # RFC 9715 section 3
    identity: bytes | None = None
    version: bytes | None = None
    cookie_secrets: tuple[bytes, ...] = ()
    cookies_required: bool = False
    keepalive: int = 100  # units of 100 ms
    ecs_trust: None = None  # everybody's client subnet counts
    rrl: None = None  # what limits rates is not the answers' concern


INFORMING = {q.EDE, q.ZONEVERSION, q.NSID}
"""Options that only inform: left out rather than to crowd out an answer."""


@dataclass(frozen=True)
class Expected:
    """The response; where it does not fit, `short` is sent in its place."""

    full: Response
    short: Response
    limit: int  # octets

    def choices(self) -> list[Response]:
        """The responses that are right: several where it depends on compression, which is free."""
        if sizes(self.full)[1] <= self.limit:
            return [self.full]
        fuller = [replace(self.full, opt=opt) for opt in _thinner(self.full.opt)]
        # what a chain would have come to need not be known when it is cut short
        shorter = [self.short, replace(self.short, rcode=q.NOERROR)]
        if not self.full.answer:
            shorter.pop()
        return shorter if sizes(fuller[-1])[0] > self.limit else [*fuller, *shorter]


def _thinner(opt: Opt | None) -> list[Opt | None]:
    """OPT with fewer and fewer of the options that only inform, at last with none."""
    if opt is None:
        return [None]
    informing = [option for option in opt.options if option[0] in INFORMING]
    left_out = [
        gone for count in range(len(informing) + 1) for gone in combinations(informing, count)
    ]
    return [
        replace(opt, options=tuple(option for option in opt.options if option not in gone))
        for gone in left_out
    ]


@dataclass
class Reply:
    """A response in the making."""

    aa: bool = False
    rcode: int = q.NOERROR
    ede: int | None = None
    zone: Zone | None = None  # whose data this is
    answer: list[Record] = field(default_factory=list)
    authority: list[Record] = field(default_factory=list)
    additional: list[Record] = field(default_factory=list)

    def add(self, section: list[Record], owner: Name, rtype: int, rrset: RRset) -> None:
        """Append an RRset, but none twice (RFC 2181 section 5)."""
        for rdata in rrset.rdatas:
            record = Record(owner, rtype, rrset.ttl, rdata)
            if record not in section:
                section.append(record)


class Server:
    """Zones, None as long as there are none yet, and what was decided about answers in general."""

    def __init__(self, zones: Sequence[Zone] | None, settings: Settings = Settings()) -> None:
        self.ready = zones is not None
        self.zones = zones or ()
        self.settings = settings
        for zone in self.zones:
            apexes = [one.origin for one in self.zones if is_within(one.origin, zone.origin)]
            zone.beside(apex for apex in apexes if apex != zone.origin)

    def respond(self, packet: bytes, client: str, transport: str, now: int) -> Expected | None:
        """The response to `packet` of `client`, by `transport`: "udp" or "tcp"; None for silence.

        `now` is in seconds since 1970.
        """
        try:
            query = q.read(packet)
        except q.Silence:
            return None
        except q.Fault as fault:
            ident, flags = struct.unpack_from("!HH", packet)
            bare = Response(ident, QR | flags & (OPCODE | RD | CD), fault.rcode)
            return Expected(bare, bare, LARGEST)
        ident, flags = struct.unpack_from("!HH", packet)
        cookie = self._cookie(query.edns, client, now)
        reply = self._reply(query, transport, cookie)
        opt = self._opt(query.edns, reply, transport, cookie) if query.edns else None
        flags = QR | flags & (RD | CD) | (AA if reply.aa else 0)
        full = Response(
            ident,
            flags,
            reply.rcode,
            query.question,
            tuple(reply.answer),
            tuple(reply.authority),
            tuple(reply.additional),
            opt,
        )
        # RFC 2181 section 9: what is cut short has to be asked for anew by TCP, so nothing of it
        # need come
        short = replace(full, flags=flags | TC, answer=(), authority=(), additional=())
        limit = LARGEST
        if transport == "udp":
            asked = query.edns.size if query.edns else CLASSIC
            limit = max(min(asked, self.settings.udp_payload), CLASSIC)
        return Expected(full, short, limit)

    def _cookie(self, edns: Edns | None, client: str, now: int) -> tuple[bool, bytes] | None:
        """Whether the query's cookie is valid, and the option of the response."""
        asked = edns.option(q.COOKIE) if edns else None
        if asked is None or not self.settings.cookie_secrets:
            return None
        valid, server = cookies.judge(list(self.settings.cookie_secrets), asked, client, now)
        return valid, asked[: cookies.CLIENT] + server

    def _opt(
        self, edns: Edns, reply: Reply, transport: str, cookie: tuple[bool, bytes] | None
    ) -> Opt:
        options = []
        subnet = edns.option(q.ECS)
        if subnet is not None:
            # Echoed in every response (RFC 7871 section 7.2.1); scope 0, since nothing here
            # depends on the client
            options.append((q.ECS, subnet))
        if cookie:
            options.append((q.COOKIE, cookie[1]))
        if edns.option(q.KEEPALIVE) is not None and transport == "tcp":
            # RFC 7828 section 3.2.2: not by UDP
            options.append((q.KEEPALIVE, struct.pack("!H", self.settings.keepalive)))
        if edns.option(q.NSID) is not None and self.settings.identity is not None:
            options.append((q.NSID, self.settings.identity))  # RFC 5001 section 2.1
        if edns.option(q.ZONEVERSION) is not None and reply.zone and reply.aa:
            # RFC 9660 section 2: labels of the zone's name, type SOA-SERIAL, the serial
            serial = reply.zone.soa.rdatas[0][-20:-16]
            options.append((q.ZONEVERSION, bytes([len(reply.zone.origin), 0]) + serial))
        if reply.ede is not None:
            options.append((q.EDE, struct.pack("!H", reply.ede)))
        # the size that we take; DO copied (RFC 3225 section 3), other flags zero
        flags = 0x8000 if edns.do else 0
        return Opt(self.settings.udp_payload, 0, flags, tuple(sorted(options)))

    def _reply(self, query: Query, transport: str, cookie: tuple[bool, bytes] | None) -> Reply:
        edns = query.edns
        if edns and edns.version > 0:
            return Reply(rcode=q.BADVERS)  # RFC 6891 section 6.1.3
        if edns and edns.malformed:
            return Reply(rcode=q.FORMERR)
        if not query.question:  # RFC 7873 section 5.4
            known = len(edns.option(q.COOKIE)) > cookies.CLIENT
            return Reply(rcode=q.BADCOOKIE if cookie and known and not cookie[0] else q.NOERROR)
        if cookie and not cookie[0] and self.settings.cookies_required and transport == "udp":
            return Reply(rcode=q.BADCOOKIE)  # RFC 7873 section 5.2.3
        if query.klass == CH:
            return self._chaos(query)
        if query.klass != IN:
            return Reply(rcode=q.REFUSED, ede=NOT_SUPPORTED)
        if query.type in {AXFR, IXFR}:
            return Reply(rcode=q.REFUSED, ede=NOT_SUPPORTED)
        if query.type == NXNAME:
            return Reply(rcode=q.FORMERR, ede=INVALID_QUERY_TYPE)  # RFC 9824 section 3.5
        if not self.ready:
            return Reply(rcode=q.SERVFAIL, ede=NOT_READY)
        return self.resolve(query.name, query.type)

    def _chaos(self, query: Query) -> Reply:
        """RFC 4892 section 2: who the server is, and what it runs, if the operator lets it tell."""
        told = {
            (b"id", b"server"): self.settings.identity,
            (b"hostname", b"bind"): self.settings.identity,
            (b"version", b"server"): self.settings.version,
            (b"version", b"bind"): self.settings.version,
        }
        text = told.get(fold(query.name))
        if text is None:
            return Reply(rcode=q.REFUSED, ede=PROHIBITED)
        reply = Reply(aa=True)
        if query.type in {TXT, ANY}:
            rdata = bytes([len(text)]) + text
            reply.answer.append(Record(query.name, TXT, 0, rdata, CH))
        return reply

    def zone(self, name: Name, rtype: int) -> Zone | None:
        """RFC 1034 section 4.3.2, step 2: "the zone which is the nearest ancestor to QNAME"."""
        above = [zone for zone in self.zones if is_within(name, zone.origin)]
        above.sort(key=lambda zone: len(zone.origin))
        if not above:
            return None
        nearest = above[-1]
        if rtype == DS and len(above) > 1 and len(nearest.origin) == len(name):
            # RFC 4035 section 3.1.4.1: DS stands on the parent's side. Where the zone above is not
            # the parent, since it ends at a name between, "no data" is the child's to say.
            parent = above[-2]
            between = range(len(parent.origin) + 1, len(name))
            nodes = [parent.nodes.get(fold(name[len(name) - length :])) for length in between]
            if not any(node and {NS, DNAME} & set(node.rrsets) for node in nodes):
                return parent
        return nearest

    def resolve(self, qname: Name, rtype: int) -> Reply:
        """RFC 1034 section 4.3.2 as RFC 6672 section 3.2 has it, inside of one zone."""
        zone = self.zone(qname, rtype)
        if zone is None:
            return Reply(rcode=q.REFUSED, ede=NOT_AUTHORITATIVE)
        reply = Reply(aa=True, zone=zone)
        if zone is not self.zone(qname, 0):
            # the parent's side of an apex: nothing but DS is looked at
            ds = zone.nodes.get(fold(qname), EMPTY).rrsets.get(DS)
            self._at(reply, zone, qname, DS, Node({DS: ds} if ds else {}))
            return reply
        name = qname
        met = {fold(qname)}
        for links in range(LINKS + 1):
            if self.zone(name, 0) is not zone:
                break  # "Go back to step 1", but another zone is the resolver's to ask
            found = zone.search(name, parent_side=rtype == DS and links == 0)
            if isinstance(found, Delegation):
                if links == 0:  # step 3b; the end of a chain is told no more than that
                    reply.aa = False
                    reply.add(reply.authority, found.cut, NS, found.servers)
                    for owner, kind, rrset in zone.glue(found.servers):
                        reply.add(reply.additional, owner, kind, rrset)
                break
            if isinstance(found, Missing):
                # RFC 6604 section 3: the rcode is that of the last name
                reply.rcode = q.NXDOMAIN
                self._negative(reply, zone)
                break
            if isinstance(found, Redirection):
                if links == LINKS:
                    break  # to make its CNAME would be to follow once more
                target = self._redirect(reply, name, found)
                if rtype == CNAME:
                    break  # the CNAME that was made is what was asked for
            else:
                target = self._at(reply, zone, name, rtype, found.node)
            if target is None or fold(target) in met:
                break
            met.add(fold(target))
            name = target
        return reply

    def _at(self, reply: Reply, zone: Zone, name: Name, rtype: int, node: Node) -> Name | None:
        """Step 3a, and 3c for a wildcard: "set the owner of the RR to be QNAME". Returns where a
        CNAME leads."""
        service = node.service
        if service:
            if service.alias:
                reply.add(reply.answer, name, CNAME, service.alias)
                return None
            if service.failed and rtype in {1, 28}:
                reply.rcode = q.SERVFAIL
                return None
            mine = {1: service.a, 28: service.aaaa}.get(rtype)
            if mine and mine.rdatas:
                reply.add(reply.answer, name, rtype, mine)
                return None
        rrsets = node.rrsets
        if rtype == ANY and CNAME not in rrsets and not node.empty:
            # RFC 8482 section 4.2; a CNAME alone is as small
            reply.add(reply.answer, name, HINFO, RRset(3600, (b"\x07RFC8482\x00",)))
            return None
        wanted = CNAME if rtype == ANY else rtype
        if wanted in rrsets:
            reply.add(reply.answer, name, wanted, rrsets[wanted])
            return None
        if CNAME in rrsets:
            reply.add(reply.answer, name, CNAME, rrsets[CNAME])
            return decode(rrsets[CNAME].rdatas[0], 0)[0]
        self._negative(reply, zone)
        return None

    def _redirect(self, reply: Reply, name: Name, found: Redirection) -> Name | None:
        """RFC 6672 section 3.2, 3c: the DNAME, and the CNAME that it makes of `name`."""
        cut = len(name) - len(found.owner)
        reply.add(reply.answer, name[cut:], DNAME, found.dname)
        target = name[:cut] + decode(found.dname.rdatas[0], 0)[0]
        if octets(target) > MAX_NAME:
            reply.rcode = q.YXDOMAIN
            return None
        # section 3.1: "the TTL of the synthesized CNAME is the TTL of the DNAME"
        reply.add(reply.answer, name, CNAME, RRset(found.dname.ttl, (encode(target),)))
        return target

    @staticmethod
    def _negative(reply: Reply, zone: Zone) -> None:
        """RFC 2308 section 3: the SOA, whose TTL is the lesser of its own and its MINIMUM."""
        soa = zone.soa
        (minimum,) = struct.unpack("!I", soa.rdatas[0][-4:])
        reply.add(reply.authority, zone.origin, SOA, RRset(min(soa.ttl, minimum), soa.rdatas))
