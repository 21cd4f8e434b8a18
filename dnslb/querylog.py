"""The query log: which the engine writes, and of which the server's log tells how it fares."""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from dnslb._engine import Engine, Logged
    from dnslb.config.model import Dnstap

__all__ = ["QueryLog"]

INTERVAL: Final = 1.0
"""Seconds between two looks at how the log fares."""

log = logging.getLogger("dnslb.dnstap")


class QueryLog:
    """Has the engine log queries as configured, and tells when that begins to fail or to work."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._dnstap: Dnstap | None = None
        self._told: str | None = None  # what was told last, for the target of now

    def set(self, dnstap: Dnstap | None) -> None:
        """Log as `dnstap` says from now on. May wait a second for the reader to say farewell."""
        try:
            self._engine.log(dnstap)
        except OSError as error:  # no thread
            log.error("queries are not logged: %s", error)
            dnstap = None
        if str(dnstap) != str(self._dnstap):
            self._told = None
        self._dnstap = dnstap

    def logged(self) -> Logged:
        """What became of the queries that were to be logged."""
        return self._engine.logged()

    async def run(self) -> None:
        """Look again and again, until cancelled."""
        while True:
            self.look(self._engine.logged())
            await asyncio.sleep(INTERVAL)

    def look(self, logged: Logged) -> None:
        """Tell what has changed."""
        if self._dnstap is None:
            return
        if logged["open"]:
            if self._told != "":
                log.info("queries are logged to %s", self._dnstap)
            self._told = ""
        elif logged["problem"] and not self._told:
            self._told = logged["problem"]
            log.warning(
                "queries cannot be logged to %s: %s; it is tried again, and what comes meanwhile "
                "is not logged",
                self._dnstap,
                self._told,
            )
