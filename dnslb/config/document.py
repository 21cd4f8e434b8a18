"""A file as a document: its values at once, their places when somebody asks.

A configuration is read to be used, and mostly nothing is wrong with it. So its values are read the
short way, and only what wants a place, a problem to be told as a rule, has the text read once more
into the tree that knows them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from dnslb.config import jsontree, tree
from dnslb.config.kinds import JSON
from dnslb.config.nodes import MalformedError
from dnslb.config.spot import Spot

if TYPE_CHECKING:
    from pathlib import Path

    from dnslb.config.nodes import Node
    from dnslb.config.problem import Report

__all__ = ["SCHEMA", "Document", "read_document"]

SCHEMA: Final = "$schema"
"""The key of JSON files by which editors find their schema; it says nothing to us."""


class Document:
    """What is in a file.

    Raises:
        MalformedError: it is neither YAML nor JSON, or beyond the bounds.
    """

    def __init__(self, text: str, *, is_json: bool = False) -> None:
        self._text = text
        self._is_json = is_json
        self._tree: Node | None = None
        self._has_tree = False
        self.values: Any = self._values()

    def _values(self) -> Any:
        found: Any
        try:
            found = jsontree.values(self._text) if self._is_json else tree.values(self._text)
        except (tree.UnusualError, ValueError, RecursionError):
            found = None if self.tree is None else self.tree.plain()
        if self._is_json and isinstance(found, dict):
            found.pop(SCHEMA, None)
        return found

    @property
    def tree(self) -> Node | None:
        """The values with their places; None where there is nothing but comments."""
        if not self._has_tree:
            parse = jsontree.parse if self._is_json else tree.parse
            self._tree = parse(self._text)
            self._has_tree = True
        return self._tree

    @property
    def is_empty(self) -> bool:
        """Whether there is nothing but comments."""
        return self.values is None and self.tree is None


def read_document(file: Path, text: str, report: Report) -> Spot | None:
    """The document in `text`, which `file` holds; None when it is none, which is reported."""
    try:
        return Spot(report, file, Document(text, is_json=file.suffix in JSON))
    except MalformedError as error:
        report.problem(file, str(error), error.line, error.column)
        return None
