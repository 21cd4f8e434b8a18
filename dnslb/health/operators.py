"""What the operator set: the state of backends, why, and until when."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from dnslb.health.standing import OperatorState

if TYPE_CHECKING:
    from collections.abc import Collection

    from dnslb.config.model import BackendId

__all__ = ["Operators", "Wish"]


class Wish(NamedTuple):
    """What the operator wants of one backend."""

    state: OperatorState = OperatorState.AUTO
    reason: str = ""
    until: float | None = None  # seconds since 1970, when it is `auto` again; None: for good


class Operators:
    """The operator's wishes."""

    def __init__(self) -> None:
        self._wishes: dict[BackendId, Wish] = {}

    def set(self, backend: BackendId, wish: Wish) -> None:
        """Take a wish in."""
        if wish.state is OperatorState.AUTO:
            self._wishes.pop(backend, None)
        else:
            self._wishes[backend] = wish

    def of(self, backend: BackendId) -> Wish:
        """The wish for `backend`."""
        return self._wishes.get(backend, Wish())

    def keep(self, backends: Collection[BackendId]) -> None:
        """Forget all others."""
        self._wishes = {name: wish for name, wish in self._wishes.items() if name in backends}
