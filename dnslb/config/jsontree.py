"""JSON: its values, and the tree that knows their places.

Programs write JSON, and it is read in a fraction of the time of YAML: Python's own reader gives the
values. The tree is built only when a place is asked for, or to say what is wrong.
"""

from __future__ import annotations

import json
import re
from bisect import bisect_right
from json.decoder import JSONDecodeError, scanstring  # type: ignore[attr-defined]
from typing import Any, Final, NoReturn

from dnslb.config.nodes import (
    MAX_DEPTH,
    Entry,
    ListNode,
    MalformedError,
    MapNode,
    Node,
    ScalarNode,
)
from dnslb.config.scalars import MAX_DIGITS

__all__ = ["parse", "values"]

_SPACE: Final = re.compile(r"[ \t\r\n]+")
_NUMBER: Final = re.compile(r"-?(0|[1-9][0-9]*)(\.[0-9]+)?([eE][-+]?[0-9]+)?", re.ASCII)
_WORD: Final = re.compile(r"[^\s,:\[\]{}\"]+")
_WORDS: Final = {"true": True, "false": False, "null": None}
_SURROGATE: Final = re.compile(r"\\u[dD][89a-fA-F]")


def values(text: str) -> dict[str, Any]:
    """The mapping in `text`, as `parse(text).plain()` gives it.

    Raises:
        ValueError: it takes the whole reader, which tells what is wrong if something is.
        RecursionError: likewise.
    """
    if "\\u" in text and _SURROGATE.search(text):
        raise ValueError("a letter in two halves, or half of one")
    found = json.loads(
        text,
        object_pairs_hook=_unique,
        parse_constant=_no_constant,
        parse_int=lambda digits: int(_bounded(digits)),
        parse_float=lambda digits: float(_bounded(digits)),
    )
    if not isinstance(found, dict) or not _is_flat(found):
        raise ValueError("no mapping, or nested too deep")
    return found


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    entries = dict(pairs)
    if len(entries) < len(pairs):
        raise ValueError("a key stands twice")
    return entries


def _no_constant(text: str) -> NoReturn:
    raise ValueError(f"{text} is not in JSON")


def _bounded(digits: str) -> str:
    if len(digits) > MAX_DIGITS:
        raise ValueError("too long")
    return digits


def _is_flat(value: dict[str, Any]) -> bool:
    """Whether lists and mappings nest as they may."""
    level: list[Any] = [value]
    for _ in range(MAX_DEPTH):
        level = [
            item
            for above in level
            for item in (above.values() if isinstance(above, dict) else above)
            if isinstance(item, dict | list)
        ]
    return not level


def parse(text: str) -> Node:
    """The value in `text`.

    Raises:
        MalformedError: it is no JSON, or beyond the bounds.
    """
    return _Reader(text).document()


class _Reader:
    def __init__(self, text: str) -> None:
        self._text = text
        self._at = 0
        self._lines = [0, *(match.end() for match in re.finditer("\n", text))]

    def document(self) -> Node:
        if not self._peek():
            self._fail("the file is empty; an empty mapping is {}")
        node = self._value(MAX_DEPTH)
        if self._peek():
            self._fail("something follows after the end")
        return node

    def _peek(self) -> str:
        """The next character that is no space; none at the end."""
        space = _SPACE.match(self._text, self._at)
        self._at = space.end() if space else self._at
        return self._text[self._at : self._at + 1]

    def _value(self, left: int) -> Node:
        begins = self._peek()
        line, column = self._place(self._at)
        if begins == '"':
            text = self._string()
            return ScalarNode(line, column, text, text)
        if begins in {"{", "["} and not left:
            raise MalformedError(f"nested deeper than {MAX_DEPTH} levels", line, column)
        if begins == "{":
            return self._map(MapNode(line, column), left - 1)
        if begins == "[":
            return self._list(ListNode(line, column), left - 1)
        return self._word(line, column)

    def _word(self, line: int, column: int) -> ScalarNode:
        word = _WORD.match(self._text, self._at)
        text = word[0] if word else ""
        if text in _WORDS:
            self._at += len(text)
            return ScalarNode(line, column, _WORDS[text], text)
        if _NUMBER.fullmatch(text):
            if len(text) > MAX_DIGITS:
                self._fail(f"a number of more than {MAX_DIGITS} digits")
            self._at += len(text)
            number = json.loads(text)
            return ScalarNode(line, column, number, text)
        if text.startswith(("//", "/*", "#")):
            self._fail("there are no comments in JSON")
        if text:
            shown = text if len(text) <= 20 else f"{text[:20]}..."
            self._fail(f'{shown} is no value; quote text, as in "{shown}"')
        return self._fail("a value is missing")

    def _list(self, node: ListNode, left: int) -> ListNode:
        self._at += 1
        if self._peek() == "]":
            self._at += 1
            return node
        while True:
            node.items.append(self._value(left))
            if self._ends("]"):
                return node

    def _map(self, node: MapNode, left: int) -> MapNode:
        self._at += 1
        if self._peek() == "}":
            self._at += 1
            return node
        while True:
            if self._peek() != '"':
                self._fail("a key stands between double quotes")
            line, column = self._place(self._at)
            key = self._string()
            if key in node.entries:
                first = node.entries[key].line
                raise MalformedError(
                    f'the key "{key}" stands twice, first in line {first}', line, column
                )
            if self._peek() != ":":
                self._fail("a colon goes between a key and its value")
            self._at += 1
            node.entries[key] = Entry(line, column, self._value(left))
            if self._ends("}"):
                return node

    def _ends(self, end: str) -> bool:
        """Whether a list or mapping ends here with `end`; otherwise it goes on after a comma."""
        found = self._peek()
        if found not in {",", end}:
            self._fail(f"there must be a comma or {end}" if found else f"{end} is missing")
        self._at += 1
        if found == "," and self._peek() == end:
            self._fail(f"the last comma before {end} has to go")
        return found == end

    def _string(self) -> str:
        try:
            text, at = scanstring(self._text, self._at + 1, True)  # noqa: FBT003 - json's signature
        except JSONDecodeError as error:
            if error.msg.startswith("Unterminated"):
                self._fail("the quote that ends this text is missing")
            self._at = error.pos
            if "control character" in error.msg:
                self._fail("text ends in its line; a line break is \\n, a tab \\t")
            self._fail(f"{self._text[error.pos : error.pos + 2]} is no escape; a backslash is \\\\")
        if any("\ud800" <= letter <= "\udfff" for letter in text):
            self._fail("half of a letter: \\ud800 to \\udfff stand in pairs")
        self._at = at
        return str(text)

    def _place(self, at: int) -> tuple[int, int]:
        line = bisect_right(self._lines, at)
        return line, at - self._lines[line - 1] + 1

    def _fail(self, message: str) -> NoReturn:
        raise MalformedError(f"not valid JSON: {message}", *self._place(self._at))
