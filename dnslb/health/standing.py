"""What is known of a backend at one moment: all that compiling a plan needs, and why."""

from __future__ import annotations

import enum
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from dnslb.config.model import Family

__all__ = ["ALWAYS_UP", "OperatorState", "Standing", "matters", "turned"]

LOAD_NOISE: Final = 0.02
LATENCY_NOISE: Final = 0.5  # milliseconds
LATENCY_NOISE_SHARE: Final = 0.05
"""Load or latency that moved by less is noise, and provokes no publish."""


class OperatorState(enum.Enum):
    """What the operator wants of a backend, kept apart from what its checks say."""

    AUTO = "auto"  # follow the verdict
    UP = "up"  # forced up
    DOWN = "down"  # forced down
    DRAIN = "drain"  # no new answers; existing caches run out


@dataclass(frozen=True, slots=True)
class Standing:
    """Verdict, load and operator state of one backend."""

    down: frozenset[Family] = frozenset()  # families whose verdict is down (or not known yet)
    load: float | None = None  # 0 idle, 1 full, may exceed 1
    latency: float | None = None  # milliseconds, the median of recent checks
    state: OperatorState = OperatorState.AUTO
    reason: str = ""  # why it is down, in an operator's words; empty when up
    weight: float = 1.0  # how much of its configured weight counts: slow start, its agent's wish
    drained: str = ""  # `drain` or `maint`, when its agent wants no new clients
    held: bool = False  # whether it is down by its checks, and up since its pool is frozen
    since: float = 0.0  # when the verdict changed last, seconds since 1970

    def serves(self, family: Family) -> bool:
        """Whether answers of this family may carry the backend."""
        if self.state is OperatorState.AUTO:
            return family not in self.down and not self.drained
        return self.state is OperatorState.UP

    @property
    def withheld(self) -> bool:
        """Whether the operator, or its agent, keeps this backend out of answers."""
        if self.state is OperatorState.AUTO:
            return bool(self.drained)
        return self.state in {OperatorState.DOWN, OperatorState.DRAIN}


ALWAYS_UP: Final = Standing()
"""A backend without a check."""


def turned(before: Standing, after: Standing) -> bool:
    """Whether every plan that holds the backend may differ: not load and latency alone changed."""
    return (before.down, before.state, before.weight, before.drained) != (
        after.down,
        after.state,
        after.weight,
        after.drained,
    )


def matters(before: Standing, after: Standing) -> bool:
    """Whether plans made with `before` should be made anew with `after`."""
    return before is not after and (
        turned(before, after)
        or _load_moved(before.load, after.load)
        or latency_moved(before.latency, after.latency)
    )


def _load_moved(before: float | None, after: float | None) -> bool:
    if before is None or after is None:
        return before is not after
    return abs(after - before) >= LOAD_NOISE or (before < 1) != (after < 1)


def latency_moved(before: float | None, after: float | None, noise: float = 1.0) -> bool:
    """Whether a latency changed by more than `noise` times what it does by itself."""
    if before is None or after is None:
        return before is not after
    return abs(after - before) >= noise * max(LATENCY_NOISE, LATENCY_NOISE_SHARE * before)
