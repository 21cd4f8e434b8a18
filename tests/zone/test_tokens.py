"""The words of zone-file format."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dnslb.zone.tokens import TextError, Token, lines, words


def texts(text: str) -> list[list[str]]:
    return [[token.text for token in line.tokens] for line in lines(text)]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", []),
        ("\n\n  \n; only this\n", []),
        ("a b\tc", [["a", "b", "c"]]),
        ("a b\r\nc\n", [["a", "b"], ["c"]]),
        ('a ; comment ( " \nb', [["a"], ["b"]]),
        ("a (b\n c ; d )\n e) f\ng", [["a", "b", "c", "e", "f"], ["g"]]),
        ('a "b c" "d;e" "(" ""', [["a", "b c", "d;e", "(", ""]]),
        ('a "b\\"c" d\\"e f\\;g h\\ i', [["a", 'b\\"c', 'd\\"e', "f\\;g", "h\\ i"]]),
        ('alpn="h2,h3" x', [["alpn=h2,h3", "x"]]),
        ('key=a"b"', [["key=a", "b"]]),
        ("a\\", [["a\\"]]),
        ("a\\\nb", [["a\\"], ["b"]]),
    ],
)
def test_words(text, expected):
    assert texts(text) == expected


def test_places_and_quotes():
    (line,) = lines('a "b"\n'.replace("\n", ""))
    assert line.tokens == [Token("a", column=1), Token("b", quoted=True, column=3)]
    (first, second) = lines(" a (\n\n  b )\nc")
    assert first.indented
    assert not second.indented
    assert [(token.line, token.column) for token in first.tokens] == [(1, 2), (3, 3)]
    assert (second.tokens[0].line, second.tokens[0].column) == (4, 1)


@pytest.mark.parametrize(
    ("text", "place", "message"),
    [
        ("a\n b (\nc", (2, 4), "never closed"),
        ("a )", (1, 3), "without a"),
        ("a ( ( b", (1, 5), "inside of another"),
        ('a "b', (1, 3), "never closed in its line"),
        ('a "b\n"', (1, 3), "never closed in its line"),
        ('a "b\\"', (1, 3), "never closed in its line"),
    ],
)
def test_errors(text, place, message):
    with pytest.raises(TextError, match=message) as caught:
        list(lines(text))
    assert (caught.value.line, caught.value.column) == place


def test_a_record_may_span_lines_but_has_no_comments():
    assert [token.text for token in words("a\n  (b\n c)")] == ["a", "b", "c"]
    with pytest.raises(TextError, match="double quotes"):
        words("v=DMARC1; p=none")
    assert [token.text for token in words('"v=DMARC1; p=none"')] == ["v=DMARC1; p=none"]


@given(st.text(alphabet=st.sampled_from('ab \t\n\r";()\\=$@'), max_size=40))
def test_any_text(text):
    for read in (lambda: list(lines(text)), lambda: words(text)):
        try:
            read()
        except TextError as error:
            line, column = error.line, error.column
        else:
            line = column = 1
        assert 1 <= line <= text.count("\n") + 1
        assert 1 <= column <= len(text) + 1
