"""Databases that change while the server runs.

    file changes ─▶ stays the same for one look ─▶ read in a thread ─▶ new atlas ─▶ published
                                                          └─▶ refused: the old one stays in force

A file that is being written changes from look to look, so it is not read before it is whole.
"""

from __future__ import annotations

import asyncio
import logging
import time
from dataclasses import dataclass
from datetime import datetime, timezone
from typing import TYPE_CHECKING, Final

from dnslb.config.geo import age_warnings
from dnslb.errors import DatabaseError
from dnslb.geo.atlas import Atlas
from dnslb.geo.database import open_database, signature_of
from dnslb.policy.strategies.geo import fields_of

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterator
    from pathlib import Path

    from dnslb.config.model import Config
    from dnslb.geo.database import Opened, Signature

__all__ = ["Watcher", "needed"]

INTERVAL: Final = 5.0
"""Seconds between two looks at the files."""

DAY: Final = 86_400.0
"""Seconds between two warnings that a database is old."""

log = logging.getLogger("dnslb.geo")


@dataclass(slots=True)
class _Seen:
    """What the looks at one file have found since the file in force."""

    path: Path
    signature: Signature | None = None  # at the last look, when another than that in force
    refused: Signature | None = None  # of the file that was read and cannot be used
    reason: str | None = None  # why a newer file is not in force


class Watcher:
    """Keeps the atlas in step with its files."""

    def __init__(
        self,
        config: Callable[[], Config],
        swap: Callable[[Atlas], Awaitable[None]],
        turn: asyncio.Lock,
        clock: Callable[[], float] = time.time,
    ) -> None:
        """`swap` puts an atlas in force; `turn` is held meanwhile, so that no reload comes between.

        `config` tells the configuration in force, `clock` the seconds since 1970.
        """
        self._config = config
        self._swap = swap
        self._turn = turn
        self._clock = clock
        self._seen: dict[str, _Seen] = {}
        self._warned = clock()  # the configuration was read just now, and told old databases

    @property
    def status(self) -> dict[str, str | None]:
        """Why the newer file of each key of `geo` is refused; None: it is not."""
        return {
            key: seen.reason if (seen := self._seen.get(key)) else None
            for key in self._config().atlas.files
        }

    async def run(self) -> None:
        """Look again and again, until cancelled."""
        while True:
            await asyncio.sleep(INTERVAL)
            try:
                await self.look()
            except Exception:
                log.exception("a fault while looking at databases; those in force stay")

    async def look(self) -> None:
        """Look at every file once, and put in force what has changed and can be used."""
        async with self._turn:
            atlas = self._config().atlas
            self._seen = {
                key: seen
                for key, seen in self._seen.items()
                if key in atlas.files and seen.path == atlas.files[key].path
            }
            for key, old in atlas.files.items():
                seen = self._seen.setdefault(key, _Seen(old.path))
                if _is_due(old, seen):
                    await self._renew(key, seen)
            if self._clock() - self._warned >= DAY:
                self._warned = self._clock()
                self._warn()

    async def _renew(self, key: str, seen: _Seen) -> None:
        """Read the file of `key` and put it in force, or say why not."""
        config = self._config()
        seen.refused = seen.signature
        try:
            opened = await asyncio.to_thread(open_database, seen.path)
        except DatabaseError as error:
            _refuse(seen, str(error))
            return
        files = {**config.atlas.files, key: opened}
        atlas = Atlas(files.get("city"), files.get("asn"))
        lost = [
            field
            for field in sorted(needed(config))
            if config.atlas.provider(field) and not atlas.provider(field)
        ]
        if lost:
            _refuse(seen, f"{seen.path.name}: it does not tell {', '.join(lost)}, which rules need")
            return
        await self._swap(atlas)
        self._seen[key] = _Seen(seen.path)
        database = opened.database
        built = datetime.fromtimestamp(database.built, timezone.utc)
        text = "database %s in force: %s, built on %s, %s networks"
        log.info(text, seen.path.name, database.type, f"{built:%Y-%m-%d}", f"{database.networks:,}")
        self._warn(key)

    def _warn(self, key: str | None = None) -> None:
        """Say which databases are old; with a `key`, whether this one is."""
        config = self._config()
        for found, warning in age_warnings(config.geo, config.atlas, self._clock()):
            if key in {None, found}:
                log.warning("geo.%s: %s", found, warning)


def needed(config: Config) -> frozenset[str]:
    """The fields of locations that rules and distances look at."""
    return frozenset(_needed(config))


def _needed(config: Config) -> Iterator[str]:
    for zone in config.zones.values():
        for pool in zone.pools.values():
            if pool.strategy.name == "nearest":
                yield from ("latitude", "longitude")
            elif pool.strategy.places:
                for member in pool.members:
                    yield from fields_of(member.rule)


def _is_due(old: Opened, seen: _Seen) -> bool:
    """Whether the file has to be read: it changed, and then stayed the same for one look."""
    try:
        now = signature_of(seen.path)
    except OSError as error:
        reason = f"{seen.path.name}: {error.strerror or error}"
        if seen.reason != reason:
            _refuse(seen, reason)
        seen.signature = None
        return False
    if now == old.signature:
        seen.signature = seen.refused = seen.reason = None
        return False
    if now == seen.refused:
        return False
    settled = now == seen.signature
    seen.signature = now
    return settled


def _refuse(seen: _Seen, reason: str) -> None:
    seen.reason = reason
    log.error("%s; the database in force stays", reason)
