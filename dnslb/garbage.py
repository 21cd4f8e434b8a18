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


MANY: Final = 100_000
"""Objects that are not worth a look when all of them were made at once, to stay."""


def settle(*, thoroughly: bool = True) -> None:
    """Look once through everything, and from now on only at what is made later.

    To be called when a configuration has come into force, when a pause hurts least. It lasts a
    second where there are ten thousand services; unless `thoroughly`, what was here before, or was
    made while `paused`, is left out.
    """
    gc.set_threshold(*THRESHOLDS)
    if thoroughly:
        gc.unfreeze()
    gc.collect()
    gc.freeze()


@contextmanager
def paused() -> Iterator[None]:
    """Do not look for garbage meanwhile: for work that makes very much which is here to stay.

    If that is `MANY` objects, they are not looked at afterwards, either, before things `settle`.
    """
    was = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if gc.get_count()[0] > MANY:
            gc.freeze()
        if was:
            gc.enable()
