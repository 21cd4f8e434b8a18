"""How NSD's answers differ from ours, each kind with its reason.

`EXPLAINED` is the whole list: each entry takes NSD's response to what ours is, if and only if the
difference is of its kind. What no entry explains is a fault of one side, and fails the test.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from reference.message import AA, CD, NAMES_IN_RDATA, TC, Record, Response
from reference.names import decode, encode, fold, is_within
from reference.server import ANY, HINFO, Server
from reference.zone import CNAME, DS, NS, Delegation

if TYPE_CHECKING:
    from collections.abc import Callable


@dataclass(frozen=True)
class Case:
    """A question, and what both say to it."""

    packet: bytes
    name: tuple[bytes, ...]
    type: int
    ours: Response
    theirs: Response
    server: Server  # the reference, for what the zones hold


@dataclass(frozen=True)
class Difference:
    """A kind of difference: `agree` gives NSD's response without it, None where it is not there."""

    name: str
    right: str  # who is: "we", "NSD", "both"
    reason: str
    agree: Callable[[Case], Response | None]


NAPTR = 35


def folded(response: Response) -> Response:
    """NSD keeps names in lower case, or points at the question's: letter case in rdata means nothing
    (RFC 4343 section 3)."""

    def fold_record(record: Record) -> Record:
        record = replace(record, owner=fold(record.owner))
        if record.type == NAPTR:  # nothing in it has letter case (RFC 3403 section 4.1)
            return replace(record, rdata=record.rdata.lower())
        if record.type not in NAMES_IN_RDATA:
            return record
        before, count = NAMES_IN_RDATA[record.type]
        at = before
        rdata = record.rdata[:before]
        for _ in range(count):
            name, at = decode(record.rdata, at)
            rdata += encode(fold(name))
        return replace(record, rdata=rdata + record.rdata[at:])

    def fold_all(records: tuple[Record, ...]) -> tuple[Record, ...]:
        return tuple(map(fold_record, records))

    return replace(
        response,
        answer=fold_all(response.answer),
        authority=fold_all(response.authority),
        additional=fold_all(response.additional),
    )


def _cd(case: Case) -> Response | None:
    if case.ours.flags & CD and not case.theirs.flags & CD:
        return replace(case.theirs, flags=case.theirs.flags | CD)
    return None


def _cut_short(case: Case) -> Response | None:
    if case.ours.flags & case.theirs.flags & TC:
        return replace(case.theirs, answer=(), authority=(), additional=())
    return None


def _any(case: Case) -> Response | None:
    minimal = case.type == ANY and case.ours.answer and case.ours.answer[-1].type == HINFO
    if minimal and (case.theirs.answer or case.theirs.flags & TC):
        return case.ours
    return None


def _company(case: Case) -> Response | None:
    """Records beyond those asked for, in a positive answer."""
    theirs, ours = case.theirs, case.ours
    if not (ours.answer and not ours.authority and theirs.flags & AA):
        return None
    if all(one.type == NS for one in theirs.authority) and (theirs.authority or theirs.additional):
        return replace(theirs, authority=(), additional=())
    return None


def _target(case: Case) -> tuple[bytes, ...] | None:
    """Where the chain of aliases in our answer leads, if it ends with one."""
    last = case.ours.answer[-1] if case.ours.answer else None
    return decode(last.rdata, 0)[0] if last and last.type == CNAME and case.type != CNAME else None


def _beyond(case: Case) -> Response | None:
    target = _target(case)
    if target is None or case.theirs.answer[: len(case.ours.answer)] != case.ours.answer:
        return None
    if case.server.zone(target, 0) is not case.server.zone(case.name, 0):
        return replace(case.ours, flags=case.theirs.flags)
    return None


def _cut_in_chain(case: Case) -> Response | None:
    target = _target(case)
    zone = case.server.zone(case.name, 0)
    if target is None or case.theirs.answer != case.ours.answer or zone is None:
        return None
    if isinstance(zone.search(target, parent_side=False), Delegation):
        flags = case.theirs.flags & ~TC | case.ours.flags & TC  # the referral may not have fitted
        return replace(case.theirs, flags=flags, authority=(), additional=())
    return None


def _uncle(case: Case) -> Response | None:
    """A name that exists only in a zone above its own: as glue there."""
    zone = case.server.zone(case.name, 0)
    if zone is None:
        return None
    lower = fold(case.name)
    between = [lower[start:] for start in range(len(lower) - len(zone.origin))]
    above = [
        one for one in case.server.zones if one is not zone and is_within(zone.origin, one.origin)
    ]
    names = {owner[start:] for one in above for owner in one.nodes for start in range(len(owner))}
    if any(name in names and not zone.has(name) for name in between):
        return case.ours
    return None


def _ds_in_chain(case: Case) -> Response | None:
    target = _target(case)
    if (
        case.type == DS
        and target is not None
        and case.theirs.answer[: len(case.ours.answer)] == case.ours.answer
    ):
        return case.ours
    return None


def _glue_missing(case: Case) -> Response | None:
    """We truncated a referral; NSD did not, and does not have all glue that there is below the cut."""
    ours, theirs = case.ours, case.theirs
    zone = case.server.zone(case.name, case.type)
    found = zone and zone.search(case.name, parent_side=case.type == DS)
    if not (ours.flags & TC and not theirs.flags & TC and isinstance(found, Delegation)):
        return None
    glue = {
        Record(owner, rtype, rrset.ttl, rdata)
        for owner, rtype, rrset in zone.glue(found.servers)
        for rdata in rrset.rdatas
        if is_within(owner, found.cut)
    }
    return None if glue <= set(theirs.additional) else ours


def _ds_between(case: Case) -> Response | None:
    """DS of an apex, where the zone above that NSD has delegates a name between."""
    zone = case.server.zone(case.name, DS)
    apex = zone is not None and fold(case.name) == zone.origin
    if case.type == DS and apex and case.ours.flags & AA and not case.theirs.flags & AA:
        return case.ours
    return None


def _too_much(case: Case) -> Response | None:
    """NSD truncated what we have not even begun to add."""
    target = _target(case)
    beyond = target and case.server.zone(target, 0) is not case.server.zone(case.name, 0)
    if beyond and case.theirs.flags & TC and not case.ours.flags & TC:
        return replace(case.theirs, flags=case.theirs.flags & ~TC)
    return None


EXPLAINED = [
    Difference("CD", "we", "CD is copied into the response (RFC 4035 3.1.6)", _cd),
    Difference(
        "cut short",
        "both",
        "both truncated; nothing in such a response counts (RFC 2181 9)",
        _cut_short,
    ),
    Difference(
        "beyond",
        "both",
        "a chain that leaves the zone is the resolver's to follow, which trusts no other zone's data here",
        _beyond,
    ),
    Difference("too much", "both", "as before, and the other zone's records do not fit", _too_much),
    Difference(
        "cut in chain",
        "both",
        "a chain that ends at a cut may come with a referral (RFC 1034 4.3.2, 3b)",
        _cut_in_chain,
    ),
    Difference(
        "DS in chain",
        "both",
        "DS of an alias' target: the resolver asks anew (RFC 4035 3.1.4.1 is about QNAME)",
        _ds_in_chain,
    ),
    Difference(
        "company",
        "both",
        "other records beside an answer are optional (RFC 1034 4.3.2, 6)",
        _company,
    ),
    Difference("ANY", "both", "one RRset, or HINFO (RFC 8482 4.1, 4.2)", _any),
    Difference(
        "glue missing",
        "we",
        "all glue below the cut or TC (RFC 9471 2.1); NSD leaves some out",
        _glue_missing,
    ),
    Difference(
        "DS between",
        "we",
        "a zone that is no parent has no DS to speak of; the child says there is none (RFC 3658 2.2.1.2)",
        _ds_between,
    ),
    Difference(
        "uncle",
        "we",
        "glue of a zone above makes no name exist in this one (RFC 4592 2.2.2, RFC 1034 4.2.1)",
        _uncle,
    ),
]
