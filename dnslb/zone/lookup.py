"""Finding a name in a zone, step by step as RFC 1034 section 4.3.2 tells it.

This is the slow, plain form of what the engine does with its name table: `explain` uses it to say
what a name means, and the tests hold the engine against it.
"""

from __future__ import annotations

import enum
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from dnslb.zone.data import engine_zone
from dnslb.zone.names import labels

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from dnslb.config.model import Service, Zone
    from dnslb.zone.records import RRset

__all__ = ["Found", "Kind", "Labels", "ZoneIndex"]

NS: Final = 2
CNAME: Final = 5
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
        self._rrsets: dict[Labels, dict[int, RRset]] = {}
        for rrset in data.rrsets:
            self._rrsets.setdefault(labels(rrset.owner), {})[rrset.type] = rrset
        self._services: Mapping[Labels, Service] = {
            labels(owner): zone.services[key.name] for owner, key in data.services
        }
        owners: Iterable[Labels] = [*self._rrsets, *self._services]
        self._names = {owner[start:] for owner in owners for start in range(len(owner) + 1)}

    def find(self, name: Labels, rtype: int) -> Found:
        """What the zone says to a question for `name`, which is in or below its origin."""
        depth = len(self.origin)
        for kept in range(depth + 1, len(name) + 1):
            cut = name[len(name) - kept :]
            parent_side = cut == name and rtype == DS
            if NS in self._rrsets.get(cut, {}) and not parent_side:
                return Found(Kind.DELEGATION, cut, self._rrsets[cut][NS])
        encloser = name
        while encloser not in self._names and len(encloser) > depth:
            encloser = encloser[1:]
        if encloser == name:
            return self._at(name, rtype)
        wildcard = (b"*", *encloser)
        if wildcard in self._names:
            return self._at(wildcard, rtype)
        return Found(Kind.NXDOMAIN, encloser)

    def _at(self, owner: Labels, rtype: int) -> Found:
        rrsets = self._rrsets.get(owner, {})
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
