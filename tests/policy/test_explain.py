"""Explanations: what a name means, who is out and why, and the chances of each answer."""

from __future__ import annotations

from ipaddress import ip_address
from pathlib import Path

import pytest

from dnslb.config.model import (
    Config,
    Family,
    MxRecord,
    Prefix,
    SrvRecord,
    SvcbRecord,
    WhenDown,
    Zone,
)
from dnslb.health.standing import OperatorState, Standing
from dnslb.policy.explain import explain, matching
from dnslb.zone.lookup import Kind
from dnslb.zone.names import from_text
from dnslb.zone.records import RRset
from policy.making import ZONE, backend, pool, service

A, NS, CNAME, MX, DS, AAAA, ANY = 1, 2, 5, 15, 43, 28, 255
TXT = 16

DOWN = Standing(down=frozenset(Family), reason="refused")
V6_DOWN = Standing(down=frozenset({Family.IPV6}), reason="timeout")
DRAINED = Standing(state=OperatorState.DRAIN)
FORCED_DOWN = Standing(state=OperatorState.DOWN)


def rrset(owner: str, number: int, *rdatas: bytes, ttl: int = 300) -> RRset:
    return RRset(from_text(owner), number, ttl, rdatas)


STATIC = (
    rrset("mail.example.", A, bytes([192, 0, 2, 25]), bytes([192, 0, 2, 26]), ttl=3600),
    rrset("alias.example.", CNAME, from_text("mail.example.")),
    rrset("*.dev.example.", CNAME, from_text("www.example.")),
    rrset("lab.example.", NS, from_text("ns.example.net.")),
    rrset("lab.example.", DS, bytes([0, 1, 13, 2]) + bytes(32)),
    rrset("a.b.example.", MX, bytes([0, 10]) + from_text("mail.example.")),
)


def config(of=None, **options) -> Config:
    """One zone with static records and the service `www`, and one below it that has `www` only."""
    top = service(of or pool(backend("a"), backend("b")), **options)
    sub = service(pool(backend("c")))
    return Config(
        Path("dnslb.yaml"),
        {
            ZONE: Zone(ZONE, STATIC, {"www": top}, {}),
            "deep.lab.example.": Zone("deep.lab.example.", (), {}, {}),
            "sub.example.": Zone("sub.example.", (), {"www": sub}, {}),
        },
    )


def explained(name="www.example.", rtype=A, *, of=None, known=None, client=None, **options):
    """Explain a question; `known` has standings by the backends' names."""
    made = config(of, **options)
    known = known or {}
    standings = {one.id: known[one.id.name] for one in made.backends() if one.id.name in known}
    return explain(made, from_text(name), rtype, standings, ip_address(client) if client else None)


@pytest.mark.parametrize(
    ("name", "rtype", "zone", "kind", "owner"),
    [
        ("www.example.", A, ZONE, Kind.SERVICE, "www.example."),
        ("WWW.Example.", A, ZONE, Kind.SERVICE, "www.example."),
        ("www.sub.example.", A, "sub.example.", Kind.SERVICE, "www.sub.example."),
        ("mail.example.", A, ZONE, Kind.RRSET, "mail.example."),
        ("mail.example.", AAAA, ZONE, Kind.NODATA, "mail.example."),
        ("alias.example.", A, ZONE, Kind.CNAME, "alias.example."),
        ("alias.example.", CNAME, ZONE, Kind.RRSET, "alias.example."),
        ("x.y.dev.example.", A, ZONE, Kind.CNAME, "*.dev.example."),
        ("b.example.", A, ZONE, Kind.NODATA, "b.example."),
        ("no.b.example.", A, ZONE, Kind.NXDOMAIN, "b.example."),
        ("no.example.", A, ZONE, Kind.NXDOMAIN, "example."),
        ("other.lab.example.", A, ZONE, Kind.DELEGATION, "lab.example."),
        # the parent's side is another server's, so the zone itself is all that is known here
        ("deep.lab.example.", DS, "deep.lab.example.", Kind.NODATA, "deep.lab.example."),
        ("lab.example.", DS, ZONE, Kind.RRSET, "lab.example."),
        ("www.example.", ANY, ZONE, Kind.ANY, "www.example."),
        ("www.example.net.", A, None, None, None),
    ],
)
def test_what_a_name_means(name, rtype, zone, kind, owner):
    found = explained(name, rtype)
    assert (found.zone, found.kind, found.owner) == (zone, kind, owner)


def test_the_question_is_told():
    question = explained("WwW.example.", AAAA, client="2001:db8::1").question
    assert (question.name, question.type, question.client) == (
        "WwW.example.",
        "AAAA",
        "2001:db8::1",
    )


def test_static_records_are_told_as_in_a_zone_file():
    assert explained("mail.example.").records == ("3600 A 192.0.2.25", "3600 A 192.0.2.26")
    assert explained("www.example.").records == ()


def test_chances_stand_beside_the_answers():
    found = explained(of=pool((backend("a", "46"), 3), backend("b"), strategy="weighted"), ttl=7)
    assert [(one.chance, one.backends, one.records, one.ttl) for one in found.answers] == [
        (0.75, ("p/a",), ("A 192.0.2.1",), 7),
        (0.25, ("p/b",), ("A 192.0.2.2",), 7),
    ]


@pytest.mark.parametrize("rtype", [A, AAAA, TXT])
def test_a_target_answers_every_type(rtype):
    of = pool(backend("x", target="x.example.net."))
    (answer,) = explained(rtype=rtype, of=of).answers
    assert (answer.records, answer.rcode) == (("CNAME x.example.net.",), "NOERROR")


def why(found) -> dict[str, tuple[str, bool, float]]:
    return {one.name: (one.why, one.out, one.chance) for one in found.pool.members}


@pytest.mark.parametrize(
    ("standing", "rtype", "reason"),
    [
        (DOWN, A, "down: refused"),
        (Standing(down=frozenset(Family)), A, "down"),
        (DRAINED, A, "drained by the operator"),
        (FORCED_DOWN, A, "forced down by the operator"),
        (V6_DOWN, AAAA, "down over IPv6: timeout"),
    ],
    ids=["down", "without-a-reason", "drain", "forced", "one-family"],
)
def test_who_is_out_and_why(standing, rtype, reason):
    of = pool(backend("a", "46"), backend("b", "46"))
    found = explained(rtype=rtype, of=of, known={"a": standing})
    assert why(found) == {"a": (reason, True, 0.0), "b": ("", False, 1.0)}


def test_who_has_nothing_of_the_kind():
    of = pool(backend("a"), backend("b", "6"), backend("x", target="x.example.net."))
    assert why(explained(of=of))["b"] == ("no IPv4 address", True, 0.0)
    assert why(explained(rtype=AAAA, of=of))["a"] == ("no IPv6 address", True, 0.0)
    reason = "no target, so no CNAME for this type"
    assert why(explained(rtype=TXT, of=of))["a"] == (reason, True, 0.0)


def test_who_stands_by():
    weighted = pool(backend("a"), (backend("b"), 0))
    assert why(explained(of=weighted))["b"] == ("weight 0: stands by", False, 0.0)
    failover = pool(backend("a"), backend("b"), strategy="failover")
    assert why(explained(of=failover))["b"] == ("stands by", False, 0.0)


def nested():
    inner = pool(backend("a"), backend("b"), name="inner", min_up=2)
    return pool((inner, 3), backend("c"), name="outer")


def test_pools_show_their_members():
    inner, c = explained(of=nested()).pool.members
    assert (inner.name, inner.weight, inner.chance, inner.out) == ("inner", 3, 0.75, False)
    assert (inner.pool.strategy, inner.pool.up) == ("weighted", True)
    assert [(one.name, one.chance) for one in inner.pool.members] == [("a", 0.375), ("b", 0.375)]
    assert (c.chance, c.pool) == (0.25, None)


def test_a_pool_below_min_up_is_out():
    inner, c = explained(of=nested(), known={"a": DOWN}).pool.members
    assert (inner.why, inner.out) == ("down: 1 of 2 members up, min_up is 2", True)
    assert (inner.pool.up, inner.pool.members_up, inner.pool.min_up) == (False, 1, 2)
    assert c.chance == 1


def test_a_pool_without_the_family_is_out():
    of = pool(pool(backend("a"), name="inner"), backend("b", "6"))
    inner, _ = explained(rtype=AAAA, of=of).pool.members
    assert (inner.why, inner.out) == ("up, but with nothing for this type", True)


@pytest.mark.parametrize(
    ("when_down", "records", "rcode"),
    [
        (WhenDown("serve-all"), ("A 192.0.2.1",), "NOERROR"),
        (WhenDown("nodata"), (), "NOERROR"),
        (WhenDown("servfail"), (), "SERVFAIL"),
        (WhenDown("answer", backend("s")), ("A 192.0.2.19",), "NOERROR"),
    ],
    ids=["serve-all", "nodata", "servfail", "answer"],
)
def test_when_down(when_down, records, rcode):
    of = pool(backend("a"))
    found = explained(of=of, known={"a": DOWN}, when_down=when_down)
    (answer,) = found.answers
    sorry = {"answer": "{address: 192.0.2.19}"}
    told = sorry.get(when_down.action, when_down.action)
    assert (found.when_down, answer.records, answer.rcode) == (told, records, rcode)
    assert not found.pool.up
    assert explained(of=of, when_down=when_down).when_down is None


def test_a_client_has_its_own_chances_and_scope():
    of = pool(backend("a"), backend("b"), strategy="subnet", prefix=Prefix(20, 48))
    found = explained(of=of, client="198.51.100.7")
    assert [one.chance for one in found.answers] == [1.0]
    assert found.scope == 20
    assert explained(of=of, client="2001:db8::1").scope == 48
    everybody = explained(of=of)
    assert [one.chance for one in everybody.answers] == [0.5, 0.5]
    assert everybody.scope is None


def test_a_type_that_nobody_has_has_no_answers():
    found = explained(rtype=AAAA)
    assert (found.kind, found.answers) == (Kind.SERVICE, ())


@pytest.mark.parametrize(
    ("pattern", "names"),
    [("p/a", "a"), ("p/*", "abc"), ("*", "abc"), ("p/[ab]", "ab"), ("P/a", ""), ("a", "")],
)
def test_backends_by_glob(pattern, names):
    assert "".join(one.id.name for one in matching(config(), pattern)) == names


HTTPS, SVCB, SRV = 65, 64, 33


def test_hints_and_names_are_told_as_zone_files_write_them():
    of = pool((backend("a", "46"), 3), backend("b"), name="p")
    declared = [SvcbRecord(HTTPS), SrvRecord(5060)]
    found = explained(rtype=HTTPS, of=of, declared=declared)
    assert [(one.chance, one.records, one.backends) for one in found.answers] == [
        (0.75, ("HTTPS 1 . ipv4hint=192.0.2.1 ipv6hint=2001:db8::1",), ("p/a",)),
        (0.25, ("HTTPS 1 . ipv4hint=192.0.2.2",), ("p/b",)),
    ]
    found = explained(rtype=SRV, of=of, declared=declared, known={"a": DOWN})
    assert [one.records for one in found.answers] == [("SRV 0 1 5060 b.hosts.example.",)]
    assert why(found)["a"] == ("down: refused", True, 0.0)
    assert explained(rtype=SVCB, of=of, declared=declared).answers == ()


def test_who_a_declared_type_leaves_out():
    of = pool(backend("a"), backend("x", target="x.example.net."))
    found = explained(rtype=HTTPS, of=of, declared=[SvcbRecord(HTTPS), MxRecord()])
    assert why(found)["x"] == ("a target, which HTTPS does not name", True, 0.0)
    assert why(found)["a"] == ("", False, 1.0)


def test_the_pool_is_that_of_the_type():
    other = pool(backend("b", pool="mx"), name="mx")
    declared = [MxRecord(pool=other)]
    assert explained(rtype=MX, declared=declared).pool.name == "mx"
    assert explained(declared=declared).pool.name == "p"
    found = explained(rtype=MX, declared=declared, known={"b": DOWN}, when_down=WhenDown("nodata"))
    assert (found.when_down, [one.records for one in found.answers]) == ("nodata", [()])
