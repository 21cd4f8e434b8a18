"""Classes of the operator's own: named in the configuration as `package.module:Class`."""

from __future__ import annotations

import importlib
from typing import TypeVar

__all__ = ["find_class"]

T = TypeVar("T")


def find_class(kind: str, name: str, base: type[T], known_as: str) -> type[T]:
    """The subclass of `base`, which operators know as `known_as`, that is called `name`.

    Raises:
        LookupError: there is none; the message says why, and begins with `kind`.
    """
    module_name, _, class_name = name.partition(":")
    try:
        module = importlib.import_module(module_name)
    except (Exception, SystemExit) as error:  # the operator's module may fail in any way
        reason = f"{type(error).__name__}: {error}"
        raise LookupError(f"{kind} {name!r}: cannot import {module_name}: {reason}") from error
    found = getattr(module, class_name, None)
    if found is None:
        raise LookupError(f"{kind} {name!r}: {module_name} has no {class_name}")
    if not (isinstance(found, type) and issubclass(found, base)):
        raise LookupError(f"{kind} {name!r}: {class_name} is no subclass of {known_as}")
    return found
