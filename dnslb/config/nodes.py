"""A file's values as a tree that knows the place of every key and value."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from dnslb.config.scalars import Plain

__all__ = ["MAX_DEPTH", "Entry", "ListNode", "MalformedError", "MapNode", "Node", "ScalarNode"]

MAX_DEPTH: Final = 32
"""How deep lists and mappings may nest; the deepest key of a zone file stands seven deep."""


class MalformedError(Exception):
    """A file that is no YAML, or no JSON; the place counts from 1."""

    def __init__(self, message: str, line: int, column: int) -> None:
        super().__init__(message)
        self.line = line
        self.column = column


@dataclass(slots=True)
class Node:
    """A value and its place, both counted from 1."""

    line: int
    column: int
    size: int = field(default=1, kw_only=True)  # how many values stand here, aliases written out
    depth: int = field(default=0, kw_only=True)  # how many lists and mappings lie in one another

    def plain(self) -> Any:
        """The value as plain Python data, aliases written out."""
        raise NotImplementedError


@dataclass(slots=True)
class ScalarNode(Node):
    """A scalar; `text` is how the file spells it."""

    value: Plain
    text: str

    def plain(self) -> Plain:
        """The value."""
        return self.value


@dataclass(slots=True)
class ListNode(Node):
    """A list."""

    items: list[Node] = field(default_factory=list)

    def plain(self) -> list[Any]:
        """The items' values."""
        return [item.plain() for item in self.items]


@dataclass(slots=True)
class Entry:
    """A mapping's value, and the place of its key."""

    line: int
    column: int
    value: Node


@dataclass(slots=True)
class MapNode(Node):
    """A mapping. Keys are text as the file spells it, so `10:` is the key "10"."""

    entries: dict[str, Entry] = field(default_factory=dict)

    def plain(self) -> dict[str, Any]:
        """The entries' values."""
        return {key: entry.value.plain() for key, entry in self.entries.items()}
