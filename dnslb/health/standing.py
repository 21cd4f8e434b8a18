"""What is known of a backend at one moment: all that compiling a plan needs."""

from __future__ import annotations

import enum
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from dnslb.config.model import Family

__all__ = ["ALWAYS_UP", "OperatorState", "Standing", "matters"]

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

    def serves(self, family: Family) -> bool:
        """Whether answers of this family may carry the backend."""
        if self.state is OperatorState.AUTO:
            return family not in self.down
        return self.state is OperatorState.UP

    @property
    def withheld(self) -> bool:
        """Whether the operator keeps this backend out of answers."""
        return self.state in {OperatorState.DOWN, OperatorState.DRAIN}


ALWAYS_UP: Final = Standing()
"""A backend without a check."""


def matters(before: Standing, after: Standing) -> bool:
    """Whether plans made with `before` should be made anew with `after`."""
    return before is not after and (
        (before.down, before.state) != (after.down, after.state)
        or _load_moved(before.load, after.load)
        or _latency_moved(before.latency, after.latency)
    )


def _load_moved(before: float | None, after: float | None) -> bool:
    if before is None or after is None:
        return before is not after
    return abs(after - before) >= LOAD_NOISE or (before < 1) != (after < 1)


def _latency_moved(before: float | None, after: float | None) -> bool:
    if before is None or after is None:
        return before is not after
    return abs(after - before) >= max(LATENCY_NOISE, LATENCY_NOISE_SHARE * before)
