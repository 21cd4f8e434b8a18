"""JSON Schema of the configuration, for editors: made of the shapes that the loader itself uses."""

from __future__ import annotations

from typing import Any, Final, Literal

from dnslb.config.document import SCHEMA
from dnslb.config.serverfile import ServerShape
from dnslb.config.shapes import ZoneShape

__all__ = ["schema"]

DIALECT: Final = "https://json-schema.org/draft/2020-12/schema"
TITLES: Final = {"zone": "A zone of dnslb", "server": "dnslb.yaml"}


def schema(kind: Literal["zone", "server"] = "zone") -> dict[str, Any]:
    """The JSON Schema (2020-12) of zone files, or of `dnslb.yaml`."""
    model = ZoneShape if kind == "zone" else ServerShape
    made: dict[str, Any] = _tidy(model.model_json_schema())
    if kind == "zone":
        made["required"] = ["nameservers"]
    made["properties"][SCHEMA] = {"type": "string", "description": "In JSON, where this is."}
    return {"$schema": DIALECT, **made, "title": TITLES[kind]}


def _tidy(value: Any) -> Any:
    """Without what only Python means: null as a default, titles made of class and field names."""
    if isinstance(value, list):
        return [_tidy(item) for item in value if item != {"type": "null"}]
    if not isinstance(value, dict):
        return value
    tidy = {
        key: _tidy(item)
        for key, item in value.items()
        if not (key == "title" and isinstance(item, str))
        and not (key == "default" and item is None)
    }
    for key in ("anyOf", "oneOf"):
        if len(tidy.get(key, ())) == 1 and isinstance(tidy[key], list):
            (only,) = tidy.pop(key)
            tidy = {**only, **tidy}
    return tidy
