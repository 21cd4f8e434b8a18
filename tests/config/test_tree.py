"""YAML as a tree with places, its scalars as YAML 1.2 has them."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st
from test_config_fuzz import made, spoiled
from test_problems import CASES

from dnslb.config.nodes import MalformedError, MapNode
from dnslb.config.scalars import resolve
from dnslb.config.tree import UnusualError, parse, values


@pytest.mark.parametrize(
    ("text", "value"),
    [
        *[(word, word) for word in ("NO", "no", "off", "On", "yes", "Y", "y", "n")],
        *[(word, word) for word in ("1:20", "190:20:30", "2001:db8::1", "192.0.2.1", "1_000")],
        *[
            (word, word)
            for word in ("0b11", "0x", "0xg", "0o8", "+", "-", ".", "1e", "- 1", "\u0661")
        ],
        *[(word, word) for word in ("tRUE", "nULL", "2026-01-01", "=", "<<", ".in", "-.nan")],
        *[(word, None) for word in ("", "~", "null", "Null", "NULL")],
        *[(word, True) for word in ("true", "True", "TRUE")],
        *[(word, False) for word in ("false", "False", "FALSE")],
        ("0", 0),
        ("012", 12),
        ("-7", -7),
        ("+7", 7),
        ("0x1F", 31),
        ("0o17", 15),
        ("1.5", 1.5),
        (".5", 0.5),
        ("1.", 1.0),
        ("-1e3", -1000.0),
        (".inf", math.inf),
        ("-.Inf", -math.inf),
    ],
)
def test_scalars(text, value):
    found = resolve(text)
    assert (found, type(found)) == (value, type(value))


def test_not_a_number():
    assert math.isnan(resolve(".NaN"))


@given(st.text(max_size=2000))
def test_every_scalar_means_something(text):
    assert isinstance(resolve(text), str | bool | int | float | None)


def test_quoted_scalars_are_text():
    node = parse("a: '1'\nb: \"null\"\nc: |\n  true\nd: !!str 5\n")
    assert node.plain() == {"a": "1", "b": "null", "c": "true\n", "d": "5"}


def test_keys_are_text_as_written():
    assert parse("10: a\nNO: b\nnull: c\n0x1: d\n").plain() == {
        "10": "a",
        "NO": "b",
        "null": "c",
        "0x1": "d",
    }


def test_places():
    node = parse("# first\na:\n  - b\n  - {c: 1,\n     d: 'x'}\n")
    assert isinstance(node, MapNode)
    entry = node.entries["a"]
    assert (entry.line, entry.column) == (2, 1)
    items = entry.value.items
    assert [(item.line, item.column) for item in items] == [(3, 5), (4, 5)]
    inner = items[1].entries["d"]
    assert (inner.line, inner.column) == (5, 6)
    assert (inner.value.line, inner.value.column) == (5, 9)


def test_aliases_and_merges():
    text = (
        "x: &x {a: 1, b: 2}\ny: &y {b: 3, c: 4}\n"
        "one: {<<: *x, b: 9}\ntwo: {<<: [*y, *x]}\nthree: [*x]\nfour: {'<<': 5}\n"
    )
    assert parse(text).plain() == {
        "x": {"a": 1, "b": 2},
        "y": {"b": 3, "c": 4},
        "one": {"b": 9, "a": 1},
        "two": {"b": 3, "c": 4, "a": 1},
        "three": [{"a": 1, "b": 2}],
        "four": {"<<": 5},
    }


def test_a_merged_key_keeps_its_place():
    node = parse("x: &x\n  a: 1\ny:\n  <<: *x\n")
    entry = node.entries["y"].value.entries["a"]
    assert (entry.line, entry.column) == (2, 3)


@pytest.mark.parametrize("text", ["", "# only this\n", "---\n", "--- \n# x\n"])
def test_nothing(text):
    assert parse(text) is None


@given(st.text(alphabet=st.sampled_from("ab:-[]{}&*#!|>'\"%@`?, \n\t01<\\"), max_size=60))
def test_any_text_is_a_tree_or_an_error_with_a_place(text):
    try:
        node = parse(text)
        found = node and (node.line, node.column, repr(node.plain()))
    except MalformedError as error:
        found = (error.line, error.column, str(error))
    if found:
        line, column, what = found
        assert 1 <= line <= text.count("\n") + 2
        assert column >= 1
        assert what


def agree(text: str) -> bool:
    """Whether the short way reads `text`; if so, it has to read what the other does."""
    try:
        short = values(text)
    except UnusualError:
        return False
    assert repr(short) == repr(parse(text).plain())
    return True


def test_the_short_way_reads_most():
    read = [agree("\n".join(case.zone) + "\n") for case in CASES]
    assert sum(read) > 0.8 * len(read)


@pytest.mark.parametrize(
    "text",
    [
        "", "# nothing", "a", "[a]", "- a", "~", "a: &x b\nc: *x", "a: {<<: {b: c}}", "a: 1\na: 2",
        "a: 1\n---\nb: 2", "a: !!str 1", "a: !x 1", "? [a]\n: b", "a: [", "\tb", "*a : b",
        "a: " + "[" * 32 + "]" * 32, "a: \x01", "... \n", "%YAML 1.1\n---\n- a",
    ],
)  # fmt: skip
def test_the_short_way_leaves_alone(text):
    assert not agree(text)


@given(made | spoiled())
def test_both_ways_agree(content):
    agree(content.decode())
