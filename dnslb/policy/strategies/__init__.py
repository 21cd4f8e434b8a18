"""The strategies, one file each, and how a configuration finds them by name."""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING, Final

from dnslb.own import find_class
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
    if ":" not in name:
        raise LookupError(
            f"unknown strategy {name!r}; there are {', '.join(NAMES)}, "
            "or your own as package.module:Class"
        )
    base = "dnslb.policy.strategies.Strategy"
    found = find_class("strategy", name, Strategy, base)  # type: ignore[type-abstract]
    try:
        strategy: Strategy = found()
    except (Exception, SystemExit) as error:
        reason = f"{type(error).__name__}: {error}"
        raise LookupError(f"strategy {name!r}: cannot make a {found.__name__}: {reason}") from error
    if not isinstance(getattr(strategy, "name", None), str):
        raise LookupError(f"strategy {name!r}: {found.__name__} has no `name`")
    return strategy
