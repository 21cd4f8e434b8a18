"""Names between text and wire."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dnslb.zone.names import (
    ROOT,
    ancestors,
    from_labels,
    from_text,
    is_wildcard,
    is_within,
    labels,
    looks_absolute,
    lower,
    octets,
    parent,
    relative,
    to_text,
)

ORIGIN = b"\x07example\x03com\x00"


@pytest.mark.parametrize(
    ("text", "wire"),
    [
        (".", b"\x00"),
        ("@", ORIGIN),
        ("a.", b"\x01a\x00"),
        ("www", b"\x03www" + ORIGIN),
        ("a.b", b"\x01a\x01b" + ORIGIN),
        ("WWW.Example.COM.", b"\x03WWW\x07Example\x03COM\x00"),
        ("*.x", b"\x01*\x01x" + ORIGIN),
        ("a\\.b.c.", b"\x03a.b\x01c\x00"),
        ("\\000\\255.", b"\x02\x00\xff\x00"),
        ("\\@.", b"\x01@\x00"),
        ("a\\\\.", b"\x02a\\\x00"),
        ("_sip._udp", b"\x04_sip\x04_udp" + ORIGIN),
        ("0/25", b"\x040/25" + ORIGIN),
        ("a" * 63, b"\x3f" + b"a" * 63 + ORIGIN),
    ],
)
def test_from_text(text, wire):
    assert from_text(text, ORIGIN) == wire


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "empty"),
        ("..", "empty"),
        (".a", "empty"),
        ("a..b", "empty"),
        ("a" * 64, "64 octets, 63"),
        (".".join(["a" * 49] * 5), "263 octets, 255"),
        (".".join(["a" * 63] * 4) + ".", "257 octets, 255"),
        ("a b", "' ' cannot stand"),
        ("a\tb", "cannot stand"),
        ('a"b', "cannot stand"),
        ("a;b", "cannot stand"),
        ("ä", "xn--"),
        ("\\256", "no escape"),
        ("\\25", "no escape"),
        ("\\25x", "no escape"),
        ("a\\", "backslash ends"),
    ],
)
def test_no_names(text, reason):
    with pytest.raises(ValueError, match=reason):
        from_text(text, ORIGIN)


def test_the_longest_name():
    longest = ".".join(["a" * 63] * 3 + ["a" * 61]) + "."
    assert len(from_text(longest)) == 255
    with pytest.raises(ValueError, match="256 octets"):
        from_text(longest[:-1] + "a.")


LABELS = st.lists(st.binary(min_size=1, max_size=63), max_size=4).filter(
    lambda parts: sum(len(part) + 1 for part in parts) < 255
)


@given(LABELS)
def test_text_and_back(parts):
    wire = from_labels(parts)
    text = to_text(wire)
    assert from_text(text) == wire
    assert text.endswith(".")
    assert text.isascii()
    assert labels(wire) == tuple(parts)


@given(LABELS)
def test_relative_and_back(parts):
    if sum(len(part) + 1 for part in parts) + len(ORIGIN) <= 255:
        wire = from_labels(parts)[:-1] + ORIGIN
        assert from_text(relative(wire, ORIGIN), ORIGIN) == wire


@given(LABELS)
def test_lower_changes_ascii_letters_only(parts):
    wire = from_labels(parts)
    assert lower(wire) == from_labels([part.lower() for part in parts])


def test_ancestors():
    assert list(ancestors(b"\x01a\x02bc\x00")) == [b"\x01a\x02bc\x00", b"\x02bc\x00", ROOT]
    assert parent(b"\x01a\x02bc\x00") == b"\x02bc\x00"
    assert list(ancestors(ROOT)) == [ROOT]


@pytest.mark.parametrize(
    ("name", "within"),
    [
        ("example.com.", True),
        ("a.b.example.com.", True),
        ("com.", False),
        ("badexample.com.", False),
        ("example.org.", False),
        (".", False),
    ],
)
def test_is_within(name, within):
    assert is_within(from_text(name), ORIGIN) is within


def test_a_label_that_looks_like_the_origin_is_none():
    assert not is_within(from_labels([b"x\x07example\x03com"]), ORIGIN)
    assert not is_within(b"\x0dx" + ORIGIN[:-1] + b"\x00", ORIGIN)


def test_wildcards():
    assert is_wildcard(from_text("*.x."))
    assert not is_wildcard(from_text("**.x."))
    assert not is_wildcard(from_text("a.*.x."))


@pytest.mark.parametrize(
    ("text", "looks"),
    [
        ("www.example.com", True),
        ("EXAMPLE.com", True),
        ("www.example.com.", False),
        ("www", False),
        ("badexample.com", False),
    ],
)
def test_looks_absolute(text, looks):
    assert looks_absolute(text, ORIGIN) is looks
    assert not looks_absolute(text, ROOT)


@pytest.mark.parametrize(
    ("text", "value"),
    [("", b""), ("a b", b"a b"), ("ä", b"\xc3\xa4"), ("\\200ä\\\\", b"\xc8\xc3\xa4\\")],
)
def test_octets(text, value):
    assert octets(text) == value
