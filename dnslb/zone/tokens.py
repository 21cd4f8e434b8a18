"""The words of rdata in zone-file format (RFC 1035 section 5.1): quotes, escapes, parentheses.

A token keeps its escapes, because a name and a character-string read them differently. Of master
files the engine finds the words, by the same rules (`engine/src/master/words.rs`).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

__all__ = ["TextError", "Token", "words"]

_SPACE: Final = " \t\r\v\f\n"
_ENDS: Final = _SPACE + '"();'


class TextError(ValueError):
    """Text that is not in zone-file format."""


@dataclass(frozen=True, slots=True)
class Token:
    """A word: its text without the quotes."""

    text: str
    quoted: bool = False


def words(text: str) -> list[Token]:
    """The words of one record's rdata; a line's end is nothing but space.

    Raises:
        TextError: a quote or parenthesis without its partner, or a bare `;`, which would begin a
            comment.
    """
    return _Scanner(text).words()


class _Scanner:
    def __init__(self, text: str) -> None:
        self._text = text
        self._at = 0

    def words(self) -> list[Token]:
        found: list[Token] = []
        opened = False
        while self._at < len(self._text):
            character = self._text[self._at]
            if character in _SPACE:
                self._at += 1
            elif character == ";":
                raise TextError(
                    "; begins a comment in zone-file format; put the text between double quotes"
                )
            elif character in "()":
                if opened == (character == "("):
                    raise TextError("( stands inside of another" if opened else ") without a (")
                opened = not opened
                self._at += 1
            elif character == '"':
                found.append(Token(self._quoted(), quoted=True))
            else:
                found.append(Token(self._word()))
        if opened:
            raise TextError("( is never closed")
        return found

    def _word(self) -> str:
        start = self._at
        text = ""
        while self._at < len(self._text) and self._text[self._at] not in _ENDS:
            self._skip()
            if self._text[self._at - 1 : self._at + 1] == '="':
                # key="value" is one word (RFC 9460 section 2.1)
                text += self._text[start : self._at] + self._quoted()
                start = self._at
        return text + self._text[start : self._at]

    def _quoted(self) -> str:
        start = self._at = self._at + 1
        while self._text[self._at : self._at + 1] not in {'"', "\n", ""}:
            self._skip()
        if self._text[self._at : self._at + 1] != '"':
            raise TextError('" is never closed in its line')
        self._at += 1
        return self._text[start : self._at - 1]

    def _skip(self) -> None:
        """Go past one character, or an escaped one with its backslash."""
        escaped = self._text[self._at] == "\\" and self._at + 1 < len(self._text)
        self._at += 2 if escaped and self._text[self._at + 1] != "\n" else 1
