r"""Prometheus's text format: the value of one metric (prometheus.io, exposition formats).

    # HELP, # TYPE and other comments are passed over
    node_load1 0.4
    queue_length{queue="a b",host="x\"y"} 7 1395066363000

Only lines of the wanted metric are looked at closely, so a long exposition costs little, and what
is wrong in other lines is somebody else's affair.
"""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from functools import lru_cache
from typing import Final

__all__ = ["Wanted", "most", "wanted"]

_NAME: Final = re.compile(r"[a-zA-Z_:][a-zA-Z0-9_:]*")
_LABEL: Final = re.compile(r'\s*([a-zA-Z_][a-zA-Z0-9_]*)\s*=\s*"((?:[^"\\\n]|\\.)*)"\s*(,|(?=\}))')
_ESCAPES: Final = {"\\n": "\n", '\\"': '"', "\\\\": "\\"}


@dataclass(frozen=True, slots=True)
class Wanted:
    """A metric, and labels that a sample must have."""

    name: str
    labels: tuple[tuple[str, str], ...] = ()


@lru_cache(maxsize=1024)
def wanted(text: str) -> Wanted:
    """What `metric{label="x"}` means.

    Raises:
        ValueError: it is none.
    """
    name, labels, rest = _series(text.strip())
    if rest.strip():
        raise ValueError(f"has {rest.strip()!r} behind it")
    return Wanted(name, tuple(sorted(labels.items())))


def most(text: str, metric: Wanted) -> float | None:
    """The greatest value of the samples of `metric`; None when there is none.

    Raises:
        ValueError: a sample of the metric cannot be read.
    """
    values = []
    for row in text.split("\n"):
        line = row.strip()
        if not line.startswith(metric.name):
            continue
        name, labels, rest = _series(line)
        if name != metric.name or any(labels.get(key) != value for key, value in metric.labels):
            continue
        words = rest.split()
        if not 1 <= len(words) <= 2:
            raise ValueError(f"{metric.name} has no value")
        value = float(words[0])  # which takes NaN and +Inf as Prometheus writes them
        if not math.isnan(value):
            values.append(value)
    return max(values, default=None)


def _series(text: str) -> tuple[str, dict[str, str], str]:
    """Name and labels at the beginning of `text`, and what follows."""
    found = _NAME.match(text)
    if not found:
        raise ValueError("is no metric")
    rest = text[found.end() :]
    labels: dict[str, str] = {}
    if rest.lstrip().startswith("{"):
        rest = rest.lstrip()[1:]
        while not rest.lstrip().startswith("}"):
            label = _LABEL.match(rest)
            if not label:
                raise ValueError("has labels that cannot be read")
            labels[label[1]] = _unescaped(label[2])
            rest = rest[label.end() :]
        rest = rest.lstrip()[1:]
    return found[0], labels, rest


def _unescaped(value: str) -> str:
    return re.sub(r"\\.", lambda found: _ESCAPES.get(found[0], found[0]), value)
