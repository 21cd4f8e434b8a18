"""The values that configuration keys take, each with its own words for what is wrong.

The types here are pydantic's, but none of its conversions: a number is never text, and text never a
number. Every message says what the value has to be.
"""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any, Final, TypeVar

from pydantic import BaseModel, ConfigDict, Discriminator, WrapValidator
from pydantic_core import PydanticCustomError, core_schema

from dnslb.config.suggest import unknown
from dnslb.policy.strategies import NAMES

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = [
    "BROKEN",
    "Amount",
    "Bias",
    "Burst",
    "Count",
    "Days",
    "Factor",
    "Flag",
    "Interval",
    "Location",
    "MaxAge",
    "Name",
    "Patience",
    "Pause",
    "Port",
    "Positive",
    "Rule",
    "Shape",
    "Statuses",
    "StrategyName",
    "Switch",
    "Text",
    "Texts",
    "Timeout",
    "Ttl",
    "Weight",
    "as_list",
    "as_text",
    "duration",
    "items",
    "kept",
    "mapping_or_word",
    "one_of",
    "whole",
    "wrong",
]

T = TypeVar("T")

MAX_TTL: Final = 0x7FFF_FFFF
_UNITS: Final = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86_400.0}
_DURATION: Final = re.compile(r"([0-9]{1,9}(?:\.[0-9]{1,3})?)(ms|s|m|h|d)", re.ASCII)
_STATUS: Final = re.compile(r"([0-9]{1,3})(?:-([0-9]{1,3}))?", re.ASCII)
_PERCENT: Final = re.compile(r"([0-9]{1,3})%", re.ASCII)
_NAME: Final = re.compile(r"[^\s/*?\[\]\x00-\x1f\x7f]{1,100}")


class Shape(BaseModel):
    """A mapping of known keys.

    Every key may be left out: what must be there is checked by whoever reads the shape, who knows
    enough to say why.
    """

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, defer_build=True)


def _word_or_mapping(value: Any) -> str:
    return "(mapping)" if isinstance(value, dict | Shape) else "(word)"


mapping_or_word = Discriminator(_word_or_mapping)
"""Tells a mapping written in place from a word; the tags can be no keys."""


BROKEN: Final = object()
"""Stands in a list for an item whose problem has been told, so that the others keep places."""


def items(values: list[T] | None) -> list[tuple[int, T]]:
    """The items of a list that are whole, with their places in it."""
    return [(index, value) for index, value in enumerate(values or []) if value is not BROKEN]


def _keep_broken(value: Any, handler: Callable[[Any], Any]) -> Any:
    return value if value is BROKEN else handler(value)


kept: Final = WrapValidator(_keep_broken)
"""For the items of lists, which may be `BROKEN`."""


@dataclass(frozen=True, eq=False)
class Rule:
    """What a value has to be: `check` returns it or raises, `schema` says it to editors."""

    check: Callable[[Any], Any]
    schema: dict[str, Any]

    def __get_pydantic_core_schema__(self, source: Any, handler: Any) -> Any:
        return core_schema.no_info_before_validator_function(self.check, handler(source))

    def __get_pydantic_json_schema__(self, _: Any, __: Any) -> dict[str, Any]:
        return dict(self.schema)


def wrong(message: str) -> PydanticCustomError:
    """The error for a value that is wrong, in the operator's words."""
    return PydanticCustomError("value", "{text}", {"text": message})


def as_text(value: Any) -> str:
    """Text with something in it; raises for all else."""
    if not isinstance(value, str):
        raise PydanticCustomError("text", "must be text")
    if not value.strip():
        raise wrong("must not be empty")
    return value


def _name(value: Any) -> Any:
    if not _NAME.fullmatch(as_text(value)):
        raise wrong("must be a name without spaces and none of / * ? [ ]")
    return value


def _flag(value: Any) -> Any:
    if not isinstance(value, bool):
        raise wrong("must be true or false")
    return value


def as_list(value: Any) -> Any:
    """A list as it is, a single value as a list of it; raises for an empty list."""
    if value == []:
        raise wrong("must not be an empty list; write a value, or remove the key")
    return value if isinstance(value, list) else [value]


def whole(least: int, most: int | None = None) -> Rule:
    """The rule for whole numbers from `least` to `most`, both included."""
    bounds = f"{least} or more" if most is None else f"{least} to {most:,}"

    def check(value: Any) -> Any:
        whole = isinstance(value, int) and not isinstance(value, bool)
        if not whole or value < least or (most is not None and value > most):
            raise wrong(f"must be a whole number, {bounds}")
        return value

    schema: dict[str, Any] = {"type": "integer", "minimum": least}
    if most is not None:
        schema["maximum"] = most
    return Rule(check, schema)


def one_of(*words: str) -> Rule:
    """The rule for text that is one of `words`."""

    def check(value: Any) -> Any:
        if isinstance(value, bool | int | float):
            value = str(value).lower()  # as it is written; to quote it would not help
        if value not in words:
            raise wrong(unknown("word", str(as_text(value)), words))
        return value

    return Rule(check, {"type": "string", "enum": list(words)})


def duration(value: Any) -> float:
    """Seconds, from text such as `500ms`, `10s`, `5m`, `1h` or `14d`.

    Raises:
        PydanticCustomError: it is no duration.
    """
    if isinstance(value, int | float) and not isinstance(value, bool):
        raise wrong(f"must be a duration with its unit; write {value:g}s")
    match = _DURATION.fullmatch(value) if isinstance(value, str) else None
    if not match:
        raise wrong("must be a duration such as 500ms, 10s, 5m or 1h")
    return round(float(match[1]) * _UNITS[match[2]], 6)


def _between(least: float, most: float, text: str) -> Callable[[Any], float]:
    def check(value: Any) -> float:
        seconds = duration(value)
        if not least <= seconds <= most:
            raise wrong(f"must be {text}")
        return seconds

    return check


def _ttl(value: Any) -> int:
    message = f"must be seconds, 0 to {MAX_TTL}, or a duration such as 5m"
    if isinstance(value, str):
        if not _DURATION.fullmatch(value):
            raise wrong(message)
        value = duration(value)
        if value != int(value):
            raise wrong("must be whole seconds")
        value = int(value)
    if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value <= MAX_TTL:
        raise wrong(message)
    return value


def _max_age(value: Any) -> float:
    return (
        math.inf if value == "off" else _between(3600, 3650 * 86_400, "1h to 3650d, or off")(value)
    )


def _location(value: Any) -> tuple[float, float]:
    numbers = (
        isinstance(value, list)
        and len(value) == 2
        and all(isinstance(item, int | float) and not isinstance(item, bool) for item in value)
    )
    if not numbers or not (-90 <= value[0] <= 90 and -180 <= value[1] <= 180):
        raise wrong("must be [latitude, longitude] in degrees, as in [50.1, 8.7]")
    return float(value[0]), float(value[1])


def _factor(value: Any) -> float:
    number = isinstance(value, int | float) and not isinstance(value, bool)
    if not number or not 1 <= value < float("inf"):
        raise wrong("must be a number of 1 or more, as in 1.1")
    return float(value)


def _positive(value: Any) -> Any:
    number = isinstance(value, int | float) and not isinstance(value, bool)
    if not number or not 0 < value < float("inf"):
        raise wrong("must be a number above 0")
    return float(value)


def _amount(value: Any) -> Any:
    """A whole number as it is, a percentage as the part that it means."""
    if isinstance(value, str) and (match := _PERCENT.fullmatch(value)) and 0 < int(match[1]) <= 100:
        return int(match[1]) / 100
    if not isinstance(value, int) or isinstance(value, bool) or value < 1:
        raise wrong("must be a whole number, 1 or more, or a part such as 50%")
    return value


def _switch(value: Any) -> Any:
    if value not in ("on", "off"):  # no set: what is wrong may have no hash
        raise wrong("must be on or off, or a mapping")
    return value == "on"


def _statuses(value: Any) -> tuple[tuple[int, int], ...]:
    return tuple(_status(item) for item in (value if isinstance(value, list) else [value]))


def _status(value: Any) -> tuple[int, int]:
    text = str(value) if isinstance(value, int | str) else ""
    match = _STATUS.fullmatch(text)
    low, high = (int(match[1]), int(match[2] or match[1])) if match else (1, 0)
    if not low <= high <= 599:
        raise wrong("must be status codes: 200, 200-399, or a list of these")
    return low, high


_DURATION_SCHEMA: Final = {"type": "string", "pattern": r"^[0-9]+(\.[0-9]+)?(ms|s|m|h|d)$"}
_TEXT_SCHEMA: Final = {"type": "string", "minLength": 1}

Text = Annotated[str, Rule(as_text, _TEXT_SCHEMA)]
Name = Annotated[str, Rule(_name, _TEXT_SCHEMA)]
StrategyName = Annotated[
    str,
    Rule(as_text, {"anyOf": [{"enum": list(NAMES)}, {"type": "string", "pattern": ":"}]}),
]
Flag = Annotated[bool, Rule(_flag, {"type": "boolean"})]
Texts = Annotated[
    list[Annotated[Text, kept]],
    Rule(as_list, {"anyOf": [_TEXT_SCHEMA, {"type": "array", "items": _TEXT_SCHEMA}]}),
]
"""One text or a list of them."""

Interval = Annotated[float, Rule(_between(0.05, 86_400, "50ms to 24h"), _DURATION_SCHEMA)]
Patience = Annotated[float, Rule(_between(0.1, 3600, "100ms to 1h"), _DURATION_SCHEMA)]
"""How long a client may take."""

Timeout = Annotated[float, Rule(_between(0.01, 3600, "10ms to 1h"), _DURATION_SCHEMA)]
Pause = Annotated[float, Rule(_between(0, 86_400, "0s to 24h"), _DURATION_SCHEMA)]
MaxAge = Annotated[float, Rule(_max_age, {"anyOf": [{"enum": ["off"]}, _DURATION_SCHEMA]})]
Burst = Annotated[float, Rule(_between(1, 60, "1s to 60s"), _DURATION_SCHEMA)]
Ttl = Annotated[
    int,
    Rule(
        _ttl, {"anyOf": [{"type": "integer", "minimum": 0, "maximum": MAX_TTL}, _DURATION_SCHEMA]}
    ),
]
Location = Annotated[
    tuple[float, float],
    Rule(_location, {"type": "array", "items": {"type": "number"}, "minItems": 2, "maxItems": 2}),
]
Amount = Annotated[
    int | float,
    Rule(
        _amount,
        {"anyOf": [{"type": "integer", "minimum": 1}, {"type": "string", "pattern": "^[0-9]+%$"}]},
    ),
]
"""A number (int), or a part of all (float)."""

Positive = Annotated[float, Rule(_positive, {"type": "number", "exclusiveMinimum": 0})]
Days = Annotated[float, Rule(_positive, {"type": "number", "exclusiveMinimum": 0})]
Switch = Annotated[bool, Rule(_switch, {"enum": ["on", "off"]})]
Factor = Annotated[float, Rule(_factor, {"type": "number", "minimum": 1})]
Statuses = Annotated[
    tuple[tuple[int, int], ...],
    Rule(
        _statuses,
        {"type": ["integer", "string", "array"], "items": {"type": ["integer", "string"]}},
    ),
]
"""Ranges of status codes, both ends included."""


Count = Annotated[int, whole(1, 100)]
Weight = Annotated[int, whole(0, 1_000_000)]
Bias = Annotated[int, whole(-99, 99)]
Port = Annotated[int, whole(1, 65_535)]
