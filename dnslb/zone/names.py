"""Domain names: between text and the wire format of RFC 1035, section 3.1.

In wire format a name is a row of labels, each after its length, ended by the root's zero octet.
The case of letters is kept unless `lower` is asked to change it; only ASCII has case (RFC 4343).
"""

from __future__ import annotations

import re
from functools import lru_cache
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterable

__all__ = [
    "MAX_LABEL",
    "MAX_NAME",
    "ROOT",
    "ancestors",
    "from_labels",
    "from_text",
    "is_wildcard",
    "is_within",
    "labels",
    "looks_absolute",
    "lower",
    "octets",
    "parent",
    "relative",
    "to_text",
]

ROOT: Final = b"\0"
MAX_LABEL: Final = 63
MAX_NAME: Final = 255
"""Octets of a name in wire format, lengths and final zero included."""


def from_text(text: str, origin: bytes = ROOT) -> bytes:
    r"""The name that `text` writes, with the escapes `\.` and `\DDD`.

    Text that does not end in a dot is relative to `origin`, and `@` is `origin` itself.

    Raises:
        ValueError: it is no domain name; the message says why.
    """
    if text == "@":
        return origin
    if text == ".":
        return ROOT
    parts = _split(text)
    absolute = parts[-1] == b""
    if absolute:
        parts.pop()
    if not all(parts) or not text:
        raise ValueError("a label is empty" if text else "it is empty")
    name = from_labels(parts)
    return name if absolute else _joined(name[:-1] + origin)


def from_labels(parts: Iterable[bytes]) -> bytes:
    """The name made of these labels, the root's left out.

    Raises:
        ValueError: a label or the name is too long.
    """
    wire = bytearray()
    for label in parts:
        if len(label) > MAX_LABEL:
            raise ValueError(f"a label has {len(label)} octets, {MAX_LABEL} is the most")
        wire.append(len(label))
        wire += label
    return _joined(bytes(wire) + ROOT)


def _joined(name: bytes) -> bytes:
    if len(name) > MAX_NAME:
        raise ValueError(f"the name takes {len(name)} octets, {MAX_NAME} is the most")
    return name


_SIMPLE: Final = re.compile(r"[A-Za-z0-9_*.-]*", re.ASCII)
"""Names in which every character but the dot stands for itself."""


def _split(text: str) -> list[bytes]:
    """The labels, escapes resolved; a final dot leaves an empty one behind."""
    if _SIMPLE.fullmatch(text):
        return text.encode().split(b".")
    if not text.isascii():
        raise ValueError("names are ASCII; write other letters in their xn-- form")
    parts = [bytearray()]
    at = 0
    while at < len(text):
        character = text[at]
        if character == "\\":
            octet, at = _escape(text, at)
            parts[-1].append(octet)
            continue
        if character == ".":
            parts.append(bytearray())
        elif character.isprintable() and character not in ' "();':
            parts[-1].append(ord(character))
        else:
            raise ValueError(f"{character!r} cannot stand in a name")
        at += 1
    return [bytes(part) for part in parts]


def _escape(text: str, at: int) -> tuple[int, int]:
    r"""The octet that the escape at `at` stands for, and where the text goes on."""
    digits = text[at + 1 : at + 4]
    if digits[:1].isdecimal():
        if len(digits) < 3 or not digits.isdecimal() or int(digits) > 255:
            raise ValueError(f"\\{digits} is no escape; write three digits up to 255")
        return int(digits), at + 4
    if not digits:
        raise ValueError("a backslash ends the text")
    if not digits[0].isascii():
        raise ValueError(f"\\{digits[0]} is no escape")
    return ord(digits[0]), at + 2


def octets(text: str) -> bytes:
    r"""The octets of a character-string (RFC 1035 section 5.1); letters beyond ASCII as UTF-8.

    Raises:
        ValueError: an escape is wrong.
    """
    if "\\" not in text:
        return text.encode()
    result = bytearray()
    at = 0
    while at < len(text):
        if text[at] == "\\":
            octet, at = _escape(text, at)
            result.append(octet)
        else:
            result += text[at].encode()
            at += 1
    return bytes(result)


def labels(name: bytes) -> tuple[bytes, ...]:
    """The labels of a name, the root's left out."""
    found = []
    at = 0
    while length := name[at]:
        found.append(name[at + 1 : at + 1 + length])
        at += 1 + length
    return tuple(found)


def to_text(name: bytes) -> str:
    """The name as text, with its final dot."""
    return "".join(f"{_label_text(label)}." for label in labels(name)) or "."


_SIMPLE_LABEL: Final = re.compile(rb"[A-Za-z0-9_*-]*")


def _label_text(label: bytes) -> str:
    if _SIMPLE_LABEL.fullmatch(label):
        return label.decode()
    return "".join(
        f"\\{chr(octet)}"
        if octet in b'.\\"();@$'
        else chr(octet)
        if 0x21 <= octet <= 0x7E
        else f"\\{octet:03d}"
        for octet in label
    )


def relative(name: bytes, origin: bytes) -> str:
    """The name as text relative to `origin`, in or below which it is; `@` for `origin` itself."""
    return "@" if name == origin else to_text(name[: len(name) - len(origin)] + ROOT)[:-1]


def lower(name: bytes) -> bytes:
    """The name in lower case; the lengths of labels are below `A` and stay as they are."""
    return name.lower()


def parent(name: bytes) -> bytes:
    """The name without its first label; not for the root."""
    return name[1 + name[0] :]


def ancestors(name: bytes) -> Iterable[bytes]:
    """The name, its parent, and so on to the root."""
    yield name
    while name[0]:
        name = parent(name)
        yield name


def is_within(name: bytes, origin: bytes) -> bool:
    """Whether `name` is `origin` or below it; both in one letter case."""
    return name.endswith(origin) and any(above == origin for above in ancestors(name))


def is_wildcard(name: bytes) -> bool:
    """Whether the first label is `*` (RFC 4592 section 2.1.1)."""
    return name.startswith(b"\x01*")


def looks_absolute(text: str, origin: bytes) -> bool:
    """Whether `text` is relative to `origin`, yet ends like it: its final dot was forgotten."""
    if text.endswith(".") or origin == ROOT:
        return False
    end = _ending(origin)
    return text.lower().endswith(end) and text.lower()[: -len(end)][-1:] in {"", "."}


@lru_cache(maxsize=16)
def _ending(origin: bytes) -> str:
    """An origin as relative names would end that should have had a dot."""
    return to_text(origin)[:-1].lower()
