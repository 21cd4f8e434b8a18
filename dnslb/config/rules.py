"""What the records and services of a zone may and may not be to each other.

The engine finds which records break a rule (`engine/src/zones/rules.rs`), a million of them in the
time of a breath; here are the words for it, and the rules on services, which are few.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from dnslb.config.model import Family, SvcbRecord
from dnslb.config.suggest import listed
from dnslb.zone.names import parent, to_text
from dnslb.zone.rdata import rdata_text
from dnslb.zone.types import AAAA, CNAME, DNAME, NS, SOA, A, type_name

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from dnslb.config.content import Content
    from dnslb.config.model import Service
    from dnslb.config.spot import Spot
    from dnslb.zone.records import Finding

__all__ = ["check_content", "check_services"]


def check_content(content: Content) -> None:
    """Check the static records of a zone."""
    found = content.check()
    for finding in found.errors:
        content.spot(finding.place).problem(_WORDS[finding.kind](content, finding))
    for finding in found.warnings:
        content.spot(finding.place).warning(_WORDS[finding.kind](content, finding))
    errors, warnings = found.more
    if errors:
        told = "there are {} more problems with its records than are told here"
        content.whole.problem(told.format(errors))
    if warnings:
        told = "there are {} more warnings of its records than are told here"
        content.whole.warning(told.format(warnings))


def _outside(content: Content, finding: Finding) -> str:
    return f"{to_text(finding.owner)} lies outside of the zone {to_text(content.origin)}"


def _name(content: Content, finding: Finding) -> str:
    return f"{content.text(finding.owner)} {type_name(finding.type)}"


def _ttl(content: Content, finding: Finding) -> str:
    elsewhere, here = finding.numbers
    return (
        f"{_name(content, finding)} has TTL {elsewhere} elsewhere and {here} here; "
        "records of one name and type share one TTL (RFC 2181 section 5.2)"
    )


def _twice(content: Content, finding: Finding) -> str:
    return f"{_name(content, finding)} {rdata_text(finding.type, finding.rdata)} stands twice"


def _too_large(content: Content, finding: Finding) -> str:
    size, most = finding.numbers
    return f"{_name(content, finding)} takes {size} octets, {most} is the most"


def _cname_apex(_content: Content, _finding: Finding) -> str:
    return "the zone's own name has SOA and NS records, so it can have no CNAME"


def _cname_beside(content: Content, finding: Finding) -> str:
    others = listed(type_name(number) for number in finding.types)
    return f"a CNAME stands alone, but {content.text(finding.owner)} has {others} too"


def _several(content: Content, finding: Finding) -> str:
    count, _ = finding.numbers
    return f"{content.text(finding.owner)} has {count} {type_name(finding.type)}s, one is the most"


def _below_cut(content: Content, finding: Finding) -> str:
    return (
        f"{content.text(finding.owner)} is below the delegation of {content.text(finding.names[0])}"
        "; only glue (A, AAAA) can stand there"
    )


def _at_cut(content: Content, finding: Finding) -> str:
    return (
        f"{content.text(finding.owner)} is delegated, so {type_name(finding.type)} belongs to "
        "the zone it is delegated to"
    )


def _wildcard_cut(_content: Content, _finding: Finding) -> str:
    return "a wildcard cannot be delegated (RFC 4592 section 4.2)"


def _below_dname(content: Content, finding: Finding) -> str:
    return (
        f"{content.text(finding.owner)} is below the DNAME of {content.text(finding.names[0])}, "
        "which makes another name of it, so nothing can stand there (RFC 6672 section 2.4)"
    )


def _wildcard_dname(_content: Content, _finding: Finding) -> str:
    return "a DNAME at a wildcard means something else to every resolver (RFC 6672 section 3.3)"


def _server_alias(_content: Content, finding: Finding) -> str:
    return (
        f"{to_text(finding.names[0])} is a CNAME; "
        "a name server has addresses (RFC 2181 section 10.3)"
    )


def _server_address(content: Content, finding: Finding) -> str:
    written = content.text(finding.names[0])
    hint = f'add it to records: "{written}": {{A: ...}}'
    if finding.place[0]:
        hint = f"add it, as in: {written} A 192.0.2.53"
    elif written.count(".") == 3 and written.replace(".", "").isdigit():
        hint = "a name server is a name, which records give an address"
    return f"{to_text(finding.names[0])} has no address; {hint}"


def _target_alias(_content: Content, finding: Finding) -> str:
    kind = type_name(finding.type)
    return f"{to_text(finding.names[0])} is a CNAME, and {kind} must not point at one"


def _glue(_content: Content, finding: Finding) -> str:
    return (
        f"{to_text(finding.names[0])} is below the delegation itself "
        "and needs an A or AAAA record here"
    )


def _target_missing(_content: Content, finding: Finding) -> str:
    name = to_text(finding.names[0])
    return f"{name} does not exist in this zone; a name elsewhere ends in a dot"


def _loop(content: Content, finding: Finding) -> str:
    names = [content.text(name) for name in finding.names]
    shown = [*names[:MAX_SHOWN], "..."] if len(names) > MAX_SHOWN else [*names, names[0]]
    return f"CNAMEs lead in a circle and never to an answer: {' -> '.join(shown)}"


def _chain(content: Content, finding: Finding) -> str:
    most, _ = finding.numbers
    return (
        f"{content.text(finding.owner)} begins a chain of more than {most} CNAMEs; an answer "
        f"follows {most}, and resolvers have to ask for the rest"
    )


MAX_SHOWN: Final = 12
"""Names of a loop that a message tells."""

_WORDS: Final[Mapping[str, Callable[[Content, Finding], str]]] = {
    "outside": _outside,
    "ttl": _ttl,
    "twice": _twice,
    "too-large": _too_large,
    "cname-apex": _cname_apex,
    "cname-beside": _cname_beside,
    "several": _several,
    "below-cut": _below_cut,
    "at-cut": _at_cut,
    "wildcard-cut": _wildcard_cut,
    "below-dname": _below_dname,
    "wildcard-dname": _wildcard_dname,
    "server-alias": _server_alias,
    "server-address": _server_address,
    "target-alias": _target_alias,
    "glue": _glue,
    "target-missing": _target_missing,
    "loop": _loop,
    "chain": _chain,
}


def check_services(content: Content, services: Mapping[bytes, tuple[Spot, Service | None]]) -> None:
    """Check services, by owner name, against the static records; None: its pool is unknown."""
    ends = _Ends(content)
    for owner, (spot, service) in services.items():
        here = spot.on_key()
        ended = ends.at(owner)
        if ended is not None:
            above, number = ended
            if number == NS:
                here.problem(f"stands at or below the delegation of {content.text(above)}")
            else:
                here.problem(
                    f"stands below the DNAME of {content.text(above)}, which makes another name "
                    "of it"
                )
            continue
        aliased = service is not None and service.may_alias
        taken = _taken(service)
        if service is not None:
            _check_declared(content, spot, service, ends)
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


class _Ends:
    """Where a zone ends: at its delegations, and below its DNAMEs."""

    def __init__(self, content: Content) -> None:
        self._content = content
        self._above: dict[bytes, tuple[bytes, int] | None] = {}

    def at(self, owner: bytes) -> tuple[bytes, int] | None:
        """The delegation at or above `owner`, or the DNAME above it, which ends the zone there.

        That is the highest one, told with its type; None without one.
        """
        if owner == self._content.origin:
            return None
        if above := self._over(parent(owner)):
            return above
        return (owner, NS) if NS in self._content.types(owner) else None

    def _over(self, name: bytes) -> tuple[bytes, int] | None:
        """The highest one at or above `name`, below which the zone ends."""
        if name not in self._above:
            apex = name == self._content.origin
            found = None if apex else self._over(parent(name))
            if found is None:
                types = self._content.types(name)
                kinds = (DNAME,) if apex else (NS, DNAME)
                found = next(((name, kind) for kind in kinds if kind in types), None)
            self._above[name] = found
        return self._above[name]


def _check_declared(content: Content, spot: Spot, service: Service, ends: _Ends) -> None:
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
        if not content.exists(one.target) and ends.at(one.target) is None:
            spot.at(type_name(one.type), "target").warning(
                f"{to_text(one.target)} does not exist in this zone; a name elsewhere ends in a dot"
            )
