"""What a reload came to: whether the new configuration is in force, why not, or what is different.

zone added      example.net
pool changed    example.com europe: strategy weighted → least-load, member ams1 added
check changed   example.com europe/fra1: interval 10s → 5s
setting changed log.level: info → debug
"""

from __future__ import annotations

from dataclasses import dataclass, fields, is_dataclass
from enum import Enum
from typing import TYPE_CHECKING, Any, Final, Literal

from dnslb.config.model import Backend, Pool

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from dnslb.config.model import BackendId, Config, Service, Zone

__all__ = ["Change", "Reloaded", "changes"]

MOST_WORDS: Final = 60
"""Characters of a value that is told; a longer one is said to be another."""

MOST_LOGGED: Final = 20
"""Lines of changes in the log; how many more there are is said."""

SECRET: Final = ("secret", "token")
"""Words in the keys of settings whose values are nobody's business."""

Kind = Literal["zone", "service", "pool", "backend", "check", "setting"]
Happened = Literal["added", "removed", "changed"]


@dataclass(frozen=True, slots=True)
class Change:
    """One difference between two configurations."""

    kind: Kind
    happened: Happened
    name: str  # as operators write it; a zone before what is in it
    detail: str = ""  # what is changed

    def __str__(self) -> str:
        """`pool changed: example.com. europe: min_up 1 → 2`."""
        detail = f": {self.detail}" if self.detail else ""
        return f"{self.kind} {self.happened}: {self.name}{detail}"


@dataclass(frozen=True, slots=True)
class Reloaded:
    """The outcome of a reload. With problems nothing has changed."""

    ok: bool
    problems: tuple[str, ...] = ()
    changes: tuple[Change, ...] = ()

    def __bool__(self) -> bool:
        """Whether the new configuration is in force."""
        return self.ok

    def lines(self) -> Iterator[str]:
        """The changes for the log."""
        for change in self.changes[:MOST_LOGGED]:
            yield str(change)
        if (more := len(self.changes) - MOST_LOGGED) > 0:
            yield f"and {more:,} more changes"


def changes(old: Config, new: Config) -> tuple[Change, ...]:
    """What is different in `new`: settings first, then zone by zone."""
    return (*_settings(old, new), *_zones(old.zones, new.zones))


_SETTINGS: Final[Mapping[str, str]] = {
    "listen": "listen",
    "workers": "workers",
    "xdp": "xdp",
    "state": "state",
    "log_level": "log.level",
    "log_format": "log.format",
    "api": "api",
    "health": "health",
    "tcp": "tcp",
    "dnstap": "dnstap",
    "top": "top",
    "geo": "geo",
    "user": "user",
    "group": "group",
    "reload": "reload",
}
"""Fields of the configuration, and the keys that say them."""


def _settings(old: Config, new: Config) -> Iterator[Change]:
    for field, key in _SETTINGS.items():
        yield from _setting(key, getattr(old, field), getattr(new, field))
    for one in fields(old.settings):
        yield from _setting(
            one.name, getattr(old.settings, one.name), getattr(new.settings, one.name)
        )


def _setting(key: str, old: object, new: object) -> Iterator[Change]:
    if old == new:
        return
    if is_dataclass(old) and is_dataclass(new) and type(old) is type(new):
        for one in fields(old):
            yield from _setting(f"{key}.{one.name}", getattr(old, one.name), getattr(new, one.name))
    else:
        yield Change(
            "setting",
            "changed",
            key,
            _from_to(old, new, secret=any(word in key for word in SECRET)),
        )


def _zones(old: Mapping[str, Zone], new: Mapping[str, Zone]) -> Iterator[Change]:
    for origin in sorted({*old, *new}):
        before, after = old.get(origin), new.get(origin)
        if before is None or after is None:
            yield Change("zone", "added" if after else "removed", origin)
            continue
        if before.written != after.written:
            yield Change("zone", "changed", origin, "static records")
        yield from _each("service", origin, before.services, after.services, _service)
        yield from _each("pool", origin, before.pools, after.pools, _pool)
        yield from _backends(origin, _backends_of(before), _backends_of(after))


def _each(
    kind: Kind,
    origin: str,
    old: Mapping[str, Any],
    new: Mapping[str, Any],
    tell: Callable[[Any, Any], list[str]],
) -> Iterator[Change]:
    for name in sorted({*old, *new}):
        before, after = old.get(name), new.get(name)
        if before is None or after is None:
            yield Change(kind, "added" if after else "removed", f"{origin} {name}")
        elif detail := tell(before, after):
            yield Change(kind, "changed", f"{origin} {name}", ", ".join(detail))


def _service(old: Service, new: Service) -> list[str]:
    told = _values(old, new, skip={"id", "pool", "declared", "hosts", "when_down"})
    if old.pool.name != new.pool.name:
        told.append(_named("pool", old.pool.name, new.pool.name))
    if _declared(old) != _declared(new):
        told.append("records that it declares")
    if old.when_down.action != new.when_down.action:
        told.append(_named("when_down", old.when_down.action, new.when_down.action))
    elif old.when_down != new.when_down:
        told.append("when_down")
    return told


def _declared(service: Service) -> list[object]:
    """What is declared, with pools by their names: what is in a pool is the pool's to tell."""
    return [
        (repr(one), service.pool_of(one).name, sorted(map(repr, service.hosts.items())))
        for one in service.declared
    ]


def _pool(old: Pool, new: Pool) -> list[str]:
    told = _values(old, new, skip={"zone", "name", "strategy", "members"})
    if old.strategy.name != new.strategy.name:
        told.insert(0, _named("strategy", old.strategy.name, new.strategy.name))
    before = {member.name: member for member in old.members}
    after = {member.name: member for member in new.members}
    told += [f"member {name} removed" for name in before if name not in after]
    told += [f"member {name} added" for name in after if name not in before]
    for name, member in after.items():
        if name in before:
            told += [f"member {name} {text}" for text in _values(before[name], member, skip={"of"})]
    kept = [name for name in before if name in after]
    if kept != [name for name in after if name in before]:
        told.append("order of members")
    return told


def _backends_of(zone: Zone) -> dict[BackendId, Backend]:
    return {
        member.of.id: member.of
        for pool in zone.pools.values()
        for member in pool.members
        if isinstance(member.of, Backend)
    }


def _backends(
    origin: str, old: Mapping[BackendId, Backend], new: Mapping[BackendId, Backend]
) -> Iterator[Change]:
    for name in sorted({*old, *new}):
        before, after = old.get(name), new.get(name)
        full = f"{origin} {name}"
        if before is None or after is None:
            yield Change("backend", "added" if after else "removed", full)
            continue
        if told := _values(before, after, skip={"id", "check"}):
            yield Change("backend", "changed", full, ", ".join(told))
        if before.check is None or after.check is None:
            if before.check is not after.check:
                yield Change("check", "added" if after.check else "removed", full)
        elif before.check != after.check:
            same = type(before.check) is type(after.check)
            told = _values(before.check, after.check, skip=set()) if same else []
            yield Change("check", "changed", full, ", ".join(told) or "of another type")


def _values(old: Any, new: Any, *, skip: set[str]) -> list[str]:
    """The fields of two dataclasses of one type that differ."""
    return [
        _named(one.name, getattr(old, one.name), getattr(new, one.name), secret=not one.repr)
        for one in fields(old)
        if one.name not in skip and getattr(old, one.name) != getattr(new, one.name)
    ]


def _named(key: str, old: object, new: object, *, secret: bool = False) -> str:
    return f"{key} {_from_to(old, new, secret=secret)}"


def _from_to(old: object, new: object, *, secret: bool = False) -> str:
    before, after = _words(old), _words(new)
    if secret or before is None or after is None or before == after:
        return "is another"
    return f"{before} → {after}"


def _words(value: object) -> str | None:
    """`value` as it could be written; None: it is too long for a line, or may be a secret."""
    if value is None:
        return "none"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, Enum):
        return str(value.value)
    if isinstance(value, bytes):
        return None
    if isinstance(value, (tuple, frozenset)) and not hasattr(value, "_fields"):
        parts = [_words(item) for item in value]
        if any(part is None for part in parts):
            return None
        text = ", ".join(part for part in parts if part is not None) or "none"
    elif is_dataclass(value):
        return None
    else:
        text = f"{value:g}" if isinstance(value, float) else str(value)
    return text if len(text) <= MOST_WORDS else None
