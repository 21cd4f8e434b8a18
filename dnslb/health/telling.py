"""What the monitor logs: what an operator should see once, not at every probe."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from dnslb.health.checks.base import Outcome

if TYPE_CHECKING:
    from collections.abc import Collection

    from dnslb.config.model import BackendId, Family
    from dnslb.health.checks.base import Result
    from dnslb.health.history import History
    from dnslb.health.scheduler import ProbeKey
    from dnslb.health.watched import Watched

__all__ = ["tell", "tell_down", "tell_frozen", "tell_up"]

log = logging.getLogger("dnslb.health")


def tell(key: ProbeKey, history: History, result: Result) -> None:
    """Log what is odd about one result, when it is new."""
    failed_before = history.last is not None and history.last.outcome is Outcome.ERROR
    if result.outcome is Outcome.ERROR and not failed_before:
        log.error("check of %s cannot be made: %s", key, result.detail)
    if result.note and not history.noted:
        log.warning("check of %s passes, but %s", key, result.note)
    log.debug("check of %s: %s in %.1f ms", key, result, result.milliseconds)


def tell_down(
    item: Watched, families: Collection[Family], key: ProbeKey, history: History, *, first: bool
) -> None:
    """Log that a probe takes these families of a backend down, if there are any."""
    if families:
        name, over, fall = item.backend.id, item.over(families), key.check.fall
        count = "first result" if first else f"{fall} of {fall}"
        log.warning("backend %s down%s: %s; %s (%s)", name, over, history.failure, key, count)


def tell_up(item: Watched, families: Collection[Family], *, first: bool) -> None:
    """Log that these families of a backend are up."""
    # the first passes of a start are as many as there are backends, and no news
    level = logging.DEBUG if first else logging.INFO
    log.log(level, "backend %s up%s", item.backend.id, item.over(families))


def tell_frozen(name: BackendId, limit: int, reason: str, *, first: bool) -> None:
    """Log that a backend is held up, and that its pool is frozen."""
    if first:
        log.error(
            "pool %s frozen: more than %d of its backends went down within its window, which looks "
            "like a fault of the checks; no other goes down until those held up pass again, "
            "or you thaw the pool",
            name.pool,
            limit,
        )
    log.warning("backend %s held up, since its pool is frozen: %s", name, reason)
