"""Finding the native engine, with an error that says what to do when it is not there."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, cast

from dnslb import __version__
from dnslb.errors import EngineMissingError

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from pathlib import Path
    from types import ModuleType

    from dnslb._engine import Database, Engine, NetworkMap, Records
    from dnslb.config.model import Network

__all__ = ["network_map", "new_engine", "new_records", "read_database", "slot_owners"]


def read_database(path: Path) -> Database:
    """The database of locations at `path`, read and checked whole.

    Raises:
        EngineMissingError: as for `new_engine`.
        OSError: the file cannot be read.
        ValueError: it is no database that can be used.
    """
    return cast("Database", _extension().Database(path))


def new_engine() -> Engine:
    """A new engine, which has nothing published and nothing bound.

    Raises:
        EngineMissingError: the extension is not built, or was built from another version.
    """
    return cast("Engine", _extension().Engine())


def new_records(origin: bytes) -> Records:
    """The records of a zone at `origin`, none so far.

    Raises:
        EngineMissingError: as for `new_engine`.
    """
    return cast("Records", _extension().Records(origin))


def network_map(networks: Iterable[tuple[Network, int]], default: int = 0) -> NetworkMap:
    """The map in which the longest of `networks` decides on an address's label, else `default`.

    Raises:
        EngineMissingError: as for `new_engine`.
        ValueError: a label is too large.
    """
    cells = [(network.network_address, network.prefixlen, label) for network, label in networks]
    return cast("NetworkMap", _extension().NetworkMap.of(cells, default))


def slot_owners(
    slots: int,
    choices: Sequence[tuple[int, float]],
    factor: float | None = None,
    among: Sequence[tuple[int, float]] = (),
) -> list[int]:
    """For each slot of a `Hash` the place of the choice that it belongs to.

    Raises:
        EngineMissingError: as for `new_engine`.
        ValueError: the engine refuses such a `Hash`.
    """
    return cast("list[int]", _extension().slot_owners(slots, choices, factor, among))


def _extension() -> ModuleType:
    """The extension, imported here and nowhere else, so that what needs it not works without."""
    try:
        module = importlib.import_module("dnslb._engine")
    except ImportError as error:
        raise EngineMissingError(
            f"the engine is not built ({error}); run `make build` in the source folder, "
            "or install a wheel of dnslb"
        ) from error
    if module.__version__ != __version__:
        raise EngineMissingError(
            f"the engine is of version {module.__version__}, the package of {__version__}; "
            "run `make build` in the source folder"
        )
    return module
