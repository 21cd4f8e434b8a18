"""Files that only the server should read: secrets, tokens."""

from __future__ import annotations

import stat
from contextlib import suppress
from typing import TYPE_CHECKING, NamedTuple

from dnslb.config.files import read_text
from dnslb.config.spot import Spot

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["SecretFile", "read_secret", "words_of"]


class SecretFile(NamedTuple):
    """What is in such a file."""

    file: Path
    lines: list[tuple[Spot, list[str]]]  # those that say something: where, and their words
    whole: Spot


def read_secret(name: str, spot: Spot, *, missing: str, danger: str) -> SecretFile | None:
    """The file `name`, which the key at `spot` has; None when its problem is told.

    One that everybody may read is warned of, with the `danger` in that.
    """
    file = spot.file.parent / name
    text = read_text(file, spot.report, missing=missing)
    if text is None:
        return None
    with suppress(OSError):  # it has gone meanwhile
        if file.stat().st_mode & stat.S_IROTH:
            spot.warning(f"everybody may read {file.name}; {danger}")
    lines = [
        (Spot(spot.report, file, place=(number, 1)), words) for number, words in words_of(text)
    ]
    return SecretFile(file, lines, Spot(spot.report, file))


def words_of(text: str) -> list[tuple[int, list[str]]]:
    """The lines that say something, by their numbers; what follows `#` says nothing."""
    lines = (line.partition("#")[0].split() for line in text.splitlines())
    return [(number, words) for number, words in enumerate(lines, start=1) if words]
