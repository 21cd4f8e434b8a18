"""Each hook has a task and a bounded queue of its own: none waits for another, nobody for any.

Events ─▶ queue of the hook ─▶ one event after the other ─▶ delivered, or given up and counted
"""

from __future__ import annotations

import asyncio
import logging
from collections import Counter
from typing import TYPE_CHECKING, Final

from dnslb.config.model import Webhook
from dnslb.hooks.command import Runner
from dnslb.hooks.message import GiveUpError

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from dnslb.config.model import Hook
    from dnslb.events import Events
    from dnslb.hooks.webhook import Poster

__all__ = ["Hooks"]

PARTING: Final = 2.0
"""Seconds that what is on its way gets when hooks end."""

log = logging.getLogger("dnslb.hooks")


def _poster(hook: Webhook) -> Poster:
    """What posts a webhook. It brings an HTTP client, which most servers never need."""
    from dnslb.hooks.webhook import Poster  # noqa: PLC0415

    return Poster(hook)


class Hooks:
    """The hooks of the configuration in force."""

    def __init__(self, events: Events) -> None:
        self._events = events
        self._tasks: dict[Hook, asyncio.Task[None]] = {}
        self._counts: Counter[tuple[str, str]] = Counter()
        self._idle: dict[Hook, asyncio.Event] = {}

    def configure(self, hooks: Iterable[Hook]) -> None:
        """Tell exactly `hooks` from now on; those that were there before go on as they are."""
        wanted = dict.fromkeys(hooks)
        for hook in [hook for hook in self._tasks if hook not in wanted]:
            self._tasks.pop(hook).cancel()
            self._idle.pop(hook)
        for hook in wanted:
            if hook not in self._tasks:
                for result in ("delivered", "failed", "dropped"):
                    self._counts[hook.name, result] += 0
                self._idle[hook] = asyncio.Event()
                self._tasks[hook] = asyncio.create_task(self._run(hook), name=f"hook {hook.name}")

    def counts(self) -> Mapping[tuple[str, str], int]:
        """How many events each hook, by its name, had `delivered`, `failed` and `dropped`."""
        return dict(self._counts)

    async def close(self) -> None:
        """Let what is on its way arrive, for a moment, and end."""
        waiting = [asyncio.ensure_future(idle.wait()) for idle in self._idle.values()]
        if waiting:
            await asyncio.wait(waiting, timeout=PARTING)
        tasks = [*waiting, *self._tasks.values()]
        self.configure(())
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _run(self, hook: Hook) -> None:
        carrier = _poster(hook) if isinstance(hook, Webhook) else Runner(hook)
        idle = self._idle[hook]
        failing = False
        try:
            with self._events.subscribed(hook.events) as subscription:
                while True:
                    if not subscription.waiting:
                        idle.set()
                    events, missed = await subscription.next()
                    idle.clear()
                    if missed:
                        self._counts[hook.name, "dropped"] += missed
                        log.warning("hook %s: %d events dropped, it is too slow", hook.name, missed)
                    for event in events:
                        try:
                            await carrier.deliver(event)
                        except GiveUpError as error:
                            self._counts[hook.name, "failed"] += 1
                            level = logging.INFO if failing else logging.WARNING
                            log.log(level, "hook %s: %s not told: %s", hook.name, event.kind, error)
                            failing = True
                        else:
                            self._counts[hook.name, "delivered"] += 1
                            failing = False
        except Exception:
            log.exception("hook %s ends by a fault", hook.name)
        finally:
            idle.set()
            await carrier.close()
