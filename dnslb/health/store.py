"""What survives a restart: verdicts with their age, and what the operator set.

    a verdict or a wish changes ─▶ state/health.json, at most once a second
    a load moves, time passes   ─▶ the same, once a minute
    start                       ─▶ Keeper.load() ─▶ Monitor.restore()

The file is replaced whole: written beside, synced, renamed. A disk that is full, or a folder that
cannot be written, is told once and tried again; it never stands in the way of answering.
"""

from __future__ import annotations

import asyncio
import dataclasses
import fcntl
import hashlib
import json
import logging
import os
import time
from contextlib import suppress
from dataclasses import MISSING, dataclass, field, fields, replace
from functools import lru_cache
from typing import TYPE_CHECKING, Annotated, Any, Final

from pydantic import ConfigDict, Field, TypeAdapter, ValidationError

from dnslb.config.model import BackendId, PoolId
from dnslb.health.checks.base import HoldDown, Outcome
from dnslb.health.standing import ALWAYS_UP, OperatorState, turned

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from pathlib import Path

    from dnslb.config.model import Subject
    from dnslb.health.checks.base import Check
    from dnslb.health.scheduler import ProbeKey
    from dnslb.health.standing import Standing

__all__ = [
    "LASTS",
    "Keeper",
    "Saved",
    "SavedBackend",
    "SavedPool",
    "SavedProbe",
    "fingerprint",
    "pack",
    "unpack",
]

VERSION: Final = 1

PAUSE: Final = 1.0
"""Seconds between two writes."""

EVERY: Final = 60.0
"""Seconds after which it is written in any case: loads move all the time, and a state whose time is
known to be recent goes on as if nothing had happened."""

SHARE: Final = 0.05
"""The part of the time that writing may take, however many backends there are."""

BACK_OFF: Final = 60.0
"""Seconds until a write that failed is tried again, at the most."""

LASTS: Final = 86_400.0
"""Seconds that backends which are no more in the configuration are kept: a zone file that was moved
aside by mistake comes back with its drained backends drained."""

log = logging.getLogger("dnslb.state")

Load = Annotated[float, Field(ge=0, allow_inf_nan=False)]
Time = Annotated[float, Field(ge=-6e10, le=1e11, allow_inf_nan=False)]  # what a date can say


@dataclass(frozen=True, slots=True)
class SavedProbe:
    """What is kept of a probe. Times are in seconds since 1970."""

    __pydantic_config__ = ConfigDict(extra="forbid")

    up: bool
    since: Time
    falls: Annotated[int, Field(ge=0)] = 0
    against: Annotated[int, Field(ge=0)] = 0  # results in a row that speak against the verdict
    failure: tuple[Outcome, str] | None = None  # the last one
    load: tuple[Load, Time] | None = None  # and when it was reported
    weight: Load | None = None
    mode: str = "ready"
    latency: Load | None = None


@dataclass(frozen=True, slots=True)
class SavedBackend:
    """What is kept of a backend."""

    __pydantic_config__ = ConfigDict(extra="forbid")

    down: tuple[int, ...] = ()  # families, by the types of their records
    reason: str = ""
    since: Time = 0.0
    returned: Time | None = None
    load: Load | None = None
    latency: Load | None = None
    state: OperatorState = OperatorState.AUTO
    state_reason: str = ""
    until: Time | None = None
    held: bool = False  # whether it was up since its pool was frozen
    pushed: tuple[Load, Time] | None = None  # the load that was told, and until when it counts
    gone: Time | None = None  # since when it is not in the configuration


@dataclass(frozen=True, slots=True)
class SavedPool:
    """What is kept of a pool: what the operator wants of it."""

    __pydantic_config__ = ConfigDict(extra="forbid")

    state: OperatorState = OperatorState.AUTO
    reason: str = ""
    until: Time | None = None
    gone: Time | None = None  # since when it is not in the configuration


@dataclass(frozen=True, slots=True)
class Saved:
    """All that is kept."""

    __pydantic_config__ = ConfigDict(extra="forbid")

    at: Time
    probes: dict[str, SavedProbe] = field(default_factory=dict)
    backends: dict[BackendId, SavedBackend] = field(default_factory=dict)
    pools: dict[PoolId, SavedPool] = field(default_factory=dict)
    ended: bool = False  # written when no result could come any more: none is missing

    def with_gone(self, old: Saved) -> Saved:
        """The same with what `old` knows of what is not here any more, unless for too long."""
        backends = dict(self.backends)
        for name, one in old.backends.items():
            gone = self.at if one.gone is None else one.gone
            if name not in backends and self.at - gone < LASTS:
                backends[name] = replace(one, gone=gone)
        pools = dict(self.pools)
        for pool, kept in old.pools.items():
            gone = self.at if kept.gone is None else kept.gone
            wanted = kept.state is not OperatorState.AUTO
            if pool not in pools and wanted and self.at - gone < LASTS:
                pools[pool] = replace(kept, gone=gone)
        return replace(self, backends=backends, pools=pools)


@dataclass(frozen=True, slots=True)
class _File:
    """The file's content; backends as a list, since names are no keys of JSON."""

    __pydantic_config__ = ConfigDict(extra="forbid")

    version: int
    at: Time
    probes: dict[str, SavedProbe]
    backends: list[tuple[tuple[str, str, str], SavedBackend]]
    pools: list[tuple[tuple[str, str], SavedPool]] = field(default_factory=list)
    ended: bool = False


_ADAPTER: Final = TypeAdapter(_File)


def fingerprint(key: ProbeKey) -> str:
    """A probe's name in the file: its type, its address, and a hash of what its check says.

    What says the same as the type's defaults does not count, so fields that a later version adds
    change nothing. It is hashed since it may hold passwords.
    """
    kind = type(key.check)
    own = "" if kind.__module__.startswith("dnslb.") else f"{kind.__module__}:"
    return f"{own}{kind.__qualname__} {key.address} {_digest(key.check)}"


@lru_cache(maxsize=1024)
def _digest(check: Check) -> str:
    text = json.dumps(_given(check), sort_keys=True, default=_plain)
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def _given(value: Any) -> dict[str, Any]:
    """The fields of a dataclass that differ from their defaults."""
    return {
        one.name: getattr(value, one.name)
        for one in fields(value)
        if one.repr and getattr(value, one.name) != _default(one)
    }


def _default(one: dataclasses.Field[Any]) -> Any:
    return one.default if one.default_factory is MISSING else one.default_factory()


def _plain(value: Any) -> Any:
    """What JSON has no form for, as text that is the same every time."""
    if isinstance(value, frozenset):
        return sorted(str(getattr(item, "value", item)) for item in value)
    if isinstance(value, HoldDown):
        return list(value)
    if hasattr(value, "__dataclass_fields__"):
        return _given(value)
    return repr(value)


class Keeper:
    """Keeps the state in `folder`, as `saved` tells it; that is called in a thread of its own."""

    def __init__(self, folder: Path, saved: Callable[[], Saved]) -> None:
        self._file = folder / "health.json"
        self._folder = folder
        self._saved = saved
        self._known = Saved(0.0)
        self._wake = asyncio.Event()
        self._lock: int | None = None
        self._failing = False
        self._standings: dict[Subject, Standing] = {}

    def load(self) -> Saved | None:
        """What was kept; None when there is nothing that can be used, which is told.

        Takes the folder: another server that has it is told of, and nothing is kept then.
        """
        if not self._take():
            return None
        try:
            text = self._file.read_bytes()
        except FileNotFoundError:
            return None
        except OSError as error:
            log.warning("%s cannot be read: %s; starting without it", self._file, error.strerror)
            return None
        try:
            read = _read(text)
        except ValueError as error:
            bad = self._file.with_suffix(".json.bad")
            with suppress(OSError):
                self._file.replace(bad)
            log.warning(
                "%s is no state of this version (%s); starting without it, and keeping it as %s",
                self._file,
                _reason(error),
                bad.name,
            )
            return None
        self._known = _saved(read)
        if read.ended:
            self._wake.set()  # from the first result on, that is no longer true
        return self._known

    @property
    def holds(self) -> bool:
        """Whether the folder is this server's."""
        return self._lock is not None

    def changed(self) -> None:
        """Have the state written soon."""
        self._wake.set()

    def see(self, standings: Iterable[tuple[Subject, Standing]]) -> None:
        """Have the state written soon if one of these is another than before, but for its load."""
        for name, standing in standings:
            if turned(self._standings.get(name, ALWAYS_UP), standing):
                self._wake.set()
            self._standings[name] = standing

    async def run(self) -> None:
        """Write what changes, until cancelled."""
        pause = PAUSE
        while self._lock is not None:
            # not `wait_for`, which before 3.12 may swallow the cancellation that ends this
            timer = asyncio.get_running_loop().call_later(EVERY, self._wake.set)
            try:
                await self._wake.wait()
            finally:
                timer.cancel()
            self._wake.clear()
            started = time.monotonic()
            if await asyncio.to_thread(self._save):
                pause = max(PAUSE, (time.monotonic() - started) / SHARE)
            else:
                pause = min(2 * pause, BACK_OFF)
                self._wake.set()
            await asyncio.sleep(pause)

    def close(self, *, write: bool = True) -> None:
        """Write once more, now that all probes have ended, and let go of the folder."""
        if self._lock is not None:
            if write:
                self._save(ended=True)
            os.close(self._lock)
            self._lock = None

    def _save(self, *, ended: bool = False) -> bool:
        """Write what there is; a fault is told once, and is no end."""
        try:
            # to collect it all takes as long as to write it, and probes are waiting
            return self._write(replace(self._next(), ended=ended))
        except Exception:
            if not self._failing:
                log.exception("state: a fault, so %s is not written", self._file)
            self._failing = True
            return False

    def _next(self) -> Saved:
        self._known = self._saved().with_gone(self._known)
        return self._known

    def _take(self) -> bool:
        """Make the folder, and lock it."""
        try:
            self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            lock = os.open(self._folder / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        except OSError as error:
            log.warning(
                "state: %s cannot be used: %s; verdicts will not survive a restart",
                self._folder,
                error.strerror,
            )
            return False
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            os.close(lock)
            log.warning(
                "state: another server uses %s; give each its own `state`; "
                "verdicts will not survive a restart",
                self._folder,
            )
            return False
        self._lock = lock
        return True

    def _write(self, saved: Saved) -> bool:
        """Replace the file; returns whether it could be."""
        content = _content(saved)
        temporary = self._file.with_suffix(".json.new")
        try:
            with os.fdopen(
                os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600),
                "wb",
            ) as file:
                file.write(_ADAPTER.dump_json(content))
                file.flush()
                os.fsync(file.fileno())
            temporary.replace(self._file)
            _sync(self._folder)
        except OSError as error:
            with suppress(OSError):
                temporary.unlink()
            if not self._failing:
                log.error("state: %s cannot be written: %s", self._file, error.strerror)
            self._failing = True
            return False
        if self._failing:
            log.info("state: %s is written again", self._file)
        self._failing = False
        return True


def pack(saved: Saved) -> str:
    """`saved` as the file has it."""
    return _ADAPTER.dump_json(_content(saved)).decode()


def unpack(text: str | None) -> Saved | None:
    """What `pack` has packed, in this version or another; None when it cannot be used."""
    if text is None:
        return None
    try:
        return _saved(_read(text.encode()))
    except ValueError as error:
        log.warning("no state of this version (%s); going on without it", _reason(error))
        return None


def _content(saved: Saved) -> _File:
    backends: list[tuple[tuple[str, str, str], SavedBackend]]
    backends = [((*name,), one) for name, one in saved.backends.items()]
    pools: list[tuple[tuple[str, str], SavedPool]]
    pools = [((*name,), one) for name, one in saved.pools.items()]
    return _File(VERSION, saved.at, saved.probes, backends, pools, saved.ended)


def _saved(read: _File) -> Saved:
    backends = {BackendId(*name): one for name, one in read.backends}
    pools = {PoolId(*name): one for name, one in read.pools}
    return Saved(read.at, read.probes, backends, pools, read.ended)


def _sync(folder: Path) -> None:
    """Have the renaming itself on the disk."""
    opened = os.open(folder, os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.fsync(opened)
    finally:
        os.close(opened)


def _read(text: bytes) -> _File:
    """The content of the file.

    Raises:
        ValueError: it is damaged, or of another version.
    """
    try:
        read = _ADAPTER.validate_json(text, strict=True)
        version: object = read.version
    except ValidationError:
        version = _version(text)
        if version in {None, VERSION}:
            raise
    if version != VERSION:
        raise ValueError(f"version {version}, this is {VERSION}")
    return read


def _version(text: bytes) -> int | None:
    """Which version a file is of that is none of this one."""
    with suppress(ValueError, RecursionError):
        content = json.loads(text)
        if isinstance(content, dict) and isinstance(content.get("version"), int):
            return int(content["version"])
    return None


def _reason(error: Exception) -> str:
    if isinstance(error, ValidationError):
        first = error.errors(include_url=False)[0]
        where = ".".join(map(str, first["loc"][:4]))
        return f"{where}: {first['msg']}" if where else str(first["msg"])
    return str(error)


def wall(monotonic: float, now: float) -> float:
    """A time of the monotonic clock, which shows `now`, in seconds since 1970."""
    return time.time() - (now - monotonic)


def monotonic(since_1970: float, saved_at: float, now: float) -> float:
    """The reverse of `wall`, for a time in what was saved at `saved_at`.

    The clock may have been set back since, as on a board that has none of its own and starts in
    1970: then no time has passed, rather than that what was saved lies years ahead.
    """
    return now - max(0.0, time.time() - saved_at) - (saved_at - since_1970)
