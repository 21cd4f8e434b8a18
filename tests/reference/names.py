"""Domain names as tuples of labels, the root's empty label left out."""

from __future__ import annotations

Name = tuple[bytes, ...]

ROOT: Name = ()
MAX_NAME = 255  # octets in wire format (RFC 1035 section 2.3.4)
MAX_LABEL = 63


def fold(name: Name) -> Name:
    """The name in lower case; only ASCII letters have case (RFC 4343 section 3)."""
    return tuple(label.lower() for label in name)


def octets(name: Name) -> int:
    """The length of a name in wire format."""
    return sum(1 + len(label) for label in name) + 1


def is_within(name: Name, origin: Name) -> bool:
    """Whether `name` is `origin` or below it, in whatever case."""
    return len(name) >= len(origin) and fold(name[len(name) - len(origin) :]) == fold(origin)


def encode(name: Name) -> bytes:
    """The wire format, uncompressed (RFC 1035 section 3.1)."""
    return b"".join(bytes([len(label)]) + label for label in name) + b"\0"


def text(name: Name) -> str:
    """For messages and master files: every octet that could mean something else is escaped."""
    return "".join("".join(map(_character, label)) + "." for label in name) or "."


def _character(octet: int) -> str:
    plain = chr(octet).isalnum() and octet < 0x80
    return chr(octet) if plain or octet in b"-_*" else f"\\{octet:03d}"


def decode(message: bytes, at: int) -> tuple[Name, int]:
    """The name that begins at `at`, and where it ends there (RFC 1035 section 4.1.4).

    Raises:
        ValueError: no name stands there; each pointer has to point before everything read so far,
            so a loop is an error like any other.
    """
    labels: list[bytes] = []
    end = None
    earliest = at
    while True:
        length = message[at] if at < len(message) else -1
        if length == 0:
            name = tuple(labels)
            if octets(name) > MAX_NAME:
                raise ValueError("name too long")
            return name, at + 1 if end is None else end
        if 0 < length <= MAX_LABEL and at + 1 + length <= len(message):
            labels.append(message[at + 1 : at + 1 + length])
            at += 1 + length
        elif length >= 0xC0 and at + 2 <= len(message):
            end = at + 2 if end is None else end
            at = (length & 0x3F) << 8 | message[at + 1]
            if at >= earliest:
                raise ValueError("pointer that does not point back")
            earliest = at
        else:
            raise ValueError("no name")
