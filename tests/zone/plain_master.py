"""A plain reader of master files, to hold the engine's against: slow, and easy to see through.

It knows `$ORIGIN` and `$TTL`, and stops at a quote or parenthesis without its partner.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from dnslb.zone.fields import seconds
from dnslb.zone.names import from_text, lower
from dnslb.zone.rdata import RdataError, parse_rdata
from dnslb.zone.types import is_meta, type_number

if TYPE_CHECKING:
    from collections.abc import Iterator

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


class _Scanner:
    def __init__(self, text: str) -> None:
        self._text = text
        self._at = 0
        self._line = 1
        self._start = 0  # where the line begins

    def lines(self) -> Iterator[Line]:
        opened: tuple[int, int] | None = None
        line = self._begin()
        while self._at < len(self._text):
            character = self._text[self._at]
            if character == "\n":
                self._newline()
                if opened is None:
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


MAX_TTL: Final = 0x7FFF_FFFF
"""RFC 2181 section 8."""

_CLASSES: Final = {"IN", "CH", "HS", "CS"}


@dataclass(frozen=True, slots=True)
class Record:
    """A record and its place, counted from 1."""

    owner: bytes  # absolute, in lower case, wire format
    type: int
    ttl: int | None  # seconds; None: the zone's own
    rdata: bytes
    line: int = 1
    column: int = 1


@dataclass(slots=True)
class MasterFile:
    """What a master file holds, and what is wrong with it."""

    records: list[Record] = field(default_factory=list)
    errors: list[TextError] = field(default_factory=list)


def parse_master(text: str, origin: bytes) -> MasterFile:
    """Read the master file `text`, whose names are relative to `origin`."""
    reader = _Reader(origin)
    try:
        for line in lines(text):
            try:
                reader.entry(line)
            except TextError as error:
                reader.file.errors.append(error)
    except TextError as error:
        reader.file.errors.append(error)
    return reader.file


class _Reader:
    def __init__(self, origin: bytes) -> None:
        self.file = MasterFile()
        self._origin = origin
        self._owner: bytes | None = None
        self._ttl: int | None = None
        self._stated: int | None = None  # the last one that a record had

    def entry(self, line: Line) -> None:
        first, *rest = line.tokens
        if first.text.startswith("$") and not line.indented and not first.quoted:
            self._directive(first, rest)
            return
        if line.indented:
            rest = line.tokens
        else:
            self._owner = None  # no record of the owner before may slip to this one's entry
            self._owner = lower(self._name(first))
        if self._owner is None:
            raise _error("no owner name stands here or before", first)
        self._record(self._owner, first, rest)

    def _record(self, owner: bytes, first: Token, tokens: list[Token]) -> None:
        ttl: int | None = None
        seen_class = False
        at = 0
        for token in tokens[:2]:
            if not seen_class and token.text.upper() in _CLASSES:
                if token.text.upper() != "IN":
                    raise _error(f"class {token.text.upper()} is not served, only IN", token)
                seen_class = True
            elif ttl is None and token.text[:1].isdecimal():
                ttl = self._stated = _ttl(token)
            else:
                break
            at += 1
        if at == len(tokens):
            raise _error("the record's type is missing", tokens[-1] if tokens else first)
        number = type_number(tokens[at].text)
        if number is None or is_meta(number):
            raise _error(f'"{tokens[at].text}" is no type of records', tokens[at])
        try:
            rdata = parse_rdata(number, tokens[at + 1 :], self._origin)
        except RdataError as error:
            raise _error(str(error), tokens[at]) from None
        default = self._stated if self._ttl is None else self._ttl
        ttl = default if ttl is None else ttl
        self.file.records.append(Record(owner, number, ttl, rdata, first.line, first.column))

    def _directive(self, first: Token, rest: list[Token]) -> None:
        name = first.text.upper()
        if name not in {"$ORIGIN", "$TTL"}:
            raise _error(f"{first.text} is not read here", first)
        if len(rest) != 1:
            raise _error(f"{name} takes one value", rest[1] if rest else first)
        if name == "$TTL":
            self._ttl = _ttl(rest[0])
        else:
            self._origin = self._name(rest[0])

    def _name(self, token: Token) -> bytes:
        try:
            return from_text(token.text, self._origin)
        except ValueError as error:
            raise _error(f'"{token.text}" is no name: {error}', token) from None


def _ttl(token: Token) -> int:
    value = seconds(token.text)
    if value is None or value > MAX_TTL:
        raise _error(f'"{token.text}" is no TTL such as 300 or 5m, up to {MAX_TTL}', token)
    return value


def _error(message: str, token: Token) -> TextError:
    return TextError(message, token.line, token.column)
