"""The listening addresses: whether a server answers there, or could."""

from __future__ import annotations

import errno
import os
import socket
from typing import TYPE_CHECKING, Final, NamedTuple

from dnslb.doctor.asking import Endpoint, Reply, ask
from dnslb.doctor.finding import error, note, ok, warning

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from dnslb.config.model import Config, Listen
    from dnslb.doctor.finding import Finding

__all__ = ["Door", "gather", "judge"]

SUBJECT: Final = "ports"


class Door(NamedTuple):
    """One listening address."""

    listen: Listen
    udp: Reply
    tcp: Reply
    bind: int = 0  # where nobody answers: the errno of taking it ourselves; 0: it can be had


def gather(config: Config, zone: str) -> list[Door]:
    """Ask at every listening address; where nobody answers, see whether it can be had."""
    doors = []
    for listen in config.listen:
        if listen.port == 0:
            continue
        here = _reachable(listen)
        udp, tcp = ask(here, zone, "SOA"), ask(here, zone, "SOA", tcp=True)
        taken = 0
        if udp.failure or tcp.failure:
            kinds = [
                kind
                for kind, reply in ((socket.SOCK_DGRAM, udp), (socket.SOCK_STREAM, tcp))
                if reply.failure
            ]
            taken = next(filter(None, (_try(listen, kind) for kind in kinds)), 0)
        doors.append(Door(listen, udp, tcp, taken))
    return doors


def judge(doors: Sequence[Door], asked: frozenset[str]) -> Iterator[Finding]:
    """`asked` are addresses of name servers that answered as the Internet sees them."""
    for door in doors:
        yield from _door(door)
    ports = sorted({door.listen.port for door in doors})
    if doors and 53 not in ports:
        yield note(
            SUBJECT,
            "listen",
            f"port {', '.join(map(str, ports))}: resolvers ask only port 53",
            "listen on port 53 of a public address, or have a packet filter redirect it",
        )
    if doors and all(door.listen.address.is_loopback for door in doors):
        yield note(
            SUBJECT,
            "listen",
            "loopback only: nobody outside of this machine can ask",
            "list a public address under `listen`, or leave `listen` out",
        )
    if asked:
        text = f"{', '.join(sorted(asked))} answered, asked from this machine"
        yield note(
            SUBJECT,
            "from the outside",
            f"{text}; whether a firewall before it lets others pass, only others can tell",
            "ask from another network: dnslb doctor DOMAIN there, or dig +tcp and dig +notcp",
        )


def _door(door: Door) -> Iterator[Finding]:
    looked = str(door.listen)
    answers = [kind for kind, reply in (("UDP", door.udp), ("TCP", door.tcp)) if not reply.failure]
    if len(answers) == 2:
        if door.udp.rcode == "NOERROR":
            yield ok(SUBJECT, looked, "answers by UDP and TCP")
        else:
            yield warning(
                SUBJECT,
                looked,
                f"a server answers by UDP and TCP, with {door.udp.rcode}: not this configuration, "
                "or not ready",
                "look which program it is: ss -lnptu; reload or restart it",
            )
    elif answers:
        missing = "TCP" if answers == ["UDP"] else "UDP"
        failure = (door.tcp if missing == "TCP" else door.udp).failure
        yield error(
            SUBJECT,
            looked,
            f"answers by {answers[0]}, but by {missing}: {failure}",
            "look which program listens there (ss -lnptu), and at this machine's packet filter",
        )
    elif door.bind == 0:
        yield note(
            SUBJECT,
            looked,
            "nobody answers; the address is free",
            "start the server: dnslb serve",
        )
    elif door.bind == errno.EADDRINUSE:
        yield error(
            SUBJECT,
            looked,
            "a program has this port and does not answer",
            f"see which: ss -lnptu 'sport = :{door.listen.port}'; end it, or choose another "
            "address under `listen`",
        )
    elif door.bind in {errno.EACCES, errno.EPERM}:
        yield note(SUBJECT, looked, "nobody answers, and this user may not take the port")
    else:
        yield error(
            SUBJECT,
            looked,
            f"nobody answers, and it cannot be had: {_words(door.bind)}",
            "correct `listen`; this machine's addresses: ip address",
        )


def _words(number: int) -> str:
    return os.strerror(number).lower()


def _reachable(listen: Listen) -> Endpoint:
    """Where this machine reaches it: loopback for all addresses."""
    if not listen.address.is_unspecified:
        return Endpoint(listen.address, listen.port)
    return Endpoint.parse("127.0.0.1" if listen.address.version == 4 else "::1", listen.port)


def _try(listen: Listen, kind: socket.SocketKind) -> int:
    family = socket.AF_INET if listen.address.version == 4 else socket.AF_INET6
    try:
        with socket.socket(family, kind) as sock:
            if family == socket.AF_INET6:
                sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
            if kind == socket.SOCK_STREAM:  # as a server does after a restart
                sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            sock.bind((str(listen.address), listen.port))
    except OSError as failure:
        return failure.errno or errno.EIO
    return 0
