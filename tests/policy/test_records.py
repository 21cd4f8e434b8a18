"""What leaves say: hints of the backends that were picked, and records that name them."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction
from ipaddress import ip_address
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dnslb.config.model import Family, MxRecord, SrvRecord, SvcbRecord, WhenDown
from dnslb.health.standing import ALWAYS_UP, OperatorState, Standing
from dnslb.policy.compile import Compiler
from dnslb.policy.plan import Answer, Rcode
from dnslb.policy.strategies.base import Strategy
from dnslb.policy.walk import chances, scope
from dnslb.zone.names import from_text
from dnslb.zone.rdata import rdata_text
from dnslb.zone.svcb import parameters
from dnslb.zone.types import AAAA, HTTPS, MX, SRV, SVCB, A
from policy.making import (
    DOWN,
    TTL,
    backend,
    clients,
    compiled,
    host,
    no_bound,
    paths,
    pool,
    service,
)

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from dnslb.config.model import BackendId, Declared, Pool
    from dnslb.policy.plan import Node

PLAIN = SvcbRecord(HTTPS)
SIP = SrvRecord(5060)
MAIL = MxRecord()
NODATA = Answer((), TTL)
V6_DOWN = Standing(down=frozenset({Family.IPV6}))

a, b, c = (backend(name, "46") for name in "abc")
X, Y = (backend(name, target=f"{name}.example.net.") for name in "xy")


def texts(leaf: Answer, number: int) -> str:
    """The records of a leaf as zone files write them."""
    rdatas = leaf.records.rdatas if leaf.records else ()
    return ", ".join(rdata_text(number, rdata) for rdata in rdatas)


def told(of: Pool, declared: Declared, down: str = "", **options: Any) -> dict[str, Fraction]:
    """How often the service says what."""
    plan = compiled(of, down, declared=[declared], **options)
    found: dict[str, Fraction] = {}
    for leaf, chance in paths(plan.further[declared.type]):
        text = texts(leaf, declared.type)
        found[text] = found.get(text, Fraction(0)) + chance
    return found


class TestHints:
    def test_they_are_the_addresses_of_who_was_picked(self):
        assert told(pool((a, 3), backend("b")), PLAIN) == {
            "1 . ipv4hint=192.0.2.1 ipv6hint=2001:db8::1": Fraction(3, 4),
            "1 . ipv4hint=192.0.2.2": Fraction(1, 4),
        }

    def test_they_stand_among_the_parameters_in_the_order_of_keys(self):
        known = tuple(parameters(["alpn=h2,h3", "port=8443", "ech=AAEC"]))
        (text,) = told(pool(a), SvcbRecord(HTTPS, parameters=known))
        assert text == ("1 . alpn=h2,h3 port=8443 ipv4hint=192.0.2.1 ech=AAEC ipv6hint=2001:db8::1")

    def test_who_is_down_gives_none(self):
        assert told(pool(a, b), PLAIN, "a") == {"1 . ipv4hint=192.0.2.2 ipv6hint=2001:db8::2": 1}

    def test_who_is_down_in_one_family_gives_those_of_the_other(self):
        assert told(pool(a), PLAIN, standings={a.id: V6_DOWN}) == {"1 . ipv4hint=192.0.2.1": 1}

    def test_several_backends_give_theirs_together(self):
        said = told(pool(a, b, strategy="failover"), PLAIN, answers=2)
        assert said == {"1 . ipv4hint=192.0.2.1,192.0.2.2 ipv6hint=2001:db8::1,2001:db8::2": 1}

    def test_the_first_backend_decides_on_families(self):
        said = told(pool(backend("a"), b, strategy="failover"), PLAIN, answers=2)
        assert said == {"1 . ipv4hint=192.0.2.1,192.0.2.2": 1}

    def test_an_address_is_hinted_at_once(self):
        twin = replace(b, addresses=a.addresses)
        (text,) = {*told(pool(a, twin, strategy="all"), PLAIN)}
        assert text == "1 . ipv4hint=192.0.2.1 ipv6hint=2001:db8::1"

    @pytest.mark.parametrize(
        "declared",
        [SvcbRecord(HTTPS, hints=False), SvcbRecord(SVCB, 0, from_text("x.example."), hints=False)],
        ids=["off", "alias"],
    )
    @pytest.mark.parametrize("strategy", ["weighted", "subnet"])
    def test_without_them_there_is_one_answer_for_all(self, declared, strategy):
        plan = compiled(pool(a, b, strategy=strategy), declared=[declared])
        leaf = plan.further[declared.type]
        assert isinstance(leaf, Answer)
        # nobody's answer: no backend counts it, and resolvers keep it for everybody
        assert leaf.backends == ()
        assert scope(leaf, ip_address("192.0.2.1")) == 0

    def test_backends_with_a_target_answer_with_their_cname(self):
        plan = compiled(pool(a, X), declared=[PLAIN])
        leaves = [leaf for leaf, _ in chances(plan.further[HTTPS])]
        assert leaves[1] == Answer((X,), TTL)
        assert plan.other == Answer((X,), TTL)


def addresses(node: Node | None, client: Any, family: Family) -> set[object]:
    """Everything that the A or AAAA answers to a client may hold."""
    leaves = chances(node, client) if node else []
    return {address for leaf, _ in leaves for one in leaf.backends for address in one.of(family)}


def hints(node: Node, client: Any, family: Family) -> Iterator[set[object]]:
    """The hints of a family in each answer that the client may get."""
    key, size = (4, 4) if family is Family.IPV4 else (6, 16)
    for leaf, _ in chances(node, client):
        rdata = leaf.records.rdatas[0] if leaf.records else b"\0\0\0"
        at, found = 3, {}
        while at < len(rdata):
            number, length = (int.from_bytes(rdata[at + i : at + i + 2], "big") for i in (0, 2))
            found[number] = rdata[at + 4 : at + 4 + length]
            at += 4 + length
        value = found.get(key, b"")
        yield {ip_address(value[at : at + size]) for at in range(0, len(value), size)}


FAMILIES = st.sampled_from(["4", "6", "46"])


@st.composite
def bound_pools(
    draw: st.DrawFn,
    depth: int = 2,
    first: int = 0,
    bounds: st.SearchStrategy[float | None] = no_bound,
) -> Pool:
    """Pools in which the client's network, or order, decides; backends of all kinds of families."""
    members: list[tuple[Any, int]] = []
    for place in range(draw(st.integers(1, 4))):
        number = first * 5 + place + 1
        if depth and draw(st.integers(0, 3)) == 0:
            made = draw(bound_pools(depth=depth - 1, first=number, bounds=bounds))
        else:
            made = backend(f"b{number}", draw(FAMILIES), pool=f"p{first}")
        members.append((made, draw(st.integers(1, 3))))
    strategy = draw(st.sampled_from(["subnet", "failover"]))
    bound = draw(bounds) if strategy == "subnet" else None
    return pool(*members, strategy=strategy, name=f"p{first}", bound=bound)


@given(bound_pools(), st.data(), clients, st.integers(1, 3))
def test_hints_lead_where_a_and_aaaa_lead(of, data, client, answers):
    verdicts = st.sampled_from([ALWAYS_UP, ALWAYS_UP, DOWN, V6_DOWN])
    standings: Mapping[BackendId, Standing] = {one.id: data.draw(verdicts) for one in of.backends()}
    plan = compiled(of, standings=standings, answers=answers, declared=[PLAIN])
    for family, node in ((Family.IPV4, plan.a), (Family.IPV6, plan.aaaa)):
        for some in hints(plan.further[HTTPS], client, family):
            assert some <= addresses(node, client, family)


@pytest.mark.parametrize("answers", [1, 2, 3])
def test_a_bound_client_is_led_to_its_own_backends_alone(answers):
    members = [backend("a", "6"), *(backend(name) for name in "bcd")]
    plan = compiled(pool(*members, strategy="subnet"), answers=answers, declared=[PLAIN])
    for number in range(64):
        client = ip_address("10.0.0.0") + (number << 8)
        (some,) = hints(plan.further[HTTPS], client, Family.IPV4)
        assert some <= addresses(plan.a, client, Family.IPV4)


@pytest.mark.parametrize("strategy", ["weighted", "round-robin", "subnet", "all", "failover"])
def test_with_both_families_everywhere_the_hints_are_the_answers(strategy):
    plan = compiled(pool((a, 2), b, c, strategy=strategy), answers=2, declared=[PLAIN])
    said = [(texts(leaf, HTTPS), chance) for leaf, chance in paths(plan.further[HTTPS])]
    joined = [
        (",".join(str(one.of(Family.IPV4)[0]) for one in leaf.backends), chance)
        for leaf, chance in paths(plan.a)
    ]
    assert [(text.split("=")[1].split(" ")[0], chance) for text, chance in said] == joined


class TestSrv:
    def test_each_backend_is_named_with_its_weight(self):
        assert told(pool((a, 3), b), SIP) == {
            "0 3 5060 a.hosts.example.": Fraction(3, 4),
            "0 1 5060 b.hosts.example.": Fraction(1, 4),
        }

    def test_who_is_down_is_not_named(self):
        assert told(pool(a, b, strategy="all"), SIP, "b") == {"0 1 5060 a.hosts.example.": 1}

    def test_who_is_up_in_one_family_is_named(self):
        assert told(pool(a), SIP, standings={a.id: V6_DOWN}) == {"0 1 5060 a.hosts.example.": 1}

    def test_all_of_them_in_one_response(self):
        said = told(pool((a, 5), (b, 2), strategy="all"), SIP)
        assert {frozenset(text.split(", ")) for text in said} == {
            frozenset({"0 5 5060 a.hosts.example.", "0 2 5060 b.hosts.example."})
        }

    def test_failover_ranks(self):
        declared = SrvRecord(5060, priority=10)
        (text,) = told(pool(a, b, c, strategy="failover"), declared, "b", answers=3)
        assert text == "10 1 5060 a.hosts.example., 11 1 5060 c.hosts.example."

    def test_ranks_count_in_each_pool_by_itself(self):
        far = backend("d", pool="q")
        near = pool(a, b, strategy="failover", name="p")
        of = pool(near, pool(far, strategy="failover", name="q"), strategy="all", name="r")
        said = told(of, SIP, answers=2)
        assert {part for text in said for part in text.split(", ")} == {
            "0 1 5060 a.hosts.example.",
            "1 1 5060 b.hosts.example.",
            "0 1 5060 d.hosts.example.",
        }

    def test_ranks_and_weights_end_where_16_bits_do(self):
        said = told(
            pool((a, 1_000_000), (b, 1), strategy="failover"),
            SrvRecord(5060, priority=65_535),
            answers=2,
        )
        assert said == {"65535 65535 5060 a.hosts.example., 65535 1 5060 b.hosts.example.": 1}

    def test_a_weight_that_is_declared_is_everybodys(self):
        declared = SrvRecord(5060, weight=7)
        said = told(pool((a, 3), b, strategy="failover"), declared, answers=2)
        assert said == {"0 7 5060 a.hosts.example., 1 7 5060 b.hosts.example.": 1}

    def test_addresses_come_along(self):
        plan = compiled(pool(a, b, strategy="failover"), answers=2, declared=[SIP])
        leaf = plan.further[SRV]
        assert leaf.records.additional == host(a).addresses + host(b).addresses

    def test_the_answers_count_for_their_backends(self):
        leaf = compiled(pool(a), declared=[SIP]).further[SRV]
        assert (leaf.backends, leaf.ttl) == ((a,), TTL)


class TestMx:
    def test_preferences(self):
        said = told(pool(a, X, strategy="failover"), MxRecord(20), answers=2)
        assert said == {"20 a.hosts.example., 21 x.example.net.": 1}

    def test_another_pool_answers(self):
        other = pool(b, c, name="q", strategy="failover")
        plan = compiled(pool(a), declared=[MxRecord(pool=other)])
        assert plan.a == Answer((a,), TTL)
        assert texts(plan.further[MX], MX) == "10 b.hosts.example."

    def test_the_other_pool_is_down_by_itself(self):
        other = pool(b, name="q")
        when_down = WhenDown("servfail")
        plan = compiled(pool(a), "b", declared=[MxRecord(pool=other)], when_down=when_down)
        assert plan.a == Answer((a,), TTL)
        assert plan.further[MX] == Answer((), TTL, Rcode.SERVFAIL)


class TestTargets:
    """Where records name them, targets are no CNAMEs."""

    def test_they_are_named_beside_addresses(self):
        plan = compiled(pool(a, X, Y, strategy="all"), declared=[SIP])
        assert {frozenset(texts(leaf, SRV).split(", ")) for leaf, _ in paths(plan.further[SRV])} == {
            frozenset(f"0 1 5060 {name}" for name in
                      ("a.hosts.example.", "x.example.net.", "y.example.net."))
        }  # fmt: skip

    def test_other_types_get_nothing_of_them(self):
        plan = compiled(pool(a, X), declared=[MAIL, PLAIN])
        assert (plan.a, plan.other) == (Answer((a,), TTL), None)
        assert {one for leaf, _ in paths(plan.further[HTTPS]) for one in leaf.backends} == {a}

    def test_nothing_is_left_to_say(self):
        plan = compiled(pool(X), declared=[MAIL, PLAIN])
        assert (plan.a, plan.aaaa, plan.other, [*plan.further]) == (None, None, None, [MX])

    def test_a_strategy_of_ones_own_may_join_them(self):
        class Everybody(Strategy):
            name = "everybody"

            def plan(self, candidates, choice):
                return choice.join(candidates)

        plan = compiled(pool(X, Y, strategy=Everybody()), declared=[MAIL])
        assert texts(plan.further[MX], MX) == "10 x.example.net., 10 y.example.net."


SORRY = backend("s", pool="sorry")
SORRY_TARGET = backend("s", pool="sorry", target="s.example.net.")
SERVFAIL = Answer((), TTL, Rcode.SERVFAIL)


@pytest.mark.parametrize("declared", [PLAIN, SIP, MAIL], ids=["https", "srv", "mx"])
@pytest.mark.parametrize(
    ("when_down", "expected"),
    [
        (WhenDown("nodata"), NODATA),
        (WhenDown("servfail"), SERVFAIL),
        (WhenDown("answer", SORRY), NODATA),
    ],
    ids=["nodata", "servfail", "address"],
)
def test_when_down(declared, when_down, expected):
    plan = compiled(pool(a), "a", declared=[declared], when_down=when_down)
    assert plan.further[declared.type] == expected


def test_a_sorry_page_with_a_target():
    when_down = WhenDown("answer", SORRY_TARGET)
    https = compiled(pool(a), "a", declared=[PLAIN], when_down=when_down)
    assert https.further[HTTPS] == Answer((SORRY_TARGET,), TTL)
    mail = compiled(pool(a), "a", declared=[MAIL], when_down=when_down)
    assert texts(mail.further[MX], MX) == "10 s.example.net."
    assert (mail.a, mail.other) == (NODATA, None)


def test_serve_all_hints_at_all_but_the_withheld():
    standings = {a.id: DOWN, b.id: DOWN, c.id: Standing(state=OperatorState.DRAIN)}
    assert [*told(pool(a, b, c), PLAIN, standings=standings)] == [
        "1 . ipv4hint=192.0.2.1 ipv6hint=2001:db8::1",
        "1 . ipv4hint=192.0.2.2 ipv6hint=2001:db8::2",
    ]


def test_the_plan_of_a_type():
    plan = compiled(pool(a, X), declared=[PLAIN])
    assert [plan.of(number) for number in (A, AAAA, HTTPS, SVCB)] == [
        plan.a,
        plan.aaaa,
        plan.further[HTTPS],
        plan.other,
    ]


class TestSharing:
    def test_services_that_declare_the_same_share_one_plan(self):
        of = pool(a, b)
        services = [service(of, name=name, declared=[replace(PLAIN)]) for name in "xy"]
        first, second = Compiler({}).services(services).values()
        assert first is second

    @pytest.mark.parametrize("declared", [[], [SvcbRecord(HTTPS, 2)], [SIP]], ids=str)
    def test_what_differs_is_not_shared(self, declared):
        of = pool(a, b)
        services = [service(of, name="x", declared=[PLAIN])]
        services.append(service(of, name="y", declared=declared))
        first, second = Compiler({}).services(services).values()
        assert first != second
