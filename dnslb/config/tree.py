"""YAML as a tree that knows the place of every key and value.

Only the form of YAML is taken from PyYAML, as a stream of events; what scalars mean is decided in
`scalars`. The tree is bounded, so that no file, however hostile, exhausts memory or the stack.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final, NoReturn

import yaml

from dnslb.config.scalars import Plain, resolve

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["Entry", "ListNode", "MapNode", "Node", "ScalarNode", "YamlError", "parse"]

MAX_DEPTH: Final = 32
"""How deep lists and mappings may nest; the deepest key of a zone file stands seven deep."""

MAX_ALIASED: Final = 100_000
"""How many values aliases may add, so that a page of nested aliases cannot become billions."""

_LOADER: Final = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
_TEXT_TAG: Final = "tag:yaml.org,2002:str"
_KNOWN_TAGS: Final = {
    None,
    "!",
    _TEXT_TAG,
    *(f"tag:yaml.org,2002:{name}" for name in ("null", "bool", "int", "float", "map", "seq")),
}


class YamlError(Exception):
    """A file that is no YAML; the place counts from 1."""

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


def parse(text: str) -> Node | None:
    """The one document in `text`; None when there is nothing but comments.

    Raises:
        YamlError: it is no YAML, more than one document, or beyond the bounds.
    """
    try:
        return _Composer(yaml.parse(text, Loader=_LOADER)).document()
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        line, column = (mark.line + 1, mark.column + 1) if mark else (1, 1)
        problem = _syntax(error.problem or str(error), text, line, column)
        raise YamlError(problem, line, column) from None
    except yaml.reader.ReaderError as error:
        before = text[: error.position] if isinstance(error.position, int) else ""
        line = before.count("\n") + 1
        column = len(before) - (before.rfind("\n") + 1) + 1
        raise YamlError("not valid YAML: a control character", line, column) from None


def _syntax(problem: str, text: str, line: int, column: int) -> str:
    """What PyYAML says, or, for what people trip over, what to do."""
    lines = text.splitlines()
    content = lines[line - 1] if line <= len(lines) else ""
    before, at = content[: column - 1], content[column - 1 : column]
    if at == "\t" or (before.strip(" \t") == "" and "\t" in before):
        return "not valid YAML: a tab cannot indent; use spaces"
    if at and at in "@`%":
        return f'not valid YAML: {at} cannot begin a value; quote it, as in "{at}"'
    if "maximum nesting depth" in problem:  # libyaml's own bound, met while it looks ahead
        return f"nested deeper than {MAX_DEPTH} levels"
    if "mapping values are not allowed" in problem:
        return "not valid YAML: a second colon and space; quote the value"
    if at == ":":
        return 'not valid YAML: what begins with a colon needs quotes, as in "::1"'
    if before.endswith(("*", "&")):
        return f'not valid YAML: what begins with {before[-1]} needs quotes, as in "*.dev"'
    return f"not valid YAML: {problem}"


class _Composer:
    """Builds the tree from events."""

    def __init__(self, events: Iterator[Any]) -> None:
        self._events = events
        self._anchors: dict[str, Node | None] = {}
        self._aliased = 0

    def document(self) -> Node | None:
        root: Node | None = None
        documents = 0
        for event in self._events:
            if isinstance(event, yaml.DocumentStartEvent):
                documents += 1
                if documents > 1:
                    _fail("one file holds one document; remove this `---` and what follows", event)
            elif isinstance(event, yaml.NodeEvent):
                root = self._node(event, MAX_DEPTH)
        empty = isinstance(root, ScalarNode) and root.value is None and not root.text
        return None if empty else root

    def _node(self, event: Any, left: int) -> Node:
        line, column = _place(event)
        if isinstance(event, yaml.AliasEvent):
            return self._alias(event, left)
        if event.tag not in _KNOWN_TAGS:
            tag = event.tag.replace("tag:yaml.org,2002:", "!!")
            _fail(f"the tag {tag} has no meaning here; remove it", event)
        if event.anchor:
            self._anchors[event.anchor] = None
        node: Node
        if isinstance(event, yaml.ScalarEvent):
            text = event.value
            plain = not event.style and event.tag != _TEXT_TAG
            node = ScalarNode(line, column, resolve(text) if plain else text, text)
        elif not left:
            _fail(f"nested deeper than {MAX_DEPTH} levels", event)
        elif isinstance(event, yaml.SequenceStartEvent):
            node = self._list(ListNode(line, column), left - 1)
        else:
            node = self._map(MapNode(line, column), left - 1)
        if event.anchor:
            self._anchors[event.anchor] = node
        return node

    def _alias(self, event: Any, left: int) -> Node:
        if event.anchor not in self._anchors:
            _fail(
                f"*{event.anchor} stands for nothing; define it before with &{event.anchor}", event
            )
        node = self._anchors[event.anchor]
        if node is None:
            _fail(f"*{event.anchor} stands inside of what it stands for", event)
        if node.depth > left:
            _fail(f"nested deeper than {MAX_DEPTH} levels", event)
        self._aliased += node.size
        if self._aliased > MAX_ALIASED:
            _fail(f"aliases add more than {MAX_ALIASED} values", event)
        return node

    def _list(self, node: ListNode, left: int) -> ListNode:
        while not isinstance(event := next(self._events), yaml.SequenceEndEvent):
            item = self._node(event, left)
            node.items.append(item)
            _grow(node, item)
        return node

    def _map(self, node: MapNode, left: int) -> MapNode:
        merged: list[MapNode] = []
        while not isinstance(event := next(self._events), yaml.MappingEndEvent):
            if not isinstance(event, yaml.ScalarEvent):
                _fail("a key is text", event)
            value = self._node(next(self._events), left)
            _grow(node, value)
            if event.value == "<<" and not event.style:
                merged += _merged(value)
                continue
            if event.value in node.entries:
                first = node.entries[event.value].line
                _fail(f'the key "{event.value}" stands twice, first in line {first}', event)
            line, column = _place(event)
            node.entries[event.value] = Entry(line, column, value)
        for other in merged:
            for key, entry in other.entries.items():
                node.entries.setdefault(key, entry)
        return node


def _grow(node: Node, by: Node) -> None:
    node.size += by.size
    node.depth = max(node.depth, by.depth + 1)


def _merged(node: Node) -> list[MapNode]:
    """The mappings that a merge key names, the strongest first."""
    items = node.items if isinstance(node, ListNode) else [node]
    mappings = [item for item in items if isinstance(item, MapNode)]
    if len(mappings) != len(items):
        raise YamlError("<< merges mappings, or a list of mappings", node.line, node.column)
    return mappings


def _place(event: Any) -> tuple[int, int]:
    return event.start_mark.line + 1, event.start_mark.column + 1


def _fail(message: str, event: Any) -> NoReturn:
    raise YamlError(message, *_place(event))
