"""The strategies, one file each, and how a configuration finds them by name."""

from __future__ import annotations

import importlib
from functools import lru_cache
from typing import TYPE_CHECKING, Final

from dnslb.policy.strategies.all import All
from dnslb.policy.strategies.base import Candidate, Choice, Strategy
from dnslb.policy.strategies.failover import Failover
from dnslb.policy.strategies.fastest import Fastest
from dnslb.policy.strategies.geo import Geo
from dnslb.policy.strategies.least_load import LeastLoad
from dnslb.policy.strategies.nearest import Nearest
from dnslb.policy.strategies.round_robin import RoundRobin
from dnslb.policy.strategies.subnet import Subnet
from dnslb.policy.strategies.weighted import Weighted

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["BUILT_IN", "NAMES", "Candidate", "Choice", "Strategy", "find"]

BUILT_IN: Final[Mapping[str, Strategy]] = {
    strategy.name: strategy
    for strategy in (
        Weighted(),
        RoundRobin(),
        LeastLoad(),
        Subnet(),
        Failover(),
        Fastest(),
        All(),
        Geo(),
        Nearest(),
    )
}

NAMES: Final = tuple(BUILT_IN)
"""The names of the strategies that dnslb brings along."""


@lru_cache
def find(name: str) -> Strategy:
    """The strategy called `name`, or an instance of the operator's own `package.module:Class`.

    Raises:
        LookupError: there is none; the message says why.
    """
    if name in BUILT_IN:
        return BUILT_IN[name]
    module_name, colon, class_name = name.partition(":")
    if not colon:
        raise LookupError(
            f"unknown strategy {name!r}; there are {', '.join(NAMES)}, "
            "or your own as package.module:Class"
        )
    try:
        module = importlib.import_module(module_name)
    except (Exception, SystemExit) as error:  # the operator's module may fail in any way
        reason = f"{type(error).__name__}: {error}"
        raise LookupError(f"strategy {name!r}: cannot import {module_name}: {reason}") from error
    found = getattr(module, class_name, None)
    if found is None:
        raise LookupError(f"strategy {name!r}: {module_name} has no {class_name}")
    if not (isinstance(found, type) and issubclass(found, Strategy)):
        raise LookupError(
            f"strategy {name!r}: {class_name} is no subclass of dnslb.policy.strategies.Strategy"
        )
    try:
        strategy: Strategy = found()
    except (Exception, SystemExit) as error:
        reason = f"{type(error).__name__}: {error}"
        raise LookupError(f"strategy {name!r}: cannot make a {class_name}: {reason}") from error
    if not isinstance(getattr(strategy, "name", None), str):
        raise LookupError(f"strategy {name!r}: {class_name} has no `name`")
    return strategy
