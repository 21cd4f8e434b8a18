"""What the records and services of a zone may and may not be to each other.

Each rule is a function that reports what breaks it; all of them run, so all is told at once.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from dnslb.config.model import Family, SvcbRecord
from dnslb.config.suggest import listed
from dnslb.zone.names import ancestors, is_wildcard, looks_absolute, to_text
from dnslb.zone.rdata import target_of
from dnslb.zone.types import AAAA, CNAME, DS, MX, NS, NSEC, RRSIG, SOA, SRV, A, type_name

if TYPE_CHECKING:
    from collections.abc import Mapping

    from dnslb.config.content import Content, Placed
    from dnslb.config.model import Service
    from dnslb.config.spot import Spot

__all__ = ["check_content", "check_services"]

GLUE: Final = {A, AAAA}
BESIDE_CNAME: Final = {CNAME, RRSIG, NSEC}  # RFC 4034 section 2.5
AT_CUT: Final = {NS, DS, RRSIG, NSEC} | GLUE


def check_content(content: Content, nameservers: list[Placed]) -> None:
    """Check the static records of a zone; `nameservers` are its own NS records."""
    for owner, types in content.owners():
        _check_cname(content, owner, types)
        _check_cut(content, owner, types)
    for record in nameservers:
        _check_nameserver(content, record)
    for _, types in content.owners():
        for records in types.values():
            for record in records:
                _check_target(content, record)


def _check_cname(content: Content, owner: bytes, types: Mapping[int, list[Placed]]) -> None:
    aliases = types.get(CNAME, [])
    if not aliases:
        return
    spot, name = aliases[0].spot, content.text(owner)
    others = [type_name(number) for number in types if number not in BESIDE_CNAME]
    if owner == content.origin:
        spot.problem("the zone's own name has SOA and NS records, so it can have no CNAME")
    elif others:
        spot.problem(f"a CNAME stands alone, but {name} has {listed(others)} too")
    if len({record.rdata for record in aliases}) > 1:
        spot.problem(f"{name} has {len(aliases)} CNAMEs, one is the most")


def _cut_above(content: Content, name: bytes) -> bytes | None:
    """The delegation above `name`, itself not counted; None without one."""
    found = None
    for above in ancestors(name):
        if above == content.origin:
            break
        if above != name and content.at(above, NS):
            found = above  # the highest one is where the zone ends
    return found


def _check_cut(content: Content, owner: bytes, types: Mapping[int, list[Placed]]) -> None:
    cut = _cut_above(content, owner)
    delegated = owner != content.origin and NS in types
    for number, records in types.items():
        if cut is not None and number not in GLUE:
            records[0].spot.problem(
                f"{content.text(owner)} is below the delegation of {content.text(cut)}; "
                "only glue (A, AAAA) can stand there"
            )
        elif delegated and number not in AT_CUT:
            records[0].spot.problem(
                f"{content.text(owner)} is delegated, so {type_name(number)} belongs to "
                "the zone it is delegated to"
            )
    if delegated and is_wildcard(owner):
        types[NS][0].spot.problem("a wildcard cannot be delegated (RFC 4592 section 4.2)")


def _check_nameserver(content: Content, record: Placed) -> None:
    name = record.rdata.lower()
    if not content.inside(name):
        return
    if content.at(name, CNAME):
        record.spot.problem(
            f"{to_text(name)} is a CNAME; a name server has addresses (RFC 2181 section 10.3)"
        )
    elif not content.at(name, A) and not content.at(name, AAAA):
        written = content.text(name)
        hint = f'add it to records: "{written}": {{A: ...}}'
        if written.count(".") == 3 and written.replace(".", "").isdigit():
            hint = "a name server is a name, which records give an address"
        record.spot.problem(f"{to_text(name)} has no address; {hint}")


def _check_target(content: Content, record: Placed) -> None:
    """Warn of names in the zone that lead nowhere; most of them lack their final dot."""
    target = target_of(record.type, record.rdata)
    if target is None or target == b"\0" or (record.owner, record.type) == (content.origin, NS):
        return
    name = target.lower()
    if not content.inside(name):
        return
    kind = type_name(record.type)
    if record.type in {MX, SRV, NS} and content.at(name, CNAME):
        record.spot.warning(f"{to_text(name)} is a CNAME, and {kind} must not point at one")
    elif record.type == NS:
        if _is_glue(record, name) and not any(content.at(name, number) for number in GLUE):
            record.spot.warning(
                f"{to_text(name)} is below the delegation itself and needs an A or AAAA record here"
            )
    elif looks_absolute(content.text(name), content.origin):
        pass  # told where it was read
    elif not content.exists(name) and _cut_above(content, name) is None:
        record.spot.warning(
            f"{to_text(name)} does not exist in this zone; a name elsewhere ends in a dot"
        )


def _is_glue(record: Placed, name: bytes) -> bool:
    return any(above == record.owner for above in ancestors(name))


def check_services(content: Content, services: Mapping[bytes, tuple[Spot, Service | None]]) -> None:
    """Check services, by owner name, against the static records; None: its pool is unknown."""
    for owner, (spot, service) in services.items():
        here = spot.on_key()
        cut = owner if owner != content.origin and content.at(owner, NS) else None
        cut = cut or _cut_above(content, owner)
        if cut is not None:
            here.problem(f"stands at or below the delegation of {content.text(cut)}")
            continue
        aliased = service is not None and service.may_alias
        taken = _taken(service)
        if service is not None:
            _check_declared(content, spot, service)
        if aliased and owner == content.origin:
            here.problem(
                "the zone's own name has SOA and NS records, so it cannot answer with a target "
                "(CNAME); use addresses"
            )
        types = content.types(owner)
        clash = [
            type_name(number)
            for number in types
            if number in taken or (aliased and number not in {NS, SOA})
        ]
        if clash:
            why = ", since it can answer with a target (CNAME)" if aliased else ""
            here.problem(f"there are static {listed(clash)} records at this name{why}")


def _taken(service: Service | None) -> set[int]:
    """The types that static records beside `service` cannot have."""
    if service is None:
        return {CNAME, A, AAAA}
    declared = {one.type for one in service.declared}
    if not service.names_targets:
        return {CNAME, A, AAAA} | declared
    # where all that is pointed at are targets, addresses of the name itself may be static
    backends = [*service.pool.backends(), *filter(None, [service.when_down.backend])]
    return (
        {CNAME}
        | declared
        | {family.value for family in Family for backend in backends if backend.of(family)}
    )


def _check_declared(content: Content, spot: Spot, service: Service) -> None:
    pointing = [one for one in service.declared if not isinstance(one, SvcbRecord)]
    kinds = listed([type_name(one.type) for one in pointing]) if pointing else ""
    if pointing and all(service.pool_of(one) is not service.pool for one in pointing):
        for backend in service.pool.backends():
            if backend.target is not None:
                spot.on_key().problem(
                    f"{backend.id} answers with a target (CNAME), which cannot stand beside the "
                    f"{kinds} records of this name; use addresses"
                )
    described = [one for one in service.declared if isinstance(one, SvcbRecord)]
    for one in described:
        if not any(backend.addresses for backend in service.pool.backends()):
            kind = type_name(one.type)
            spot.at(kind).on_key().warning(
                f"no member has addresses, so {kind} is never answered; it belongs to the targets"
            )
        if not content.inside(one.target):
            continue
        if not content.exists(one.target) and _cut_above(content, one.target) is None:
            spot.at(type_name(one.type), "target").warning(
                f"{to_text(one.target)} does not exist in this zone; a name elsewhere ends in a dot"
            )
