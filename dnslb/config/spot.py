"""A spot: a value of a file together with where it stands, to hang problems on."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from dnslb.config.nodes import ListNode, MapNode, ScalarNode

if TYPE_CHECKING:
    from pathlib import Path

    from dnslb.config.document import Document
    from dnslb.config.nodes import Node
    from dnslb.config.problem import Report

__all__ = ["Spot", "path_text"]

Keys = tuple[str | int, ...]
Place = tuple[int, int]


def path_text(keys: Keys) -> str:
    """A path of keys as people read it: `pools.europe.members[1].weight`."""
    text = ""
    for key in keys:
        text += f"[{key}]" if isinstance(key, int) else f".{key}" if text else key
    return text


class Spot:
    """A value in a file; problems put here name its file, line, column and path of keys.

    There are many more spots than problems, so one is little more than a path of keys: what stands
    there, and where, is looked up when it is asked for.
    """

    __slots__ = ("_document", "_on_key", "_place", "_way", "file", "report")

    def __init__(
        self,
        report: Report,
        file: Path,
        document: Document | None = None,  # None: the place is given, or the file's beginning
        way: Keys = (),
        place: Place | None = None,  # None: where it stands in the document
        on_key: bool = False,  # noqa: FBT001, FBT002
    ) -> None:
        self.report = report
        self.file = file
        self._document = document
        self._way = way
        self._place = place
        self._on_key = on_key

    def at(self, *keys: str | int) -> Spot:
        """The value that `keys` lead to, or the last one on the way that is there."""
        if self._document is None:
            return self
        return Spot(self.report, self.file, self._document, self._way + keys)

    def on_key(self) -> Spot:
        """The same, but problems point at the key instead of the value."""
        return Spot(self.report, self.file, self._document, self._way, self._place, True)  # noqa: FBT003

    def placed_as(self, other: Spot) -> Spot:
        """The same, but problems point at the place of `other`."""
        return Spot(self.report, self.file, self._document, self._way, other.place)

    @property
    def document(self) -> Document | None:
        """What the file holds."""
        return self._document

    @property
    def value(self) -> Any:
        """What stands here, to be looked at only."""
        return self._look_up()[1]

    @property
    def keys(self) -> Keys:
        """The path of keys that leads here."""
        return self._look_up()[0]

    @property
    def names(self) -> list[str]:
        """The keys of a mapping."""
        value = self.value
        return list(value) if isinstance(value, dict) else []

    @property
    def place(self) -> Place:
        """Line and column, from 1."""
        if self._place is not None:
            return self._place
        node, key = self._node()
        return (key if self._on_key else None) or ((node.line, node.column) if node else (1, 1))

    @property
    def text(self) -> str | None:
        """How the file spells the scalar that stands here; None where there is none."""
        node, _ = self._node()
        return node.text if isinstance(node, ScalarNode) else None

    def _look_up(self) -> tuple[Keys, Any]:
        """The path that leads here, of what is there, and what stands at its end."""
        if self._document is None:
            return (), None
        value = self._document.values
        path = []
        for key in self._way:
            if isinstance(key, str):
                if not (isinstance(value, dict) and key in value):
                    continue
            elif not (isinstance(value, list) and key < len(value)):
                continue
            value = value[key]
            path.append(key)
        return tuple(path), value

    def _node(self) -> tuple[Node | None, Place | None]:
        """What stands here with its place, and the place of the key that leads to it."""
        node = self._document.tree if self._document else None
        on_key: Place | None = None
        for key in self.keys:
            if isinstance(node, MapNode):
                entry = node.entries[str(key)]
                on_key, node = (entry.line, entry.column), entry.value
            elif isinstance(node, ListNode):
                on_key, node = None, node.items[int(key)]
        return node, on_key

    def problem(self, message: str) -> None:
        """Say what is wrong here."""
        self.report.problem(self.file, message, *self.place, path_text(self.keys))

    def warning(self, message: str) -> None:
        """Say what should be known of here."""
        self.report.warning(self.file, message, *self.place, path_text(self.keys))
