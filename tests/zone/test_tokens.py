"""The words of rdata in zone-file format."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dnslb.zone.tokens import TextError, Token, words


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", []),
        ("\n\n  \n", []),
        ("a b\tc", ["a", "b", "c"]),
        ("a b\r\nc\n", ["a", "b", "c"]),
        ("a\n  (b\n c)", ["a", "b", "c"]),
        ('a "b c" "d;e" "(" ""', ["a", "b c", "d;e", "(", ""]),
        ('a "b\\"c" d\\"e f\\;g h\\ i', ["a", 'b\\"c', 'd\\"e', "f\\;g", "h\\ i"]),
        ('alpn="h2,h3" x', ["alpn=h2,h3", "x"]),
        ('key=a"b"', ["key=a", "b"]),
        ("a\\", ["a\\"]),
        ("a\\\nb", ["a\\", "b"]),
        ('"v=DMARC1; p=none"', ["v=DMARC1; p=none"]),
    ],
)
def test_words(text, expected):
    assert [token.text for token in words(text)] == expected


def test_quotes():
    assert words('a "b"') == [Token("a"), Token("b", quoted=True)]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a\n b (\nc", "never closed"),
        ("a )", "without a"),
        ("a ( ( b", "inside of another"),
        ('a "b', "never closed in its line"),
        ('a "b\n"', "never closed in its line"),
        ('a "b\\"', "never closed in its line"),
        ("v=DMARC1; p=none", "double quotes"),
    ],
)
def test_errors(text, message):
    with pytest.raises(TextError, match=message):
        words(text)


@given(st.text(alphabet=st.sampled_from('ab \t\n\r";()\\=$@'), max_size=40))
def test_any_text(text):
    try:
        found = words(text)
    except TextError:
        return
    assert all(token.quoted or token.text for token in found)
