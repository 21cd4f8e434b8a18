"""Checks of the operator's own: a class named in the configuration as `package.module:Class`."""

from __future__ import annotations

import importlib
from functools import lru_cache

from dnslb.health.checks.base import Check

__all__ = ["find"]


@lru_cache
def find(name: str) -> type[Check]:
    """The subclass of `Check` called `name`.

    Raises:
        LookupError: there is none; the message says why.
    """
    module_name, _, class_name = name.partition(":")
    try:
        module = importlib.import_module(module_name)
    except (Exception, SystemExit) as error:  # the operator's module may fail in any way
        reason = f"{type(error).__name__}: {error}"
        raise LookupError(f"check {name!r}: cannot import {module_name}: {reason}") from error
    found = getattr(module, class_name, None)
    if found is None:
        raise LookupError(f"check {name!r}: {module_name} has no {class_name}")
    if not (isinstance(found, type) and issubclass(found, Check)):
        raise LookupError(
            f"check {name!r}: {class_name} is no subclass of dnslb.health.checks.base.Check"
        )
    return found
