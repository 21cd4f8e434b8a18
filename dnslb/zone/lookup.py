"""Finding a name in a zone, step by step as RFC 1034 section 4.3.2 tells it.

This is the slow, plain form of what the engine does with its name table: `explain` uses it to say
what a name means, and the tests hold the engine against it.
"""

from __future__ import annotations

import enum
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from dnslb.zone.data import engine_zone
from dnslb.zone.names import ancestors, from_labels, labels

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from dnslb.config.model import Service, Zone
    from dnslb.zone.records import RRset

__all__ = ["Found", "Kind", "Labels", "ZoneIndex"]

NS: Final = 2
CNAME: Final = 5
DNAME: Final = 39
DS: Final = 43
ANY: Final = 255

Labels = tuple[bytes, ...]
"""A name as its labels, in lower case, the root's empty label left out."""


class Kind(enum.Enum):
    """What a zone has to say to a question."""

    RRSET = "static records"
    SERVICE = "service"
    CNAME = "alias"
    DELEGATION = "delegation"
    DNAME = "another name by DNAME"
    ANY = "minimal answer to ANY (RFC 8482)"
    NODATA = "no records of this type"
    NXDOMAIN = "no such name"


@dataclass(frozen=True, slots=True)
class Found:
    """What a zone has to say to a question, and what it says that with.

    `owner` is the name in the zone that matched: a wildcard, or the cut of a delegation.
    """

    kind: Kind
    owner: Labels
    rrset: RRset | None = None
    service: Service | None = None


class ZoneIndex:
    """A zone's content by owner name."""

    def __init__(self, zone: Zone) -> None:
        data = engine_zone(zone)
        self.origin = labels(data.origin)
        rrsets = data.rrsets
        self._content = _Listed(rrsets) if isinstance(rrsets, tuple) else rrsets
        self._services: Mapping[Labels, Service] = {
            labels(owner): zone.services[key.name] for owner, key in data.services
        }
        self._above = {owner[start:] for owner in self._services for start in range(len(owner) + 1)}

    def find(self, name: Labels, rtype: int) -> Found:
        """What the zone says to a question for `name`, which is in or below its origin."""
        depth = len(self.origin)
        for kept in range(depth, len(name) + 1):
            cut = name[len(name) - kept :]
            rrsets = self._rrsets(cut)
            parent_side = cut == name and rtype == DS
            if NS in rrsets and cut != self.origin and not parent_side:
                return Found(Kind.DELEGATION, cut, rrsets[NS])
            if DNAME in rrsets and cut != name:
                return Found(Kind.DNAME, cut, rrsets[DNAME])
        encloser = name
        while not self._exists(encloser) and len(encloser) > depth:
            encloser = encloser[1:]
        if encloser == name:
            return self._at(name, rtype)
        wildcard = (b"*", *encloser)
        if self._exists(wildcard):
            return self._at(wildcard, rtype)
        return Found(Kind.NXDOMAIN, encloser)

    def _exists(self, name: Labels) -> bool:
        return name in self._above or self._content.exists(from_labels(name))

    def _rrsets(self, owner: Labels) -> dict[int, RRset]:
        return {rrset.type: rrset for rrset in self._content.at(from_labels(owner))}

    def _at(self, owner: Labels, rtype: int) -> Found:
        rrsets = self._rrsets(owner)
        service = self._services.get(owner)
        if rtype == ANY and CNAME in rrsets:
            return Found(Kind.RRSET, owner, rrsets[CNAME])
        if rtype == ANY and (rrsets or service):
            return Found(Kind.ANY, owner)
        if rtype in rrsets:
            return Found(Kind.RRSET, owner, rrsets[rtype])
        if CNAME in rrsets:
            return Found(Kind.CNAME, owner, rrsets[CNAME])
        if service:
            return Found(Kind.SERVICE, owner, service=service)
        return Found(Kind.NODATA, owner)


class _Listed:
    """RRsets by owner name, as the engine gives them for a zone that it has read."""

    def __init__(self, rrsets: Iterable[RRset]) -> None:
        self._by_owner: dict[bytes, list[RRset]] = {}
        for rrset in rrsets:
            self._by_owner.setdefault(rrset.owner, []).append(rrset)
        self._names = {name for owner in self._by_owner for name in ancestors(owner)}

    def at(self, owner: bytes) -> list[RRset]:
        """The RRsets at a name."""
        return self._by_owner.get(owner, [])

    def exists(self, name: bytes) -> bool:
        """Whether something stands at or below `name`."""
        return name in self._names
