"""Checks: named ones, ones written in place, and members' overrides of their pool's.

A check is drafted as flat values with their places, so that an override is a union of two drafts,
and what is wrong with the result is told at the key that brought it about.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

from dnslb.config.checkshapes import CheckShape
from dnslb.config.probes import GROUPS, LATER, TYPES, build
from dnslb.config.suggest import listed, unknown
from dnslb.config.values import Shape, items
from dnslb.health.checks.group import Group

if TYPE_CHECKING:
    from collections.abc import Mapping

    from dnslb.config.spot import Spot
    from dnslb.config.validate import Shaped
    from dnslb.health.checks.base import Check

__all__ = ["CheckDraft", "Checks"]

_WORDS: Final = {"load.source": "load", "hold_down.first": "hold_down"}
"""Keys of mappings, and the keys that say the same by one word."""


@dataclass(slots=True)
class CheckDraft:
    """A check's values by flat key, as in `expect.status`, and where each was written."""

    spot: Spot
    values: dict[str, Any] = field(default_factory=dict)
    spots: dict[str, Spot] = field(default_factory=dict)
    damaged: bool = False
    untimed: bool = False  # interval or timeout was cut out

    def over(self, base: CheckDraft) -> CheckDraft:
        """`base` with what this one names in its place."""
        # a mapping that says the same anew holds before the one word of `base`
        gone = {_WORDS.get(key, "tls" if key.startswith("tls.") else "") for key in self.values}
        return CheckDraft(
            self.spot,
            {key: value for key, value in base.values.items() if key not in gone} | self.values,
            {key: spot for key, spot in base.spots.items() if key not in gone} | self.spots,
            base.damaged or self.damaged,
            base.untimed or self.untimed,
        )


class Checks:
    """The checks of a zone file."""

    def __init__(
        self, shaped: Shaped[Any], named: Mapping[str, CheckShape] | None, spot: Spot
    ) -> None:
        self._shaped = shaped
        self._spot = spot
        self._used: set[str] = set()
        self._named: dict[str, CheckDraft] = {}
        self._built: dict[str, Check | Group | None] = {}
        self._building: list[str] = []  # groups that are being built, to find loops
        for name, shape in (named or {}).items():
            self._named[name] = draft = self._draft(shape, spot.at(name))
            if name == "none":
                draft.spot.on_key().problem("none turns checks off, so no check can be called so")
        for name in self._named:
            self._build_named(name)

    def of_pool(self, ref: str | CheckShape | None, spot: Spot) -> CheckDraft | None:
        """The check that a pool's `check` means; None for none, or when its problem is told."""
        if ref is None or ref == "none":
            return None
        if isinstance(ref, CheckShape):
            return self._draft(ref, spot)
        if ref in self._named:
            self._used.add(ref)
            return self._named[ref]
        if ref not in self._spot.names:
            spot.problem(unknown("check", ref, [*self._named, "none"]))
        return None

    def of_member(
        self, ref: str | CheckShape | None, spot: Spot, base: CheckDraft | None
    ) -> Check | Group | None:
        """The check of a member whose `check` is `ref`, in a pool whose check is `base`."""
        if isinstance(ref, CheckShape):
            draft = self._draft(ref, spot)
            if ref.type is None and base is not None:
                if base.values.get("type") in GROUPS:
                    spot.problem(
                        "the pool has a check made of several, of which no part can be overridden; "
                        "write a check with its type"
                    )
                    return None
                draft = draft.over(base)
            elif ref.type is None and not draft.damaged:
                spot.problem('needs "type", as in http or tcp, since the pool has no check')
                return None
        else:
            found = base if ref is None else self.of_pool(ref, spot)
            if found is None:
                return None
            draft = found
        return self._cached(draft)

    def _cached(self, draft: CheckDraft) -> Check | Group | None:
        """What `draft` describes; checks that many members share are built once."""
        for name, named in self._named.items():
            if named is draft:
                return self._build_named(name)
        return self._build(draft)

    def _build_named(self, name: str) -> Check | Group | None:
        if name not in self._built:
            if name in self._building:
                loop = " -> ".join([*self._building[self._building.index(name) :], name])
                self._named[name].spot.on_key().problem(f"a loop: {loop}")
                return None
            self._building.append(name)
            self._built[name] = self._build(self._named[name])
            self._building.pop()
        return self._built[name]

    def _build(self, draft: CheckDraft) -> Check | Group | None:
        kind = draft.values.get("type")
        if kind is None:
            if not draft.damaged:
                draft.spot.problem('needs "type": the protocol, as in http or tcp')
            return None
        if kind in GROUPS:
            return self._group(draft, kind)
        if ":" not in kind and kind not in TYPES:
            known = f'"{kind}" is not in this version; there are {listed(TYPES)}'
            message = known if kind in LATER else unknown("type", kind, TYPES)
            draft.spots["type"].problem(message)
            return None
        return build(draft)

    def _group(self, draft: CheckDraft, kind: str) -> Group | None:
        allowed = {"type", "checks", *(["quorum"] if kind == "quorum" else [])}
        for key, spot in draft.spots.items():
            if key.partition(".")[0] not in allowed:
                spot.on_key().problem(
                    f'"{key}" means nothing here; it belongs to the checks in "checks"'
                )
        for key, what in {
            "checks": "a list of checks, by name or written in place",
            "quorum": "how many of its checks have to pass",
        }.items():
            if key in allowed and not draft.values.get(key):
                if not draft.damaged:
                    draft.spot.problem(f'needs "{key}": {what}')
                return None
        parts = self._parts(draft)
        if parts is None:
            return None
        need: int = {"all": len(parts), "any": 1}.get(kind) or draft.values["quorum"]
        if need > len(parts):
            draft.spots["quorum"].problem(f"asks for {need} of {len(parts)} checks")
            return None
        return Group(parts, need)

    def _parts(self, draft: CheckDraft) -> tuple[Check | Group, ...] | None:
        """The checks of a group; None when one of them cannot be had, which is told."""
        refs = draft.values["checks"]
        parts = []
        for index, ref in items(refs):
            spot = draft.spots["checks"].at(index)
            if ref == "none":
                spot.problem("none is no check; leave it out")
            elif part := self.of_member(ref, spot, None):
                parts.append(part)
        return tuple(parts) if len(parts) == len(refs) else None

    def tell_unused(self) -> None:
        """Warn of checks that nothing refers to."""
        for name in self._named:
            if name not in self._used:
                self._spot.at(name).on_key().warning("nothing uses this check")

    def _draft(self, shape: CheckShape, spot: Spot) -> CheckDraft:
        draft = CheckDraft(
            spot,
            damaged=self._shaped.damaged_at(spot),
            untimed=bool(self._shaped.damage)
            and any(self._shaped.damaged(*spot.keys, key) for key in ("interval", "timeout")),
        )
        for key in shape.model_fields_set:
            value = getattr(shape, key)
            if isinstance(value, Shape):
                names = value.model_fields_set
                inner: dict[str, Any] = {name: getattr(value, name) for name in names}
            elif isinstance(value, dict):
                inner = value
            elif key == "expect":
                # one word is the content
                draft.values["expect.body"], draft.spots["expect.body"] = value, spot.at(key)
                continue
            else:
                draft.values[key], draft.spots[key] = value, spot.at(key)
                continue
            if key == "tls" and not inner:
                # a mapping that leaves all as it is by default means TLS nevertheless
                draft.values[key], draft.spots[key] = True, spot.at(key)
            for name, item in inner.items():
                draft.values[f"{key}.{name}"] = item
                draft.spots[f"{key}.{name}"] = spot.at(key, name)
        return draft
