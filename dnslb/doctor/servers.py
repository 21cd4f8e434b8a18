"""Every name server of the domain, asked the same; whether all say the same."""

from __future__ import annotations

import secrets
from collections import defaultdict
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from dnslb.config.suggest import counted, listed
from dnslb.doctor.asking import COOKIE, Endpoint, Reply, ask, client_subnet
from dnslb.doctor.finding import error, note, ok, warning

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from dnslb.doctor.finding import Finding

__all__ = ["Seen", "alike", "gather"]

SUBJECT: Final = "name servers"

APEX_TYPES: Final = ("NS", "MX", "TXT", "CAA", "A", "AAAA")
"""What is asked of the zone's own name."""

CLIENT: Final = "198.51.100.0"
"""The network that is given as the client's: one of documentation (RFC 5737)."""

MAX_THREADS: Final = 16

NOT_ASKED: Final = Reply(failure="not asked")


@dataclass(frozen=True, slots=True)
class Seen:
    """What one name server, at one address, answered."""

    name: str
    server: Endpoint
    udp: Reply  # SOA
    tcp: Reply  # SOA
    plain: Reply = NOT_ASKED  # SOA without EDNS
    cookie: Reply = NOT_ASKED  # SOA with a client's cookie
    ecs: Reply = NOT_ASKED  # A of `ecs_name`, with a client's network
    ecs_name: str = ""
    sent: bytes = b""  # the cookie that was sent
    sets: dict[tuple[str, str], Reply] = field(default_factory=dict)  # by name and type
    whole: dict[tuple[str, str], Reply] = field(default_factory=dict)  # by TCP what UDP cut short

    def __str__(self) -> str:
        """`ns1.example.com. (192.0.2.53)`."""
        return f"{self.name} ({self.server})"

    @property
    def serial(self) -> str:
        """The SOA's serial, or an empty text."""
        return next((record.data.split()[2] for record in self.udp.records("SOA")), "")

    @property
    def serves(self) -> bool:
        """Whether it answers for the zone with authority, by UDP."""
        return self.udp.good and self.udp.authoritative and bool(self.serial)


def gather(
    zone: str, servers: Iterable[tuple[str, Endpoint]], services: Sequence[str] = ()
) -> list[Seen]:
    """Ask every server, all at once; `services` are names whose answers are balanced."""
    servers = list(servers)
    with ThreadPoolExecutor(MAX_THREADS) as pool:
        jobs = [pool.submit(_look, zone, name, one, services) for name, one in servers]
        return [job.result() for job in jobs]


def _look(zone: str, name: str, server: Endpoint, services: Sequence[str]) -> Seen:
    udp = ask(server, zone, "SOA")
    tcp = ask(server, zone, "SOA", tcp=True)
    if udp.failure:
        return Seen(name, server, udp, tcp)
    sent = secrets.token_bytes(8)
    wanted = [(zone, rtype) for rtype in APEX_TYPES]
    wanted += [(one, rtype) for one in services for rtype in ("A", "AAAA")]
    sets = {(one, rtype): ask(server, one, rtype) for one, rtype in wanted}
    ecs_name = services[0] if services else zone
    return Seen(
        name,
        server,
        udp,
        tcp,
        plain=ask(server, zone, "SOA", edns=False),
        cookie=ask(server, zone, "SOA", options=[(COOKIE, sent)]),
        ecs=ask(server, ecs_name, "A", options=[client_subnet(CLIENT)]),
        ecs_name=ecs_name,
        sent=sent,
        sets=sets,
        whole={one: ask(server, *one, tcp=True) for one, reply in sets.items() if reply.truncated},
    )


def alike(zone: str, seen: Sequence[Seen], services: Sequence[str] = ()) -> Iterator[Finding]:
    """Whether each serves the zone, and all the same."""
    if not seen:
        yield error(
            SUBJECT,
            "addresses",
            "no name server of the domain has a known address, so there is nobody to ask",
            "give the names of name servers A or AAAA records, and glue at the parent",
        )
        return
    yield from _each(zone, seen)
    serving = [one for one in seen if one.serves]
    if not serving:
        return
    yield from _families(serving)
    yield from _serials(serving)
    if len(serving) > 1:
        yield from _sets(serving, services)


def _each(zone: str, seen: Sequence[Seen]) -> Iterator[Finding]:
    for one in seen:
        if one.udp.failure and one.tcp.failure:
            if "unreachable" in one.udp.failure or "cannot assign" in one.udp.failure:
                found = f"this machine has no way there ({one.udp.failure})"
                yield note(SUBJECT, str(one), found, "ask from a machine with such addresses")
                continue
            yield error(
                SUBJECT,
                str(one),
                f"UDP: {one.udp.failure}; TCP: {one.tcp.failure}",
                "start the server there, open port 53 for UDP and TCP in its firewall, or take "
                "its name out of the NS records and glue",
            )
            continue
        if one.udp.failure:
            yield error(
                SUBJECT,
                f"{one} by UDP",
                f"{one.udp.failure}, though TCP answers",
                "let UDP to port 53 pass in firewalls and security groups",
            )
        elif not one.serves:
            told = one.udp.rcode
            if one.udp.good:
                told = "no authority" if one.udp.records("SOA") else "a referral or nothing"
            hint = "its first checks have not ended yet, or " if told == "SERVFAIL" else ""
            yield error(
                SUBJECT,
                str(one),
                f"it does not serve {zone} ({told}): a lame delegation",
                f"{hint}it has no such zone: put the zone on it, or take it out of the NS records",
            )
        elif one.tcp.failure or not one.tcp.good:
            yield error(
                SUBJECT,
                f"{one} by TCP",
                f"{one.tcp.what}, though UDP answers: large answers and limited clients need TCP",
                "let TCP to port 53 pass in firewalls and security groups",
            )
        else:
            yield ok(SUBJECT, str(one), "answers with authority by UDP and TCP")
        if one.udp.recursion:
            yield warning(
                SUBJECT,
                str(one),
                "it offers recursion, which an authoritative server on the Internet should not",
                "turn recursion off there: it is used in attacks, and caches mix with zones",
            )


def _families(serving: Sequence[Seen]) -> Iterator[Finding]:
    versions = {one.server.address.version for one in serving}
    if 6 not in versions:
        yield note(
            SUBJECT,
            "address families",
            "no server answers by IPv6; resolvers that have only IPv6 cannot ask",
            "give a name server an AAAA record, glue too, and listen on the address",
        )
    elif 4 not in versions:
        yield warning(
            SUBJECT,
            "address families",
            "no server answers by IPv4, which most resolvers still need",
            "give a name server an A record, glue too, and listen on the address",
        )


def _serials(serving: Sequence[Seen]) -> Iterator[Finding]:
    groups: dict[str, list[str]] = defaultdict(list)
    for one in serving:
        groups[one.serial].append(str(one))
    if len(groups) == 1:
        yield ok(SUBJECT, f"serial of {counted(len(serving), 'server')}", next(iter(groups)))
        return
    told = "; ".join(f"{serial}: {listed(names)}" for serial, names in sorted(groups.items()))
    yield error(
        SUBJECT,
        "serial",
        f"they serve different zones: {told}",
        "bring the same zone files to all of them and reload",
    )


def _sets(serving: Sequence[Seen], services: Sequence[str]) -> Iterator[Finding]:
    balanced = set(services)
    first, *others = serving
    differ = False
    for one in sorted(first.sets):
        name, rtype = one
        for other in others:
            what = _difference(first, other, one, balanced=name in balanced)
            if what:
                differ = True
                yield error(
                    SUBJECT,
                    f"{rtype} of {name}",
                    what,
                    "bring the same zone files to all of them and reload",
                )
    if not differ:
        names = counted(len({name for name, _ in first.sets}), "name")
        yield ok(SUBJECT, f"records of {names}", f"the same on {counted(len(serving), 'server')}")


def _difference(first: Seen, other: Seen, what: tuple[str, str], *, balanced: bool) -> str:
    """How the two differ; whose turn it is differs in any case for what is balanced."""
    mine, theirs = (one.whole.get(what, one.sets[what]) for one in (first, other))
    if mine.failure or theirs.failure:
        return ""  # told already, or lost on the way
    if mine.rcode != theirs.rcode:
        return f"{first} says {mine.rcode}, {other} says {theirs.rcode}"
    ttls = [{record.ttl for record in reply.records(what[1])} for reply in (mine, theirs)]
    if ttls[0] and ttls[1] and ttls[0] != ttls[1]:
        told = [", ".join(map(str, sorted(ttl))) for ttl in ttls]
        return f"{first} says a TTL of {told[0]}, {other} of {told[1]}"
    sets = [reply.data(what[1]) for reply in (mine, theirs)]
    if balanced or _rotates(mine, theirs):
        return ""
    if sets[0] != sets[1]:
        told = [_some(one) for one in sets]
        return f"{first} says {told[0]}, {other} says {told[1]}"
    return ""


def _rotates(mine: Reply, theirs: Reply) -> bool:
    """Whether both are single addresses that differ: a service, of which nobody told us."""
    kinds = [{record.type for record in reply.answer} for reply in (mine, theirs)]
    return all(kind and kind <= {"A", "AAAA", "CNAME"} for kind in kinds)


def _some(records: frozenset[str]) -> str:
    shown = sorted(records)
    more = f" and {len(shown) - 3} more" if len(shown) > 3 else ""
    return (", ".join(shown[:3]) + more) or "nothing"
