"""When Python looks for garbage: not at what is here to stay.

A configuration of ten thousand backends is a million objects. To look through them all takes half a
second, in which nothing else runs, and finds nothing; Python would do so a few times a minute.
"""

from __future__ import annotations

import gc
from contextlib import contextmanager
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["paused", "settle"]

THRESHOLDS: Final = (10_000, 20, 100)
"""After so many new objects that stay Python looks among the new ones; after so many such looks,
among older ones; after so many of these, among all."""


def settle() -> None:
    """Look once through everything, and from now on only at what is made later.

    To be called when a configuration has come into force, when a pause hurts least.
    """
    gc.set_threshold(*THRESHOLDS)
    gc.unfreeze()
    gc.collect()
    gc.freeze()


@contextmanager
def paused() -> Iterator[None]:
    """Do not look for garbage meanwhile: for work that makes very much which is here to stay.

    What was made is then looked at once, and not again with each further tenth of it.
    """
    was = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was:
            gc.enable()
