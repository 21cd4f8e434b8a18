"""From the tree of a file to its shape, with everything wrong told and cut out.

What is wrong is reported at its place and removed, so that the rest still becomes a shape whose
meaning can be checked: an operator gets all problems in one run.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Generic, TypeVar, get_args, get_origin

from pydantic import ValidationError

from dnslb.config.suggest import unknown
from dnslb.config.values import BROKEN, Shape

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from dnslb.config.spot import Spot

__all__ = ["Shaped", "read_shape"]

S = TypeVar("S", bound=Shape)
Keys = tuple[str | int, ...]


@dataclass(slots=True)
class Shaped(Generic[S]):
    """A shape, and the paths of keys at which something was cut out of it."""

    value: S
    damage: list[Keys] = field(default_factory=list)

    def damaged_at(self, spot: Spot) -> bool:
        """Whether something was cut out at, below or above `spot`."""
        return bool(self.damage) and self.damaged(*spot.keys)

    def damaged(self, *keys: str | int) -> bool:
        """Whether something was cut out at, below or above `keys`."""
        return any(all(a == b for a, b in zip(path, keys, strict=False)) for path in self.damage)


def read_shape(model: type[S], spot: Spot, *, may_be_empty: frozenset[str]) -> Shaped[S]:
    """What of the mapping at `spot` is a `model`; the rest is reported.

    `may_be_empty` are the keys that may stand without a value.
    """
    written = spot.value
    if not isinstance(written, dict):
        if spot.document and spot.document.is_empty:
            return Shaped(model())
        spot.problem("must be a mapping of keys to values")
        return Shaped(model(), [()])
    empty = _empty(written, ()) if _has_empty(written) else ()
    data = _copied(written) if empty else written  # what is written stays, to be looked at
    damage = _cut_empty(data, spot, empty, may_be_empty)
    first = True
    while True:
        try:
            return Shaped(model.model_validate(data), damage)
        except ValidationError as error:
            data = _copied(written) if data is written else data
            for item in error.errors(include_url=False):
                path = _known_part(written, item["loc"])
                if first:
                    _tell(model, spot, path, item)
                damage.append(path)
                _cut(data, path)
            # what cutting brings about is no news
            first = False


def _copied(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _copied(item) for key, item in value.items()}
    return [_copied(item) for item in value] if isinstance(value, list) else value


def _cut_empty(
    data: Any, spot: Spot, empty: Sequence[Keys], may_be_empty: frozenset[str]
) -> list[Keys]:
    """Cut the keys without a value, `empty`, out of `data`; returns the paths that need one."""
    damage = []
    for path in empty:
        if not (len(path) == 1 and path[0] in may_be_empty):
            told = "has no value; write one, or remove the key"
            if ":" in str(path[-1]):
                told = "has no value; a space goes after the colon that ends a key"
            spot.at(*path).problem(told)
            damage.append(path)
        _cut(data, path)
    return damage


def _has_empty(value: Any) -> bool:
    """Whether there is something without a value."""
    left = [value]
    while left:
        item = left.pop()
        inner = item.values() if isinstance(item, dict) else item
        if None in inner:
            return True
        left += [one for one in inner if isinstance(one, dict | list)]
    return False


def _empty(value: Any, path: Keys) -> list[Keys]:
    """The paths to all that has no value."""
    found: list[Keys] = []
    items: Iterable[tuple[str | int, Any]] = (
        value.items() if isinstance(value, dict) else enumerate(value)
    )
    for key, item in items:
        if item is None:
            found.append((*path, key))
        elif isinstance(item, dict | list):
            found += _empty(item, (*path, key))
    return found


def _known_part(value: Any, loc: Sequence[str | int]) -> Keys:
    """The part of pydantic's path that stands in the file: tags and the like left out."""
    path: list[str | int] = []
    for key in loc:
        if isinstance(value, dict):
            if key not in value:
                continue
        elif not (isinstance(value, list) and isinstance(key, int) and key < len(value)):
            continue
        value = value[key]
        path.append(key)
    return tuple(path)


def _cut(data: Any, path: Keys) -> None:
    """Remove what stands at `path`: a key with its value, or an item, which leaves `BROKEN`."""
    *above, last = path
    for key in above:
        data = data.get(key) if isinstance(data, dict) else data[int(key)]
        if data is None or data is BROKEN:
            return
    if isinstance(data, list):
        data[int(last)] = BROKEN
    else:
        data.pop(last, None)


def _tell(model: type[Shape], spot: Spot, path: Keys, error: Mapping[str, Any]) -> None:
    here = spot.at(*path)
    kind = error["type"]
    if kind == "extra_forbidden":
        key = str(path[-1])
        message = unknown("key", key, _keys_at(model, path[:-1]))
        if ":" in key:
            message += "; a key ends in a colon and a space"
        spot.at(*path[:-1]).placed_as(here.on_key()).problem(message)
    elif kind == "text":
        quoted = "" if here.text is None else f'; quote it: "{here.text}"'
        here.problem(f"must be text{quoted}")
    elif kind in {"model_type", "dict_type", "model_attributes_type"}:
        here.problem("must be a mapping of keys to values")
    elif kind == "list_type":
        here.problem("must be a list, as in [a, b]")
    else:
        here.problem(str(error["msg"]))


def _keys_at(model: type[Shape], path: Keys) -> list[str]:
    """The keys that the mapping at `path` takes, going by the types from `model` down."""
    types: list[Any] = [model]
    for key in path:
        types = [inner for outer in types for inner in _inner(outer, key)]
    names = [
        name for item in types for cls in _flat(item) if _is_shape(cls) for name in cls.model_fields
    ]
    return list(dict.fromkeys(names))


def _flat(kind: Any) -> list[Any]:
    """The alternatives of a type, annotations and unions taken apart."""
    if _is_shape(kind) or get_origin(kind) in {list, dict}:
        return [kind]
    return [flat for inner in get_args(kind) for flat in _flat(inner)]


def _inner(kind: Any, key: str | int) -> list[Any]:
    found: list[Any] = []
    for item in _flat(kind):
        if _is_shape(item):
            if key in item.model_fields:
                found.append(item.model_fields[str(key)].annotation)
        else:
            found.append(get_args(item)[-1])
    return found


def _is_shape(kind: Any) -> bool:
    return isinstance(kind, type) and issubclass(kind, Shape)
