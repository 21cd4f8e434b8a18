"""Checks of the operator's own: a class named in the configuration as `package.module:Class`."""

from __future__ import annotations

from functools import lru_cache

from dnslb.health.checks.base import Check
from dnslb.own import find_class

__all__ = ["find"]


@lru_cache
def find(name: str) -> type[Check]:
    """The subclass of `Check` called `name`.

    Raises:
        LookupError: there is none; the message says why.
    """
    base = "dnslb.health.checks.base.Check"
    return find_class("check", name, Check, base)  # type: ignore[type-abstract]
