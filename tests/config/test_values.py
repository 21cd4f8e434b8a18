"""What single values may be."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import TypeAdapter, ValidationError
from pydantic_core import PydanticCustomError

from dnslb.config.suggest import counted, listed, unknown
from dnslb.config.values import Name, Statuses, Ttl, duration


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("500ms", 0.5),
        ("1ms", 0.001),
        ("10s", 10),
        ("1.5s", 1.5),
        ("0s", 0),
        ("5m", 300),
        ("1h", 3600),
        ("14d", 1_209_600),
    ],
)
def test_durations(text, seconds):
    assert duration(text) == seconds


@given(st.integers(0, 999_999_999), st.sampled_from(["ms", "s", "m", "h", "d"]))
def test_every_duration(count, unit):
    size = {"ms": 0.001, "s": 1, "m": 60, "h": 3600, "d": 86_400}[unit]
    assert duration(f"{count}{unit}") == pytest.approx(count * size)


@pytest.mark.parametrize(
    "value",
    ["", "10", "s", "-1s", "+1s", "1 s", "1S", "10sec", "1m30s", "1.s", ".5s", "1.2345s", "\u0661s",
     "1e3s", "infs", True, None, [], {}],
    ids=repr,
)  # fmt: skip
def test_no_durations(value):
    with pytest.raises(PydanticCustomError, match="must be a duration such as"):
        duration(value)


@pytest.mark.parametrize(("value", "hint"), [(10, "write 10s"), (0.5, "write 0.5s")])
def test_a_bare_number_says_what_to_write(value, hint):
    with pytest.raises(PydanticCustomError, match=hint):
        duration(value)


@pytest.mark.parametrize(
    ("value", "seconds"), [(0, 0), (300, 300), (2147483647, 2147483647), ("5m", 300), ("1000ms", 1)]
)
def test_ttls(value, seconds):
    assert TypeAdapter(Ttl).validate_python(value) == seconds


@pytest.mark.parametrize("value", [-1, 2147483648, 1.5, True, "300", "25000d", "1500ms", None])
def test_no_ttls(value):
    with pytest.raises(ValidationError):
        TypeAdapter(Ttl).validate_python(value)


@pytest.mark.parametrize(
    ("value", "ranges"),
    [
        (200, ((200, 200),)),
        ("204", ((204, 204),)),
        ("200-399", ((200, 399),)),
        ([200, "300-302"], ((200, 200), (300, 302))),
    ],
)
def test_statuses(value, ranges):
    assert TypeAdapter(Statuses).validate_python(value) == ranges


@pytest.mark.parametrize("value", [600, "200-", "399-200", "2xx", 200.0, True, [[200]], {}])
def test_no_statuses(value):
    with pytest.raises(ValidationError):
        TypeAdapter(Statuses).validate_python(value)


@pytest.mark.parametrize("value", ["a", "a.b-c_d:1", "ä", "2001:db8::1"])
def test_names(value):
    assert TypeAdapter(Name).validate_python(value) == value


@pytest.mark.parametrize("value", ["", " ", "a b", "a/b", "a*", "a?", "[a]", "a\n", "x" * 101, 5])
def test_no_names(value):
    with pytest.raises(ValidationError):
        TypeAdapter(Name).validate_python(value)


@pytest.mark.parametrize(
    ("text", "known", "message"),
    [
        ("stratgy", ["strategy", "check"], 'unknown key "stratgy"; did you mean "strategy"?'),
        ("CHECK", ["strategy", "check"], 'unknown key "CHECK"; did you mean "check"?'),
        ("x", ["strategy", "check"], 'unknown key "x"; there are strategy and check'),
        ("x", ["check"], 'unknown key "x"; there is check'),
        ("x", [], 'unknown key "x"'),
        ("x", map(str, range(99)), 'unknown key "x"'),
    ],
    ids=["near", "case", "far", "one", "none", "many"],
)
def test_suggestions(text, known, message):
    assert unknown("key", text, known) == message


def test_lists_and_counts():
    assert listed(["a"]) == "a"
    assert listed(["a", "b", "c"]) == "a, b and c"
    assert listed(["a", "b"], "or") == "a or b"
    assert [counted(number, "pool") for number in (0, 1, 2)] == ["0 pools", "1 pool", "2 pools"]
