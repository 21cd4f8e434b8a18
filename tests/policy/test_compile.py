"""From pools and standings to plans: who is up, what is asked, and what nests."""

from __future__ import annotations

from fractions import Fraction
from typing import TYPE_CHECKING

import pytest

from dnslb.config.model import Family, WhenDown
from dnslb.health.standing import ALWAYS_UP, OperatorState, Standing
from dnslb.policy.compile import Compiler
from dnslb.policy.plan import Answer, Rcode, ServicePlan
from policy.making import DOWN, TTL, backend, compiled, even, pool, service, spread

if TYPE_CHECKING:
    from dnslb.config.model import Backend

A, B, C, D = (backend(name) for name in "abcd")
NODATA = Answer((), TTL)


def state(one: Backend, wanted: OperatorState, standing: Standing = ALWAYS_UP) -> dict:
    return {one.id: Standing(standing.down, state=wanted)}


def test_a_service_of_one_backend_is_its_answer():
    assert compiled(pool(A), ttl=7) == ServicePlan(a=Answer((A,), 7))


@pytest.mark.parametrize(
    ("down", "expected"),
    [("", even("a", "b", "c")), ("b", even("a", "c")), ("ac", even("b"))],
    ids=["all-up", "one-down", "one-left"],
)
def test_what_is_down_is_left_out(down, expected):
    assert spread(compiled(pool(A, B, C), down).a) == expected


@pytest.mark.parametrize(
    ("wanted", "verdict", "serves"),
    [
        (OperatorState.AUTO, ALWAYS_UP, True),
        (OperatorState.AUTO, DOWN, False),
        (OperatorState.UP, DOWN, True),
        (OperatorState.UP, ALWAYS_UP, True),
        (OperatorState.DOWN, ALWAYS_UP, False),
        (OperatorState.DRAIN, ALWAYS_UP, False),
        (OperatorState.DRAIN, DOWN, False),
    ],
    ids=lambda value: value.name.lower() if isinstance(value, OperatorState) else None,
)
def test_the_operator_has_the_last_word(wanted, verdict, serves):
    plan = compiled(pool(A, B), standings=state(B, wanted, verdict))
    assert spread(plan.a) == (even("a", "b") if serves else even("a"))


def test_load_and_latency_reach_the_strategy():
    known = {A.id: Standing(load=0.2, latency=9.0), B.id: Standing(load=0.8, latency=3.0)}
    least = compiled(pool(A, B, strategy="least-load"), standings=known)
    fastest = compiled(pool(A, B, strategy="fastest"), standings=known)
    assert spread(least.a) == {"a": Fraction(4, 5), "b": Fraction(1, 5)}
    assert spread(fastest.a) == even("b")


def test_weight_nought_serves_when_the_others_are_down():
    of = pool(A, (B, 0))
    assert spread(compiled(of).a) == even("a")
    assert spread(compiled(of, "a").a) == even("b")


class TestFamilies:
    """A, AAAA and all other types are planned apart, from one verdict on the pool."""

    def test_each_family_has_the_backends_that_have_it(self):
        plan = compiled(pool(A, backend("b", "6"), backend("c", "46")))
        assert spread(plan.a) == even("a", "c")
        assert spread(plan.aaaa) == even("b", "c")
        assert plan.other is None

    def test_a_family_that_nobody_has_is_left_to_static_records(self):
        assert compiled(pool(A, B)).aaaa is None

    def test_a_family_goes_down_by_itself(self):
        both = backend("a", "46")
        plan = compiled(pool(both), standings={both.id: Standing(frozenset({Family.IPV6}))})
        assert spread(plan.a) == even("a")
        assert plan.aaaa == NODATA

    def test_a_backend_down_in_its_only_family_is_down(self):
        compiler = Compiler({A.id: Standing(frozenset({Family.IPV4}))})
        assert not compiler.backend_up(A)
        assert not compiler.pool_up(pool(A))

    def test_a_verdict_on_a_family_that_it_has_not_means_nothing(self):
        assert Compiler({A.id: Standing(frozenset({Family.IPV6}))}).backend_up(A)


class TestTargets:
    """A backend with a target answers every type, and stands alone."""

    X = backend("x", target="x.example.net.")
    Y = backend("y", target="y.example.net.")

    def test_every_type_is_answered(self):
        plan = compiled(pool((self.X, 3), self.Y))
        expected = {"x": Fraction(3, 4), "y": Fraction(1, 4)}
        assert [spread(node) for node in (plan.a, plan.aaaa, plan.other)] == [expected] * 3

    @pytest.mark.parametrize("strategy", ["weighted", "all", "failover", "subnet"])
    def test_two_targets_are_never_in_one_answer(self, strategy):
        plan = compiled(pool(self.X, self.Y, strategy=strategy), answers=2)
        for node in (plan.a, plan.other):
            assert set(spread(node)) <= {"x", "y"}

    def test_addresses_and_a_target_take_turns(self):
        plan = compiled(pool(A, self.X), answers=2)
        assert spread(plan.a) == even("a", "x")
        assert spread(plan.aaaa) == even("x")
        assert spread(plan.other) == even("x")

    def test_all_prefers_addresses(self):
        plan = compiled(pool(self.X, A, B, strategy="all"))
        assert set(spread(plan.a)) == {"a b", "b a"}

    def test_other_types_get_nodata_while_the_target_is_down(self):
        plan = compiled(pool(A, self.X), standings={self.X.id: DOWN})
        assert spread(plan.a) == even("a")
        assert (plan.aaaa, plan.other) == (NODATA, NODATA)


class TestMinUp:
    @pytest.mark.parametrize(
        ("down", "expected"),
        [("", even("a", "b", "c")), ("c", even("a", "b")), ("bc", even("d"))],
        ids=["above", "at", "below"],
    )
    def test_a_pool_below_it_is_down(self, down, expected):
        inner = pool(A, B, C, min_up=2, name="inner")
        assert spread(compiled(pool(inner, D, strategy="failover"), down).a) == expected

    def test_a_member_of_weight_nought_counts(self):
        assert Compiler({}).pool_up(pool(A, (B, 0), min_up=2))

    def test_pools_count_as_members(self):
        pools = [pool(one, name=f"in{one.id.name}") for one in (A, B)]
        compiler = Compiler({A.id: DOWN})
        assert compiler.members_up(pool(*pools)) == 1
        assert not compiler.pool_up(pool(*pools, min_up=2))


SORRY = backend("s", pool="sorry")
SORRY_CNAME = backend("s", pool="sorry", target="sorry.example.net.")
SERVFAIL = Answer((), TTL, Rcode.SERVFAIL)


@pytest.mark.parametrize(
    ("when_down", "a", "aaaa", "other"),
    [
        (WhenDown(), Answer((A,), TTL), None, None),
        (WhenDown("nodata"), NODATA, None, None),
        (WhenDown("servfail"), SERVFAIL, None, None),
        (WhenDown("answer", SORRY), Answer((SORRY,), TTL), None, None),
        (WhenDown("answer", SORRY_CNAME), *[Answer((SORRY_CNAME,), TTL)] * 3),
    ],
    ids=["serve-all", "nodata", "servfail", "address", "target"],
)
def test_when_down(when_down, a, aaaa, other):
    assert compiled(pool(A), "a", when_down=when_down) == ServicePlan(a, aaaa, other)


@pytest.mark.parametrize("action", ["serve-all", "nodata", "servfail"])
def test_when_down_waits_until_all_is_down(action):
    plan = compiled(pool(A, B), "a", when_down=WhenDown(action))
    assert plan.a == Answer((B,), TTL)


def test_a_sorry_page_for_other_types_is_nodata_while_up():
    plan = compiled(pool(A), when_down=WhenDown("answer", SORRY_CNAME))
    assert plan == ServicePlan(Answer((A,), TTL), NODATA, NODATA)


def test_serve_all_serves_every_pool_below():
    inner = pool(A, B, min_up=2, name="inner")
    of = pool(inner, (C, 2))
    assert spread(compiled(of, "abc").a) == {
        "a": Fraction(1, 6),
        "b": Fraction(1, 6),
        "c": Fraction(2, 3),
    }


@pytest.mark.parametrize("wanted", [OperatorState.DRAIN, OperatorState.DOWN])
def test_serve_all_leaves_out_what_the_operator_withholds(wanted):
    assert spread(compiled(pool(A, B), "a", standings=state(B, wanted)).a) == even("a")


def test_serve_all_serves_the_withheld_when_there_is_nothing_else():
    standings = state(A, OperatorState.DRAIN) | state(B, OperatorState.DOWN)
    assert spread(compiled(pool(A, B), standings=standings).a) == even("a", "b")


class TestSharing:
    def test_services_over_one_pool_share_one_plan(self):
        of = pool(A, B)
        plans = Compiler({}).services([service(of, name="x"), service(of, name="y")])
        first, second = plans.values()
        assert first is second

    @pytest.mark.parametrize(
        "options",
        [{"ttl": 5}, {"answers": 2}, {"when_down": WhenDown("nodata")}],
        ids=["ttl", "answers", "when_down"],
    )
    def test_what_differs_is_not_shared(self, options):
        of = pool(A, B)
        services = [service(of, name="x"), service(of, name="y", **options)]
        first, second = Compiler({b.id: DOWN for b in (A, B)}).services(services).values()
        assert first is not second
        assert first != second

    def test_nothing_is_kept_from_one_compiler_to_the_next(self):
        of = service(pool(A, B))
        assert Compiler({}).service(of) != Compiler({A.id: DOWN}).service(of)
