"""From the root, or through a resolver, to the servers of the parent zone and to addresses."""

from __future__ import annotations

from ipaddress import ip_address
from pathlib import Path
from typing import Final

from dnslb.doctor.asking import Endpoint, Reply, ask, key

__all__ = ["ROOTS", "Finder", "system_resolvers"]

ROOTS: Final = (
    "198.41.0.4",  # a.root-servers.net
    "199.9.14.201",  # b
    "192.33.4.12",  # c
    "199.7.91.13",  # d
    "192.5.5.241",  # f
    "193.0.14.129",  # k
    "199.7.83.42",  # l
    "2001:503:ba3e::2:30",  # a
    "2001:7fd::1",  # k
)
"""Where a walk begins: some of the root servers (https://www.iana.org/domains/root/servers)."""

MAX_STEPS: Final = 32
"""Referrals that are followed; names have fewer labels."""

MAX_DEPTH: Final = 4
"""Names of name servers that lead to names of name servers."""

ADDRESS_TYPES: Final = ("A", "AAAA")


class Finder:
    """Finds addresses and parents; remembers what it has found."""

    def __init__(
        self,
        resolvers: tuple[Endpoint, ...] = (),
        roots: tuple[Endpoint, ...] = (),
        port: int = 53,
    ) -> None:
        """With `resolvers`, these are asked; otherwise a walk begins at `roots`.

        `port` is that of all other servers that are asked.
        """
        self._resolvers = resolvers
        self._roots = roots
        self._port = port
        self._addresses: dict[str, tuple[Endpoint, ...]] = {}
        self._depth = 0

    def addresses(self, name: str) -> tuple[Endpoint, ...]:
        """The addresses of a name; none where nobody knows any."""
        name = key(name)
        if name not in self._addresses:
            self._addresses[name] = ()  # a name that needs itself has none
            found = []
            for rtype in ADDRESS_TYPES:
                reply = self._recursive(name, rtype) if self._resolvers else self._own(name, rtype)
                found += [Endpoint(ip_address(text), self._port) for text in reply.data(rtype)]
            self._addresses[name] = tuple(sorted(found, key=str))
        return self._addresses[name]

    def parent(self, zone: str) -> tuple[str, tuple[Endpoint, ...]]:
        """The parent zone and its servers.

        Raises:
            LookupError: they cannot be found; the message says why.
        """
        if self._resolvers:
            return self._parent_by_resolver(zone)
        servers, cut = self._walk(zone)
        if not servers:
            raise LookupError(f"no server below {cut} answers")
        return cut, servers

    def name_servers(self, zone: str) -> frozenset[str]:
        """The names of the zone's name servers; none where nobody tells."""
        reply = self._recursive(zone, "NS") if self._resolvers else self._own(zone, "NS")
        return reply.data("NS")

    def _parent_by_resolver(self, zone: str) -> tuple[str, tuple[Endpoint, ...]]:
        labels = key(zone).split(".")[1:]
        reply = Reply(failure="no answer")
        while any(labels):
            above = ".".join(labels)
            reply = self._recursive(above, "NS")
            names = reply.data("NS")
            if names:
                servers = tuple(one for name in sorted(names) for one in self.addresses(name))
                if servers:
                    return above, servers
            labels = labels[1:]
        reply = self._recursive(".", "NS")
        servers = tuple(one for name in sorted(reply.data("NS")) for one in self.addresses(name))
        if not servers:
            asked = ", ".join(map(str, self._resolvers))
            raise LookupError(f"the resolver {asked} tells no parent zone ({reply.what})")
        return ".", servers

    def _recursive(self, name: str, rtype: str) -> Reply:
        reply = Reply(failure="there is no resolver")
        for resolver in self._resolvers:
            reply = ask(resolver, name, rtype, recurse=True)
            if not reply.failure and reply.rcode in {"NOERROR", "NXDOMAIN"}:
                if reply.truncated:
                    reply = ask(resolver, name, rtype, recurse=True, tcp=True)
                return reply
        return reply

    def _walk(self, zone: str) -> tuple[tuple[Endpoint, ...], str]:
        """The servers of the zone that delegates `zone`, and that zone."""
        zone, cut, servers = key(zone), ".", self._roots
        for _ in range(MAX_STEPS):
            reply = _first(servers, zone, "NS")
            owner = _cut_of(reply, zone)
            if owner is None or owner == zone or len(owner) <= len(cut):
                return (servers if not reply.failure else ()), cut
            below = self._servers_of(reply, owner)
            if not below:
                return (), owner
            cut, servers = owner, below
        return (), cut

    def _own(self, name: str, rtype: str) -> Reply:
        """Ask from the root on, without a resolver."""
        if self._depth >= MAX_DEPTH:
            return Reply(failure="too many names lead to names")
        self._depth += 1
        try:
            cut, servers = ".", self._roots
            for _ in range(MAX_STEPS):
                reply = _first(servers, name, rtype)
                owner = _cut_of(reply, name)
                if reply.answer or owner is None or len(owner) <= len(cut):
                    return reply
                cut, servers = owner, self._servers_of(reply, owner)
            return Reply(failure="referrals without end")
        finally:
            self._depth -= 1

    def _servers_of(self, referral: Reply, owner: str) -> tuple[Endpoint, ...]:
        names = {one.data for one in referral.authority if one.type == "NS" and one.owner == owner}
        glue = tuple(
            Endpoint(ip_address(one.data), self._port)
            for one in referral.additional
            if one.owner in names and one.type in ADDRESS_TYPES
        )
        return glue or tuple(one for name in sorted(names) for one in self.addresses(name))


def _first(servers: tuple[Endpoint, ...], name: str, rtype: str) -> Reply:
    """The first answer of any of the servers."""
    reply = Reply(failure="there is no server to ask")
    for server in servers[:6]:
        reply = ask(server, name, rtype)
        if not reply.failure and reply.rcode in {"NOERROR", "NXDOMAIN"}:
            return reply
    return reply


def _cut_of(reply: Reply, name: str) -> str | None:
    """Where a referral leads; None: it is none."""
    if reply.authoritative and reply.answer:
        return None
    owners = {one.owner for one in reply.authority if one.type == "NS"}
    return next((one for one in owners if name == one or f".{name}".endswith(f".{one}")), None)


def system_resolvers(file: Path = Path("/etc/resolv.conf")) -> tuple[Endpoint, ...]:
    """Those that this machine is told to ask; none where there are none."""
    try:
        lines = file.read_text(errors="replace").splitlines()
    except OSError:
        return ()
    found = []
    for line in lines:
        words = line.split()
        if len(words) >= 2 and words[0] == "nameserver":
            try:
                found.append(Endpoint(ip_address(words[1].partition("%")[0])))
            except ValueError:
                continue
    return tuple(found)
