"""The words of zone-file format (RFC 1035 section 5.1): quotes, escapes, parentheses, comments.

A token keeps its escapes, because a name and a character-string read them differently.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["Line", "TextError", "Token", "lines", "words"]

_SPACE: Final = " \t\r\v\f"
_ENDS: Final = _SPACE + '\n"();'


class TextError(ValueError):
    """Text that is not in zone-file format; the place counts from 1."""

    def __init__(self, message: str, line: int = 1, column: int = 1) -> None:
        super().__init__(message)
        self.line = line
        self.column = column


@dataclass(frozen=True, slots=True)
class Token:
    """A word: its text without the quotes, and its place counted from 1."""

    text: str
    quoted: bool = False
    line: int = 1
    column: int = 1


@dataclass(slots=True)
class Line:
    """The words of an entry; `indented` when it begins with space, so has the owner before it."""

    indented: bool
    tokens: list[Token] = field(default_factory=list)


def lines(text: str) -> Iterator[Line]:
    """The entries of a master file; parentheses join lines, empty lines are left out.

    Raises:
        TextError: a quote or parenthesis without its partner.
    """
    return _Scanner(text).lines()


def words(text: str) -> list[Token]:
    """The words of one record's rdata; a line's end is nothing but space.

    Raises:
        TextError: a quote without its partner, or a bare `;`, which would begin a comment.
    """
    scanner = _Scanner(text, record=True)
    return [token for line in scanner.lines() for token in line.tokens]


class _Scanner:
    def __init__(self, text: str, *, record: bool = False) -> None:
        self._text = text
        self._at = 0
        self._line = 1
        self._start = 0  # where the line begins
        self._record = record

    def lines(self) -> Iterator[Line]:
        opened: tuple[int, int] | None = None
        line = self._begin()
        while self._at < len(self._text):
            character = self._text[self._at]
            if character == "\n":
                self._newline()
                if opened is None and not self._record:
                    if line.tokens:
                        yield line
                    line = self._begin()
            elif character in _SPACE:
                self._at += 1
            elif character == ";":
                self._comment()
            elif character in "()":
                opened = self._parenthesis(opened)
            else:
                line.tokens.append(self._quoted() if character == '"' else self._word())
        if opened is not None:
            raise TextError("( is never closed", *opened)
        if line.tokens:
            yield line

    def _begin(self) -> Line:
        return Line(indented=self._text[self._at : self._at + 1] in {" ", "\t"})

    def _newline(self) -> None:
        self._at += 1
        self._line += 1
        self._start = self._at

    def _place(self) -> tuple[int, int]:
        return self._line, self._at - self._start + 1

    def _comment(self) -> None:
        if self._record:
            message = "; begins a comment in zone-file format; put the text between double quotes"
            raise TextError(message, *self._place())
        end = self._text.find("\n", self._at)
        self._at = len(self._text) if end < 0 else end

    def _parenthesis(self, opened: tuple[int, int] | None) -> tuple[int, int] | None:
        opens = self._text[self._at] == "("
        if opens == (opened is not None):
            message = "( stands inside of another" if opens else ") without a ("
            raise TextError(message, *self._place())
        place = self._place() if opens else None
        self._at += 1
        return place

    def _word(self) -> Token:
        line, column = self._place()
        start = self._at
        text = ""
        while self._at < len(self._text) and self._text[self._at] not in _ENDS:
            self._skip()
            if self._text[self._at - 1 : self._at + 1] == '="':
                # key="value" is one word (RFC 9460 section 2.1)
                text += self._text[start : self._at] + self._quoted().text
                start = self._at
        return Token(text + self._text[start : self._at], line=line, column=column)

    def _quoted(self) -> Token:
        line, column = self._place()
        start = self._at = self._at + 1
        while self._text[self._at : self._at + 1] not in {'"', "\n", ""}:
            self._skip()
        if self._text[self._at : self._at + 1] != '"':
            raise TextError('" is never closed in its line', line, column)
        self._at += 1
        return Token(self._text[start : self._at - 1], quoted=True, line=line, column=column)

    def _skip(self) -> None:
        """Go past one character, or an escaped one with its backslash."""
        escaped = self._text[self._at] == "\\" and self._at + 1 < len(self._text)
        self._at += 2 if escaped and self._text[self._at + 1] != "\n" else 1
