"""A zone as plain data, and the search of RFC 1034 section 4.3.2, step 3, with its later amendments."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from reference.names import Name, decode, fold, is_within

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

A, NS, CNAME, SOA, MX, TXT, AAAA, DNAME, DS = 1, 2, 5, 6, 15, 16, 28, 39, 43


@dataclass(frozen=True)
class RRset:
    """The records of one owner and type."""

    ttl: int
    rdatas: tuple[bytes, ...]


@dataclass(frozen=True)
class Service:
    """A balanced name. What is None or empty it has nothing to say about.

    An `alias` answers every type, and is not followed: it is this client's alone (RFC 7871 section
    7.2.1). `failed` is for A and AAAA: SERVFAIL instead.
    """

    a: RRset | None = None
    aaaa: RRset | None = None
    alias: RRset | None = None
    failed: bool = False


@dataclass(frozen=True)
class Node:
    """What stands at an owner name."""

    rrsets: Mapping[int, RRset] = field(default_factory=dict)
    service: Service | None = None

    @property
    def empty(self) -> bool:
        """An empty non-terminal: it exists for the names below it (RFC 4592 section 2.2.2)."""
        return not self.rrsets and self.service is None


EMPTY = Node()


@dataclass(frozen=True)
class Found:
    """The name itself, or the wildcard that it is synthesised from."""

    node: Node


@dataclass(frozen=True)
class Delegation:
    """The name is at or below this cut."""

    cut: Name
    servers: RRset


@dataclass(frozen=True)
class Redirection:
    """The name is below the owner of a DNAME."""

    owner: Name
    dname: RRset


class Missing:
    """There is no such name, and nothing that it could be synthesised from."""


class Zone:
    """A zone: what stands at its owner names, which are in lower case."""

    def __init__(self, origin: Name, nodes: Mapping[Name, Node]) -> None:
        self.origin = origin
        self.nodes = nodes
        self._names: set[Name] = set()
        self._sources: set[Name] = set()
        self._exist(nodes)
        self.beside([])

    def __repr__(self) -> str:
        return f"Zone({self.origin!r}, {self.nodes!r})"

    def beside(self, apexes: Iterable[Name]) -> None:
        """Take notice of the zones below that the same server has."""
        apexes = set(apexes)
        # A name above an apex that is served exists, delegated or not: NXDOMAIN would deny what the
        # next query shows (RFC 8020 section 2).
        self._exist(apexes)
        # A wildcard that is a zone cut is no source of synthesis: RFC 4592 section 4.2 leaves it
        # undefined, and what is below the cut is not this zone's to say.
        self._sources = {
            name
            for name in self._names - apexes
            if name[:1] == (b"*",) and NS not in self.nodes.get(name, EMPTY).rrsets
        }

    def _exist(self, owners: Iterable[Name]) -> None:
        """Let `owners`, and with each all names between it and the apex, exist (RFC 8020)."""
        for owner in owners:
            for start in range(len(owner) - len(self.origin) + 1):
                self._names.add(owner[start:])

    def has(self, name: Name) -> bool:
        """Whether the name exists."""
        return fold(name) in self._names

    @property
    def soa(self) -> RRset:
        """The apex' SOA record."""
        return self.nodes[self.origin].rrsets[SOA]

    def search(
        self, name: Name, *, parent_side: bool
    ) -> Found | Delegation | Redirection | Missing:
        """Step 3: "start matching down, label by label, in the zone".

        `parent_side`: the question is for DS, which stands above the cut (RFC 4035 section 3.1.4.1).
        """
        lower = fold(name)
        for length in range(len(self.origin), len(name) + 1):
            at = lower[len(lower) - length :]
            whole = length == len(name)
            if at not in self._names:
                # 3c: "if at some label, a match is impossible". RFC 4592 section 3.3.1: the name that
                # matched last is the closest encloser, and only its own `*` can be the source.
                wildcard = (b"*", *at[1:])
                if wildcard in self._sources:
                    return Found(self.nodes.get(wildcard, EMPTY))
                return Missing()
            rrsets = self.nodes.get(at, EMPTY).rrsets
            # 3b: "if a match would take us out of the authoritative data, we have a referral"
            if NS in rrsets and at != self.origin and not (parent_side and whole):
                return Delegation(at, rrsets[NS])
            # RFC 6672 section 3.2, 3c: names below the owner, not the owner itself. What stands
            # below is occluded: no record may exist there (section 2.4).
            if DNAME in rrsets and not whole:
                return Redirection(at, rrsets[DNAME])
        # 3a: "if the whole of QNAME is matched, we have found the node"
        return Found(self.nodes.get(lower, EMPTY))

    def glue(self, servers: RRset) -> list[tuple[Name, int, RRset]]:
        """Step 3b: "whatever addresses are available" of the name servers, by owner and type.

        RFC 9471: those below the cut must be in a referral; we do the same with all others.
        """
        found = []
        for rdata in servers.rdatas:
            name = fold(decode(rdata, 0)[0])
            if is_within(name, self.origin):
                rrsets = self.nodes.get(name, EMPTY).rrsets
                found += [(name, rtype, rrsets[rtype]) for rtype in (A, AAAA) if rtype in rrsets]
        return found
