"""Master files: the records of a zone as BIND and others write them (RFC 1035 section 5).

Understood are `$ORIGIN`, `$TTL`, owner names left out, TTL and class in either order, comments,
quotes, parentheses and unknown types. Reading goes on behind a wrong entry, so that all are told.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from dnslb.zone.fields import seconds
from dnslb.zone.names import from_text, lower
from dnslb.zone.rdata import RdataError, parse_rdata
from dnslb.zone.tokens import Line, TextError, lines
from dnslb.zone.types import is_meta, type_number

if TYPE_CHECKING:
    from dnslb.zone.tokens import Token

__all__ = ["MAX_TTL", "MasterFile", "Record", "parse_master"]

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
                ttl = _ttl(token)
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
        ttl = self._ttl if ttl is None else ttl
        self.file.records.append(Record(owner, number, ttl, rdata, first.line, first.column))

    def _directive(self, first: Token, rest: list[Token]) -> None:
        name = first.text.upper()
        if name not in {"$ORIGIN", "$TTL"}:
            if name == "$INCLUDE":
                raise _error("$INCLUDE is not read; name the file under `include` instead", first)
            raise _error(f"{first.text} has no meaning here; there are $ORIGIN and $TTL", first)
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
