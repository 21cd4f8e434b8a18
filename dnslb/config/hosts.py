"""Names of backends, for the SRV and MX records that point at them.

    member with a target   ─▶ the target
    member with a host     ─▶ that name; where it has no addresses, it gets the member's
    any other member       ─▶ the member's name below the service's, with its addresses

Names that are made exist whatever the health of their backend: health decides who is pointed at.
"""

from __future__ import annotations

import re
from dataclasses import replace
from typing import TYPE_CHECKING, Final

from dnslb.config.content import Placed
from dnslb.config.model import Host, SvcbRecord
from dnslb.config.suggest import listed
from dnslb.zone.names import ROOT, ancestors, from_text, is_wildcard, is_within, lower, to_text
from dnslb.zone.types import AAAA, CNAME, MX, NS, SRV, A, type_name

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from dnslb.config.content import Content
    from dnslb.config.model import Address, Backend, BackendId, Service
    from dnslb.config.services import ServiceDraft
    from dnslb.config.spot import Spot
    from dnslb.zone.records import RRset

__all__ = ["Hosts"]

_LABEL: Final = re.compile(r"[A-Za-z0-9_]([A-Za-z0-9_-]{0,61}[A-Za-z0-9_])?", re.ASCII)
_ADDRESSES: Final = (A, AAAA)


class Hosts:
    """The host names of a zone's backends; `made` are the address records that they still need."""

    def __init__(self, content: Content, ttl: int) -> None:
        self.made: list[Placed] = []
        self._content = content  # the records written by hand
        self._origin = content.origin
        self._ttl = ttl
        self._owners: set[bytes] = set()
        self._makers: dict[bytes, Backend] = {}
        self._names: dict[str, dict[BackendId, bytes]] = {}  # by service

    def name(self, drafts: Iterable[ServiceDraft], services: Mapping[str, Service]) -> None:
        """Name the backends that SRV and MX records point at; what cannot be is reported."""
        naming = [
            draft
            for draft in drafts
            if draft.name in services and services[draft.name].names_targets
        ]
        if not naming:
            return
        self._owners = {draft.owner for draft in drafts}
        for draft in naming:
            self._service(draft, services[draft.name])

    def told(self, services: Mapping[str, Service]) -> dict[str, Service]:
        """`services`, each with its backends' names and, once all is written, their addresses."""
        wanted = {name for names in self._names.values() for name in names.values()}
        hosts = {name: Host(name, self._addresses(name)) for name in wanted}
        return {
            key: replace(
                service,
                hosts={backend: hosts[name] for backend, name in self._names[key].items()},
            )
            if key in self._names
            else service
            for key, service in services.items()
        }

    def _addresses(self, name: bytes) -> tuple[RRset, ...]:
        types = self._content.types(name)
        return tuple(types[number] for number in _ADDRESSES if number in types)

    def _service(self, draft: ServiceDraft, service: Service) -> None:
        names = self._names[draft.name] = {}
        for declared in service.declared:
            if isinstance(declared, SvcbRecord):
                continue
            kind = type_name(declared.type)
            spot = draft.spot.at(kind).on_key()
            for backend in service.pool_of(declared).backends():
                if backend.target is None and backend.id not in names:
                    names[backend.id] = self._named(backend, draft.owner, kind, spot)
                self._check_alias(backend, kind, spot)
        _check_sorry(draft, service)

    def _named(self, backend: Backend, owner: bytes, kind: str, spot: Spot) -> bytes:
        """The name of a backend that has addresses; the root's when it can have none."""
        if backend.host is not None:
            name = lower(from_text(backend.host))
            self._host(name, backend, kind, spot)
            return name
        label = backend.id.name
        if is_wildcard(owner):
            spot.problem(f'{backend.id} needs a "host": no names can be made below a wildcard')
            return ROOT
        try:
            if not _LABEL.fullmatch(label):
                raise ValueError(f'"{label}" cannot be a label')  # noqa: TRY301
            name = lower(from_text(label, owner))
        except ValueError as error:
            spot.problem(
                f'{backend.id} needs a "host", the name that {kind} records point at: {error}'
            )
            return ROOT
        taken = [type_name(number) for number in self._content.types(name)]
        if taken or name in self._owners:
            what = f"has static {listed(taken)} records" if taken else "is a service"
            spot.problem(
                f"{to_text(name)}, the name of {backend.id}, {what} already; give the member a "
                '"host"'
            )
        else:
            self._make(name, backend, spot)
        return name

    def _host(self, name: bytes, backend: Backend, kind: str, spot: Spot) -> None:
        """Look at a name that a member has as its `host`."""
        types = self._content.types(name)
        if name in self._owners:
            spot.problem(
                f"{to_text(name)}, the host of {backend.id}, is a service; its host is a name that "
                "has its addresses alone"
            )
        elif CNAME in types:
            spot.problem(
                f"{to_text(name)}, the host of {backend.id}, is a CNAME, and {kind} must not point "
                "at one"
            )
        elif any(number in types for number in _ADDRESSES):
            written = {rdata for rrset in self._addresses(name) for rdata in rrset.rdatas}
            if written != {address.packed for address in backend.addresses}:
                spot.warning(
                    f"{to_text(name)} is the host of {backend.id}, and has other addresses"
                )
        elif is_within(name, self._origin) and not self._is_below_cut(name):
            self._make(name, backend, spot)

    def _is_below_cut(self, name: bytes) -> bool:
        """Whether another zone holds `name`, delegated from this one."""
        return any(
            NS in self._content.types(above)
            for above in ancestors(name)
            if above != self._origin and is_within(above, self._origin)
        )

    def _make(self, name: bytes, backend: Backend, spot: Spot) -> None:
        is_new = name not in self._makers
        maker = self._makers.setdefault(name, backend)
        if maker is backend or maker.addresses == backend.addresses:
            if is_new:
                self.made += [
                    Placed(name, _type(address), self._ttl, address.packed, spot)
                    for address in backend.addresses
                ]
            return
        spot.problem(
            f'{to_text(name)} is the name of both {maker.id} and {backend.id}; give one a "host"'
        )

    def _check_alias(self, backend: Backend, kind: str, spot: Spot) -> None:
        if backend.target is None:
            return
        target = lower(from_text(backend.target))
        if CNAME in self._content.types(target):
            spot.warning(
                f"{backend.target}, the target of {backend.id}, is a CNAME, and {kind} must not "
                "point at one"
            )


def _check_sorry(draft: ServiceDraft, service: Service) -> None:
    """Look at a sorry page with a target, which only SRV and MX answers name."""
    sorry = service.when_down.backend
    if sorry is None or sorry.target is None or draft.owner[1:2] == b"_":
        return  # nobody asks for the addresses of _sip._tcp
    if any(backend.addresses for backend in service.pool.backends()):
        kinds = [type_name(one.type) for one in service.declared if one.type in {SRV, MX}]
        draft.spot.at("when_down", "target").warning(
            f"is no CNAME beside {listed(kinds)}, so whoever asks for addresses gets nothing of "
            "it; use an address"
        )


def _type(address: Address) -> int:
    return A if address.version == 4 else AAAA
