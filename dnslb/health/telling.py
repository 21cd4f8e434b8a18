"""What the monitor logs and tells: what an operator should see once, not at every probe."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from dnslb.config.model import PoolId
from dnslb.health.checks.base import Outcome
from dnslb.times import stamp

if TYPE_CHECKING:
    from collections.abc import Collection

    from dnslb.config.model import BackendId, Family, Subject
    from dnslb.events import Events
    from dnslb.health.checks.base import Result
    from dnslb.health.guard import PoolKey
    from dnslb.health.history import History
    from dnslb.health.operators import Wish
    from dnslb.health.scheduler import ProbeKey
    from dnslb.health.standing import Standing
    from dnslb.health.watched import Watched

__all__ = ["Teller"]

log = logging.getLogger("dnslb.health")


class Teller:
    """Logs, and tells `events`."""

    def __init__(self, events: Events) -> None:
        self._events = events

    @staticmethod
    def result(key: ProbeKey, history: History, result: Result) -> None:
        """What is odd about one result, when it is new."""
        failed_before = history.last is not None and history.last.outcome is Outcome.ERROR
        if result.outcome is Outcome.ERROR and not failed_before:
            log.error("check of %s cannot be made: %s", key, result.detail)
        if result.note and not history.noted:
            log.warning("check of %s passes, but %s", key, result.note)
        log.debug("check of %s: %s in %.1f ms", key, result, result.milliseconds)

    @staticmethod
    def down(
        item: Watched, families: Collection[Family], key: ProbeKey, history: History, *, first: bool
    ) -> None:
        """A probe takes these families of a backend down, if there are any."""
        if families:
            name, over, fall = item.backend.id, item.over(families), key.check.fall
            count = "first result" if first else f"{fall} of {fall}"
            log.warning("backend %s down%s: %s; %s (%s)", name, over, history.failure, key, count)

    @staticmethod
    def up(item: Watched, families: Collection[Family], *, first: bool) -> None:
        """These families of a backend are up."""
        # the first passes of a start are as many as there are backends, and no news
        level = logging.DEBUG if first else logging.INFO
        log.log(level, "backend %s up%s", item.backend.id, item.over(families))

    def verdict(self, backend: BackendId, standing: Standing) -> None:
        """A backend went down or came up, in one family or both."""
        down = sorted(family.name.lower() for family in standing.down)
        self._events.tell("verdict", **_named(backend), down=down, reason=standing.reason)

    def state(self, subject: Subject, wish: Wish) -> None:
        """The operator wants something else of a backend or pool."""
        why = f": {wish.reason}" if wish.reason else ""
        kind = "pool" if isinstance(subject, PoolId) else "backend"
        log.info("%s %s: operator state %s%s", kind, subject, wish.state.value, why)
        if isinstance(subject, PoolId):
            named: dict[str, str | None]
            named = {"zone": subject.zone, "pool": subject.name, "backend": None}
        else:
            named = {**_named(subject)}
        self._events.tell(
            "state",
            **named,
            state=wish.state.value,
            reason=wish.reason,
            until=stamp(wish.until),
        )

    def frozen(self, name: BackendId, limit: int, reason: str, *, first: bool) -> None:
        """A backend is held up; with the `first` its pool is frozen."""
        if first:
            log.error(
                "pool %s frozen: more than %d of its backends went down within its window, which "
                "looks like a fault of the checks; no other goes down until those held up pass "
                "again, or you thaw the pool",
                name.pool,
                limit,
            )
            self._events.tell("frozen", zone=name.zone, pool=name.pool, most=limit)
        log.warning("backend %s held up, since its pool is frozen: %s", name, reason)

    def thawed(self, pool: PoolKey, down: Collection[BackendId] = ()) -> None:
        """A pool is no longer frozen: what was held up passes again, or goes `down`."""
        zone, name = pool
        if down:
            log.warning("pool %s thawed by the operator: %d backends go down", name, len(down))
        self._events.tell("thawed", zone=zone, pool=name, down=sorted(one.name for one in down))

    def isolated(self, *, isolated: bool) -> None:
        """This server is cut off, or no longer; the canaries log it."""
        self._events.tell("isolated", isolated=isolated)


def _named(backend: BackendId) -> dict[str, str]:
    """A backend as events name it."""
    return {"zone": backend.zone, "pool": backend.pool, "backend": backend.name}
