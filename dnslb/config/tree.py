"""YAML: its values, and the tree that knows their places.

Only the form of YAML is taken from PyYAML, as a stream of events; what scalars mean is decided in
`scalars`. The tree is bounded, so that no file, however hostile, exhausts memory or the stack.
"""

from __future__ import annotations

from sys import intern
from typing import TYPE_CHECKING, Any, Final, NoReturn

import yaml

from dnslb.config.nodes import (
    MAX_DEPTH,
    Entry,
    ListNode,
    MalformedError,
    MapNode,
    Node,
    ScalarNode,
)
from dnslb.config.scalars import resolve

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

__all__ = ["UnusualError", "parse", "values"]

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


def parse(text: str) -> Node | None:
    """The one document in `text`; None when there is nothing but comments.

    Raises:
        MalformedError: it is no YAML, more than one document, or beyond the bounds.
    """
    try:
        return _Composer(yaml.parse(text, Loader=_LOADER)).document()
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        line, column = (mark.line + 1, mark.column + 1) if mark else (1, 1)
        problem = _syntax(error.problem or str(error), text, line, column)
        raise MalformedError(problem, line, column) from None
    except yaml.reader.ReaderError as error:
        before = text[: error.position] if isinstance(error.position, int) else ""
        line = before.count("\n") + 1
        column = len(before) - (before.rfind("\n") + 1) + 1
        raise MalformedError("not valid YAML: a control character", line, column) from None


class UnusualError(Exception):
    """Text whose values only `parse` tells, or what is wrong with it."""


def values(text: str) -> dict[str, Any]:
    """What `parse(text).plain()` gives for a mapping, in half the time.

    Raises:
        UnusualError: the text takes the whole reader: it has anchors, aliases, merge keys or tags,
            is no mapping, or is wrong somehow.
    """
    try:
        loader = _LOADER(text)
        loader.get_event()  # the stream's start
        if type(loader.get_event()) is not yaml.DocumentStartEvent:
            raise UnusualError
        found = _value(loader.get_event, loader.get_event(), MAX_DEPTH)
        if not isinstance(found, dict) or type(loader.get_event()) is not yaml.DocumentEndEvent:
            raise UnusualError
        if type(loader.get_event()) is not yaml.StreamEndEvent:
            raise UnusualError
    except yaml.YAMLError:
        raise UnusualError from None
    return found


def _value(take: Callable[[], Any], event: Any, left: int) -> Any:
    """The value that begins with `event`; `take` gives the next event."""
    kind = type(event)
    if kind is yaml.AliasEvent or event.anchor is not None or event.tag is not None:
        raise UnusualError
    if kind is yaml.ScalarEvent:
        return event.value if event.style else resolve(event.value)
    if not left:
        raise UnusualError
    left -= 1
    if kind is yaml.SequenceStartEvent:
        items = []
        while type(event := take()) is not yaml.SequenceEndEvent:
            items.append(_value(take, event, left))
        return items
    if kind is not yaml.MappingStartEvent:
        raise UnusualError
    entries: dict[str, Any] = {}
    while type(event := take()) is not yaml.MappingEndEvent:
        if type(event) is not yaml.ScalarEvent:
            raise UnusualError
        key = intern(event.value)  # there are few, each in thousands of places
        if key in entries or key == "<<":
            raise UnusualError
        entries[key] = _value(take, take(), left)
    return entries


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
        raise MalformedError("<< merges mappings, or a list of mappings", node.line, node.column)
    return mappings


def _place(event: Any) -> tuple[int, int]:
    return event.start_mark.line + 1, event.start_mark.column + 1


def _fail(message: str, event: Any) -> NoReturn:
    raise MalformedError(message, *_place(event))
