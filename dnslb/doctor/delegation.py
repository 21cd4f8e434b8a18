"""What the parent zone says of the domain, and whether the domain says the same."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from dnslb.config.suggest import counted, listed
from dnslb.doctor.asking import Endpoint, Record, Reply, ask, key
from dnslb.doctor.finding import error, note, ok, warning

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from dnslb.doctor.finding import Finding
    from dnslb.doctor.walk import Finder

__all__ = ["Delegation", "gather", "judge"]

SUBJECT: Final = "delegation"

MAX_PARENTS: Final = 8
"""Servers of the parent that are asked: enough to see that they differ."""


@dataclass(frozen=True, slots=True)
class Delegation:
    """What the servers of the parent say; empty where they could not be found."""

    parent: str = ""
    replies: tuple[tuple[Endpoint, Reply], ...] = ()
    failure: str = ""  # why the parent's servers are not known

    @property
    def told(self) -> tuple[tuple[Endpoint, frozenset[str]], ...]:
        """The name servers that each of the parent's servers names, of those that answer."""
        return tuple((one, _names(reply)) for one, reply in self.replies if not reply.failure)

    @property
    def names(self) -> frozenset[str]:
        """All name servers that any of them names."""
        return frozenset(name for _, names in self.told for name in names)

    def glue(self, name: str) -> frozenset[str]:
        """The addresses that come with a referral for a name server."""
        return frozenset(
            record.data
            for _, reply in self.replies
            for record in reply.additional
            if record.owner == name and record.type in {"A", "AAAA"}
        )


def gather(zone: str, finder: Finder, parents: tuple[Endpoint, ...] = ()) -> Delegation:
    """Ask the parent's servers: `parents`, or those that are found."""
    above = ""
    if not parents:
        try:
            above, parents = finder.parent(zone)
        except LookupError as failure:
            return Delegation(failure=str(failure))
    replies = []
    for parent in parents[:MAX_PARENTS]:
        reply = ask(parent, zone, "NS")
        if reply.truncated:
            reply = ask(parent, zone, "NS", tcp=True)
        replies.append((parent, reply))
    return Delegation(above, tuple(replies))


def judge(
    zone: str,
    delegation: Delegation,
    child: frozenset[str],
    addresses: Mapping[str, frozenset[str]],
) -> Iterator[Finding]:
    """`child` are the name servers in the zone itself, `addresses` what their names have."""
    zone = key(zone)
    if delegation.failure:
        yield note(
            SUBJECT,
            "parent zone",
            f"not found: {delegation.failure}",
            "name a resolver with --resolver, or a server of the parent zone with --parent",
        )
        return
    where = f"parent zone {delegation.parent}" if delegation.parent else "parent zone"
    yield from _parents(zone, where, delegation)
    if not delegation.names:
        return
    if len(delegation.names) == 1:
        yield warning(
            SUBJECT,
            "name servers",
            f"there is one, {_list(delegation.names)}: with it the whole domain is gone",
            "run a second one elsewhere and name it at the parent and in the zone (RFC 2182)",
        )
    if child:
        yield from _same(where, delegation.names, child)
    if all(reply.authoritative for _, reply in delegation.replies if not reply.failure):
        text = "its servers serve the domain too, so they refer nobody"
        yield note(SUBJECT, "glue", f"not to be seen: {text}")
    else:
        yield from _glue(zone, delegation, addresses)


def _names(reply: Reply) -> frozenset[str]:
    records: tuple[Record, ...] = (*reply.authority, *reply.answer)
    return frozenset(record.data for record in records if record.type == "NS")


def _list(names: frozenset[str]) -> str:
    return listed(sorted(names))


def _parents(zone: str, where: str, delegation: Delegation) -> Iterator[Finding]:
    told = delegation.told
    for server, reply in delegation.replies:
        if reply.failure:
            yield note(SUBJECT, f"{where}, server {server}", reply.failure)
    if not told:
        yield error(
            SUBJECT,
            where,
            "none of its servers answers, so resolvers cannot find the domain",
            "look whether this machine may send DNS queries, or name a server with --parent",
        )
        return
    if not delegation.names:
        rcodes = ", ".join(sorted({reply.what for _, reply in delegation.replies}))
        yield error(
            SUBJECT,
            where,
            f"it delegates {zone} to nobody ({rcodes}), so resolvers cannot find the domain",
            f"have NS records for {zone} put into the parent zone: at your registrar, or in the "
            "zone file of whoever runs the parent",
        )
        return
    odd = [(server, names) for server, names in told if names != delegation.names]
    if odd:
        server, names = odd[0]
        yield warning(
            SUBJECT,
            where,
            f"its servers differ: {server} names {_list(names) if names else 'nobody'}, all "
            f"together name {_list(delegation.names)}",
            "wait until a change has reached all of them; if none was made, tell who runs them",
        )
    else:
        yield ok(SUBJECT, where, f"delegates to {_list(delegation.names)}")


def _same(where: str, parent: frozenset[str], child: frozenset[str]) -> Iterator[Finding]:
    looked = f"NS records of {where} and of the zone"
    if parent == child:
        yield ok(SUBJECT, looked, "the same")
        return
    if only := parent - child:
        yield warning(
            SUBJECT,
            looked,
            f"only the parent names {_list(only)}",
            "add it to `nameservers` of the zone, or have it taken out at the parent: which of "
            "the two sets a resolver goes by is its choice",
        )
    if only := child - parent:
        yield warning(
            SUBJECT,
            looked,
            f"only the zone names {_list(only)}",
            "have it added at the parent (at your registrar), or take it out of `nameservers`",
        )


def _glue(
    zone: str, delegation: Delegation, addresses: Mapping[str, frozenset[str]]
) -> Iterator[Finding]:
    wrong = False
    for name in sorted(delegation.names):
        glue, real = delegation.glue(name), addresses.get(name, frozenset())
        looked = f"glue of {name}"
        if f".{name}".endswith(f".{zone}") and not glue:
            wrong = True
            yield error(
                SUBJECT,
                looked,
                "missing: its name lies in the domain, so nobody can find its address",
                f"have its address{f' ({_list(real)})' if real else ''} put in at the parent, as "
                "a `host` or glue record at your registrar",
            )
        elif glue and not real and f".{name}".endswith(f".{zone}"):
            wrong = True
            yield error(
                SUBJECT,
                looked,
                f"the parent says {_list(glue)}, the zone has no address for it",
                f"add an A or AAAA record for {name} to the zone",
            )
        elif glue and real and glue - real:
            wrong = True
            yield error(
                SUBJECT,
                looked,
                f"the parent says {_list(glue)}, the zone {_list(real)}",
                "have the glue at the parent corrected (at your registrar), or the zone's record",
            )
        elif glue and real - glue:
            wrong = True
            yield note(
                SUBJECT,
                looked,
                f"the parent leaves out {_list(real - glue)}",
                "have it added at the parent, so that resolvers can use it from the start",
            )
    if not wrong:
        count = counted(len(delegation.names), "name server")
        yield ok(SUBJECT, f"glue of {count}", "there where it is needed, and right")
