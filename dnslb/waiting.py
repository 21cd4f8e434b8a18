"""Waiting for an event, but not for ever."""

from __future__ import annotations

import asyncio

__all__ = ["happens"]


async def happens(event: asyncio.Event, within: float) -> bool:
    """Wait until `event` is set, for at most `within` seconds; returns whether it is.

    Before Python 3.12, `asyncio.wait_for` forgets a cancellation that comes together with what it
    waits for; whoever cancelled would wait in vain.
    """
    if event.is_set():
        return True
    waiter = asyncio.ensure_future(event.wait())
    try:
        await asyncio.wait((waiter,), timeout=within)
    finally:
        waiter.cancel()
    return event.is_set()
