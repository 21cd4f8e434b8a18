"""Load as the responses to checks report it: 0 is idle, 1 is full, more is overload.

Two ways of saying it are read: an ORCA report (Open Request Cost Aggregation, the xDS data format)
in the header `endpoint-load-metrics`, and a field of a JSON body.

    endpoint-load-metrics: TEXT application_utilization=0.4, cpu_utilization=0.3
    endpoint-load-metrics: JSON {"application_utilization": 0.4, "cpu_utilization": 0.3}

Of an ORCA report the application's own figure counts, and the CPU's where there is none, as gRPC's
weighted round robin has it (proposal A58).
"""

from __future__ import annotations

import json
import math
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["HEADER", "LoadError", "from_json", "from_orca"]

HEADER: Final = "endpoint-load-metrics"

FIELDS: Final = ("application_utilization", "cpu_utilization")

MAX_LOAD: Final = 1000.0
"""A thousand times full is a wrong unit rather than a load."""


class LoadError(ValueError):
    """A report that cannot be read; the message says what is wrong with it."""


def from_orca(report: str) -> float | None:
    """The load in the value of an ORCA header; None where it names no utilization.

    Raises:
        LoadError: the report is malformed.
    """
    form, _, text = report.strip().partition(" ")
    fields: Mapping[str, Any]
    if form.upper() == "JSON":
        fields = _object(text)
    elif form.upper() == "TEXT":
        fields = _pairs(text)
    else:
        raise LoadError(f"the ORCA report starts with {form[:20]!r}; TEXT and JSON are known")
    for name in FIELDS:
        # protobuf's JSON leaves zeros out and may write names in camel case
        value = fields.get(name, fields.get(_camel(name)))
        if value is not None and (load := _number(value, name)):
            return load
    known = [name for name in FIELDS if name in fields or _camel(name) in fields]
    return 0.0 if known else None


def from_json(body: str, path: str) -> float:
    """The load in a field of a JSON body; `path` leads to it, as in `stats.load`.

    Raises:
        LoadError: there is no such field, or it holds no load.
    """
    value: Any = _object(body)
    for key in path.split("."):
        if isinstance(value, list) and key.isascii() and key.isdigit() and int(key) < len(value):
            value = value[int(key)]
        elif isinstance(value, dict) and key in value:
            value = value[key]
        else:
            raise LoadError(f"the JSON body has no {path}")
    return _number(value, path)


def _pairs(text: str) -> dict[str, str]:
    fields = {}
    for pair in filter(None, map(str.strip, text.split(","))):
        name, equals, value = pair.partition("=")
        if not equals:
            raise LoadError(f"the ORCA report has {pair[:40]!r} where name=value is due")
        fields[name.strip()] = value.strip()
    return fields


def _object(text: str) -> dict[str, Any]:
    try:
        value = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise LoadError(f"not JSON: {error}") from error
    if not isinstance(value, dict):
        raise LoadError("the JSON is no object")
    return value


def _number(value: Any, name: str) -> float:
    try:
        load = float(value) if isinstance(value, str | int | float) else math.nan
    except (ValueError, OverflowError):
        load = math.nan
    if isinstance(value, bool) or not 0 <= load <= MAX_LOAD:
        raise LoadError(f"{name} is {str(value)[:40]!r}, which is no load")
    return load


def _camel(name: str) -> str:
    head, *rest = name.split("_")
    return head + "".join(map(str.capitalize, rest))
