"""Several checks as one: what their verdicts add up to.

    all     up when every one is                   down as soon as one is
    any     up as soon as one is                   down when every one is
    quorum  up when N are                          down when so many are that N cannot be

Verdicts are combined rather than results, so each check keeps its own interval, rise and fall, and
shares its probes with whoever else uses it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from dnslb.health.checks.base import Check

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

__all__ = ["Group", "leaves", "verdict"]


@dataclass(frozen=True, slots=True)
class Group:
    """Up while at least `need` of its checks are."""

    checks: tuple[Check | Group, ...]
    need: int


def leaves(check: Check | Group | None) -> Iterator[Check]:
    """The checks that are probed, each as often as it stands there."""
    if isinstance(check, Check):
        yield check
    elif check is not None:
        for one in check.checks:
            yield from leaves(one)


def verdict(check: Check | Group, of: Callable[[Check], bool | None]) -> bool | None:
    """The verdict of `check`, where `of` gives that of each probe; None while it is open."""
    if isinstance(check, Check):
        return of(check)
    verdicts = [verdict(one, of) for one in check.checks]
    if verdicts.count(True) >= check.need:
        return True
    return False if len(verdicts) - verdicts.count(False) < check.need else None
