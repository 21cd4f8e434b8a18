"""Finding the native engine, with an error that says what to do when it is not there."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, cast

from dnslb import __version__
from dnslb.errors import EngineMissingError

if TYPE_CHECKING:
    from dnslb._engine import Engine

__all__ = ["new_engine"]


def new_engine() -> Engine:
    """A new engine, which has nothing published and nothing bound.

    The extension is imported here and nowhere else, so that everything which does not answer
    queries works without it.

    Raises:
        EngineMissingError: the extension is not built, or was built from another version.
    """
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
    return cast("Engine", module.Engine())
