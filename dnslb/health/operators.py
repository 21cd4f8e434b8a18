"""What the operator set: the state of backends and pools, why, and until when."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, NamedTuple

from dnslb.health.standing import OperatorState, Standing

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable

    from dnslb.config.model import PoolId, Subject

__all__ = ["Operators", "Wish"]


class Wish(NamedTuple):
    """What the operator wants of one backend or pool."""

    state: OperatorState = OperatorState.AUTO
    reason: str = ""
    until: float | None = None  # seconds since 1970, when it is `auto` again; None: for good

    @property
    def over(self) -> bool:
        """Whether its time is over."""
        return self.until is not None and self.until <= time.time()


class Operators:
    """The operator's wishes."""

    def __init__(self) -> None:
        self._wishes: dict[Subject, Wish] = {}

    def set(self, subject: Subject, wish: Wish) -> None:
        """Take a wish in."""
        if wish.state is OperatorState.AUTO:
            self._wishes.pop(subject, None)
        else:
            self._wishes[subject] = wish

    def of(self, subject: Subject) -> Wish:
        """The wish for `subject`."""
        return self._wishes.get(subject, Wish())

    def standings(self, pools: Iterable[PoolId]) -> dict[Subject, Standing]:
        """Where `pools` stand by these wishes alone."""
        return {pool: Standing(state=self.of(pool).state) for pool in pools}

    def keep(self, subjects: Collection[Subject]) -> None:
        """Forget all others."""
        self._wishes = {name: wish for name, wish in self._wishes.items() if name in subjects}
