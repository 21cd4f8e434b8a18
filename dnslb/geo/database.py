"""Databases of locations as files: opened once, known again, refused with a reason."""

from __future__ import annotations

import weakref
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, NamedTuple

from dnslb.config.problem import shown
from dnslb.engine import read_database
from dnslb.errors import DatabaseError

if TYPE_CHECKING:
    from pathlib import Path

    from dnslb._engine import Database

__all__ = ["Opened", "Signature", "open_database", "signature_of"]


class Signature(NamedTuple):
    """By which a file is known to be the one that was read."""

    modified: int  # nanoseconds since 1970
    size: int
    inode: int


@dataclass(frozen=True)
class Opened:
    """A database, and the file that it was read from."""

    path: Path
    signature: Signature
    database: Database


_opened: Final[weakref.WeakValueDictionary[tuple[Path, Signature], Opened]] = (
    weakref.WeakValueDictionary()
)


def signature_of(path: Path) -> Signature:
    """The signature of the file at `path` now.

    Raises:
        OSError: there is none.
    """
    stat = path.stat()
    return Signature(stat.st_mtime_ns, stat.st_size, stat.st_ino)


def open_database(path: Path) -> Opened:
    """The database at `path`; one that is in use is not read again while its file is the same.

    Raises:
        DatabaseError: it cannot be used; the message says why and what to do.
    """
    try:
        signature = signature_of(path)
        opened = _opened.get((path, signature))
        if opened is not None:
            return opened
        opened = Opened(path, signature, read_database(path))
        if signature_of(path) != signature:
            raise DatabaseError(f"{shown(path)}: the file changed while it was read; try again")
    except OSError as error:
        raise DatabaseError(f"{shown(path)}: {error.strerror or error}") from error
    except ValueError as error:
        raise DatabaseError(f"{shown(path)}: {error}; put a whole file in its place") from error
    _opened[path, signature] = opened
    return opened
