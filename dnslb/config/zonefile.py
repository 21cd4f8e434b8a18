"""One zone file to one zone: shape, meaning, rules."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from dnslb.config.checks import Checks
from dnslb.config.content import Content
from dnslb.config.document import read_document
from dnslb.config.files import is_file, read_text
from dnslb.config.hosts import Hosts
from dnslb.config.members import Members
from dnslb.config.model import Zone
from dnslb.config.pools import PoolDraft, Pools
from dnslb.config.rules import check_content, check_services
from dnslb.config.services import read_services, resolved
from dnslb.config.shapes import ZoneShape
from dnslb.config.soa import make_soa, serial_of
from dnslb.config.static import read_nameservers, read_records
from dnslb.config.validate import read_shape
from dnslb.config.values import items
from dnslb.zone.names import from_text, lower, to_text
from dnslb.zone.types import NS, SOA

if TYPE_CHECKING:
    from pathlib import Path

    from dnslb.config.content import Placed
    from dnslb.config.model import Pool, Service
    from dnslb.config.problem import Problem, Report
    from dnslb.config.services import ServiceDraft
    from dnslb.config.spot import Spot
    from dnslb.config.steering import Need
    from dnslb.config.validate import Shaped

__all__ = ["ZoneRead", "origin_of", "read_zone", "read_zone_file"]

TTL: Final = 300
MAY_BE_EMPTY: Final = frozenset({"records", "checks", "pools", "services", "include", "soa"})


@dataclass(slots=True)
class ZoneRead:
    """A zone that was read, as far as it could be."""

    file: Path
    origin: bytes
    zone: Zone
    content: Content
    included: list[Path]  # the master files that are parts of it
    needs: list[Need] = field(default_factory=list)  # of databases of locations


def origin_of(file: Path, report: Report) -> bytes | None:
    """The origin of the zone in `file`, which is the file's name; None when it is no name."""
    text = file.name[: -len(file.suffix)]
    try:
        return lower(from_text(f"{text.rstrip('.')}."))
    except ValueError as error:
        message = f"a zone file is named by its origin, and {text} is no domain name: {error}"
        report.problem(file, message)
        return None


def read_zone(file: Path, origin: bytes, report: Report) -> ZoneRead | None:
    """The zone in YAML or JSON; what is wrong is reported, and the rest read all the same."""
    text = read_text(file, report)
    spot = None if text is None else read_document(file, text, report)
    if spot is None:
        return None
    before = set(report.problems)
    shaped = read_shape(ZoneShape, spot, may_be_empty=MAY_BE_EMPTY)
    return _Zone(shaped, spot, origin, before).read()


class _Zone:
    def __init__(
        self, shaped: Shaped[ZoneShape], spot: Spot, origin: bytes, before: set[Problem]
    ) -> None:
        self._shaped = shaped
        self._shape = shaped.value
        self._spot = spot
        self._origin = origin
        self._name = to_text(origin)
        self._ttl = TTL if shaped.value.ttl is None else shaped.value.ttl
        self._before = before

    def read(self) -> ZoneRead:
        drafts, services, pools, needs = self._services()
        nameservers = self._nameservers()
        content = Content(self._origin, self._spot.report, self._spot.file)
        static = read_records(self._shape, self._spot, self._origin, self._ttl)
        for record in (*nameservers, *static):
            content.add(record)
        for draft in drafts:
            content.add_service(draft.owner, draft.spot.on_key())
        self._includes(content, has_nameservers=bool(nameservers))
        hosts = Hosts(content, self._ttl)
        hosts.name(drafts, services)
        for record in hosts.made:
            content.add(record)
        check_content(content)
        by_owner = {draft.owner: (draft.spot, services.get(draft.name)) for draft in drafts}
        check_services(content, by_owner)
        services = hosts.told(services)
        digest = content.records.digest()
        serial = serial_of(digest, services.values())
        primary = nameservers[0].rdata if nameservers else self._origin
        spot = self._spot.at("soa")
        content.add(make_soa(self._shape.soa, spot, self._origin, primary, self._ttl, serial))
        written = hash((digest, repr(self._shape.soa)))
        zone = Zone(self._name, content.records, services, pools, written)
        return ZoneRead(self._spot.file, self._origin, zone, content, content.files, needs)

    def _services(
        self,
    ) -> tuple[list[ServiceDraft], dict[str, Service], dict[str, Pool], list[Need]]:
        shaped, spot = self._shaped, self._spot
        checks = Checks(shaped, shaped.value.checks, spot.at("checks"))
        members = Members(self._name, self._origin, checks, shaped)
        pools = Pools(self._name, members, checks)
        for name, shape in (shaped.value.pools or {}).items():
            here = spot.at("pools", name)
            pools.add(PoolDraft(name, shape, here, shaped.damaged_at(here)))
        drafts = read_services(shaped, spot.at("services"), self._origin, pools)
        known = spot.at("pools").names if "pools" in spot.names else []
        built = pools.resolve(known)
        services = resolved(drafts, built, known, self._name, self._origin)
        if not spot.report.problems.keys() - self._before:
            checks.tell_unused()
            pools.tell_unused(name for draft in drafts for name in draft.refs)
        return drafts, services, built, pools.needs()

    def _nameservers(self) -> list[Placed]:
        found = read_nameservers(self._shape, self._spot, self._origin, self._ttl)
        if not items(self._shape.nameservers) and not self._shaped.damaged("nameservers"):
            self._spot.problem(
                'needs "nameservers", the names that the parent zone delegates to, as in '
                f"nameservers: [ns1.{self._name}]"
            )
        return found

    def _includes(self, content: Content, *, has_nameservers: bool) -> None:
        refused = [(SOA, None), *([(NS, self._origin)] if has_nameservers else [])]
        for index, text in items(self._shape.include):
            spot = self._spot.at("include").at(index)
            file = self._spot.file.parent / text
            if not is_file(file):
                spot.problem(f"there is no file {text}; the path is relative to this file's folder")
                continue
            for number, here in content.read(file, self._ttl, refused):
                made_from = (
                    'the SOA record is made from the key "soa"'
                    if number == SOA
                    else 'the zone\'s own NS records are made from "nameservers"'
                )
                here.problem(f"{made_from}; remove {'it' if number == SOA else 'them'} here")


def read_zone_file(file: Path, origin: bytes, report: Report) -> ZoneRead:
    """The zone in a plain master file, with its own SOA and NS records."""
    before = len(report.problems)
    content = Content(origin, report, file)
    content.read(file, TTL)
    readable = len(report.problems) == before
    check_content(content)
    records = content.records
    for owner in records.owners(SOA):
        first, *more = content.spots(owner, SOA)
        if owner != origin:
            first.problem(f"an SOA record stands at the origin, {to_text(origin)}")
        for spot in more:
            spot.problem("a zone has one SOA record")
    if readable and not records.places(origin, SOA):
        content.whole.problem("needs an SOA record")
    if readable and not records.places(origin, NS):
        content.whole.problem("needs NS records at its origin")
    zone = Zone(to_text(origin), records, {}, {}, records.digest())
    return ZoneRead(file, origin, zone, content, content.files[1:])
