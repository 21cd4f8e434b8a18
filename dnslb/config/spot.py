"""A spot: a value of a file together with where it stands, to hang problems on."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from dnslb.config.tree import Entry, ListNode, MapNode, Node

if TYPE_CHECKING:
    from pathlib import Path

    from dnslb.config.problem import Report

__all__ = ["Spot", "path_text"]

Keys = tuple[str | int, ...]


def path_text(keys: Keys) -> str:
    """A path of keys as people read it: `pools.europe.members[1].weight`."""
    text = ""
    for key in keys:
        text += f"[{key}]" if isinstance(key, int) else f".{key}" if text else key
    return text


@dataclass(frozen=True, slots=True)
class Spot:
    """A value in a file; problems put here name its file, line, column and path of keys."""

    report: Report
    file: Path
    node: Node | None = None  # None: the file is empty
    keys: Keys = ()
    place: tuple[int, int] = (1, 1)
    key_place: tuple[int, int] | None = None  # of the mapping's key that leads here

    def at(self, *keys: str | int) -> Spot:
        """The value that `keys` lead to, or the last one on the way that is there."""
        spot = self
        for key in keys:
            spot = spot._child(key) or spot
        return spot

    def _child(self, key: str | int) -> Spot | None:
        node = self.node
        place: tuple[int, int] | None = None
        if isinstance(node, MapNode) and isinstance(key, str) and key in node.entries:
            entry: Entry = node.entries[key]
            place, child = (entry.line, entry.column), entry.value
        elif isinstance(node, ListNode) and isinstance(key, int) and key < len(node.items):
            child = node.items[key]
        else:
            return None
        keys = (*self.keys, key)
        return Spot(self.report, self.file, child, keys, (child.line, child.column), place)

    def on_key(self) -> Spot:
        """The same, but problems point at the key instead of the value."""
        return replace(self, place=self.key_place or self.place)

    def placed_as(self, other: Spot) -> Spot:
        """The same, but problems point at the place of `other`."""
        return replace(self, place=other.place)

    @property
    def names(self) -> list[str]:
        """The keys of a mapping."""
        return list(self.node.entries) if isinstance(self.node, MapNode) else []

    def problem(self, message: str) -> None:
        """Say what is wrong here."""
        self.report.problem(self.file, message, *self.place, path_text(self.keys))

    def warning(self, message: str) -> None:
        """Say what should be known of here."""
        self.report.warning(self.file, message, *self.place, path_text(self.keys))
