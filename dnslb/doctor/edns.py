"""EDNS, client subnets, cookies and large answers, of every name server."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from dnslb.config.suggest import listed
from dnslb.doctor.asking import COOKIE, ECS
from dnslb.doctor.finding import error, note, ok, warning

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from dnslb.doctor.finding import Finding
    from dnslb.doctor.servers import Seen

__all__ = ["judge"]

SUBJECT: Final = "EDNS"

LARGEST: Final = 1232
"""Octets of an answer by UDP that was offered so many."""


def judge(seen: Sequence[Seen], *, by_network: bool | None, ecs_off: bool) -> Iterator[Finding]:
    """`by_network`: whether answers depend on the client's network, None where it is not known."""
    serving = [one for one in seen if one.serves]
    if not serving:
        return
    yield from _edns(serving)
    yield from _ecs(serving, by_network=by_network, off=ecs_off)
    yield from _cookies(serving)
    yield from _large(serving)


def _names(seen: Iterable[Seen]) -> str:
    return listed([str(one) for one in seen])


def _edns(serving: Sequence[Seen]) -> Iterator[Finding]:
    without = [one for one in serving if not one.udp.edns]
    if without:
        yield error(
            SUBJECT,
            "EDNS (RFC 6891)",
            f"{_names(without)} does not answer with EDNS",
            "replace that server's software, or the middlebox that strips EDNS before it",
        )
    unasked = [one for one in serving if one.plain.edns or one.plain.failure]
    if unasked:
        yield warning(
            SUBJECT,
            "queries without EDNS",
            f"{_names(unasked)} answers with EDNS, or not at all ({unasked[0].plain.what})",
            "replace that server's software, or the middlebox before it",
        )
    if not without and not unasked:
        yield ok(SUBJECT, "EDNS (RFC 6891)", "answered by all, and only where it was asked for")


def _ecs(serving: Sequence[Seen], *, by_network: bool | None, off: bool) -> Iterator[Finding]:
    looked = f"client subnet (ECS, RFC 7871) for {serving[0].ecs_name}"
    failed = [one for one in serving if not one.ecs.failure and one.ecs.rcode == "FORMERR"]
    echoed = [one for one in serving if _scope(one) is not None]
    silent = [one for one in serving if one not in echoed]
    if failed:
        yield error(
            SUBJECT,
            looked,
            f"{_names(failed)} rejects queries that carry it",
            "replace that server's software: resolvers that send client subnets get no answer",
        )
    elif not silent:
        scopes = ", ".join(sorted({f"/{_scope(one)}" for one in echoed}))
        yield ok(SUBJECT, looked, f"answered by all, with scope {scopes}")
        if len({_scope(one) for one in echoed}) > 1:
            yield warning(
                SUBJECT,
                looked,
                f"scopes differ between servers: {scopes}",
                "bring the same zones and databases to all of them; geo files of one date",
            )
    elif off:
        yield note(
            SUBJECT,
            looked,
            f"not answered by {_names(silent)}: `ecs` trusts nobody here, or not this machine",
        )
    elif not echoed and by_network is not True:
        unknown = "" if by_network is False else ", if answers depend on where clients are"
        yield note(
            SUBJECT,
            looked,
            f"no server answers it{unknown}",
            "nothing as long as no service steers by network (geo, nearest, subnet)",
        )
    else:
        yield (error if by_network and echoed else warning)(
            SUBJECT,
            looked,
            f"not answered by {_names(silent)}"
            + (f", but by {_names(echoed)}" if echoed else "")
            + ": there clients are located by their resolver",
            "serve the zone there with dnslb too and `ecs: on`, or take the server out of the NS "
            "records: a server without ECS gives all clients of a resolver one answer",
        )


def _scope(one: Seen) -> int | None:
    """The scope of the answer; None: it carries no client subnet that fits the question."""
    option = one.ecs.options.get(ECS)
    if option is None or len(option) < 7 or option[:3] != b"\0\1\x18":
        return None
    return option[3]


def _cookies(serving: Sequence[Seen]) -> Iterator[Finding]:
    looked = "cookies (RFC 7873)"
    good, bad, without = [], [], []
    for one in serving:
        option = one.cookie.options.get(COOKIE)
        if option is None:
            without.append(one)
        elif option[:8] == one.sent and 16 <= len(option) <= 40:
            good.append(one)
        else:
            bad.append(one)
    if bad:
        yield error(
            SUBJECT,
            looked,
            f"{_names(bad)} returns a cookie that is not the client's",
            "replace that server's software: resolvers drop such answers",
        )
    if good and without:
        yield warning(
            SUBJECT,
            looked,
            f"{_names(good)} has them, {_names(without)} has not",
            "turn `cookies` on everywhere; servers behind one address share `cookies.secrets`",
        )
    elif without and not bad:
        yield note(
            SUBJECT,
            looked,
            "no server answers them: limited clients have only TCP to show who they are",
            "turn `cookies` on",
        )
    elif not bad:
        yield ok(SUBJECT, looked, "answered by all")


def _large(serving: Sequence[Seen]) -> Iterator[Finding]:
    looked = "large answers"
    cut = 0
    fine = True
    for one in serving:
        biggest = max((reply.size for reply in one.sets.values()), default=0)
        if biggest > LARGEST:
            fine = False
            yield warning(
                SUBJECT,
                looked,
                f"{one} sends {biggest:,} octets by UDP to who offered {LARGEST:,}",
                "replace that server's software: such packets are cut to pieces, which get lost",
            )
        for (name, rtype), reply in one.whole.items():
            cut += 1
            if not reply.good or reply.truncated:
                fine = False
                found = f"too large for UDP, and by TCP: {reply.what}"
                do = "let TCP to port 53 pass in firewalls and security groups"
                yield error(SUBJECT, f"{rtype} of {name} from {one}", found, do)
    if fine:
        text = "none was met that needs TCP" if not cut else "truncated by UDP and whole by TCP"
        yield ok(SUBJECT, looked, text)
