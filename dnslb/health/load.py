"""Load reports: what a response says about how full its backend is.

    endpoint-load-metrics: TEXT application_utilization=0.4, cpu_utilization=0.3
    endpoint-load-metrics: JSON {"cpu_utilization": 0.3, "named_metrics": {"queue": 7}}
    endpoint-load-metrics-bin: CQAAAAAAANA/        the same as a protobuf message
    {"stats": {"load": 0.4}}                       a JSON body, with the field `json:stats.load`
    node_load1{cpu="0"} 3.2                        Prometheus's text, with `prometheus:node_load1`

A load is 0 when idle and 1 when full, and may exceed 1. Of an ORCA report (the load report of
xDS) it is `application_utilization` when that is above 0, else `cpu_utilization`, as gRPC chooses
(proposal A58). A report that cannot be used never fails a check: it comes with a reason instead.
"""

from __future__ import annotations

import json
import math
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Literal, NamedTuple

from dnslb.health.exposition import most, wanted
from dnslb.health.orca import BadWireError, utilizations

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

__all__ = [
    "MAX_LOAD",
    "ORCA_BINARY",
    "ORCA_HEADER",
    "LoadSource",
    "Report",
    "binary_load",
    "body_load",
    "metric_load",
    "orca_load",
]

ORCA_HEADER: Final = "endpoint-load-metrics"
ORCA_BINARY: Final = "endpoint-load-metrics-bin"

MAX_LOAD: Final = 10.0
"""Ten times full; what is beyond is a percentage or some other unit."""

MAX_HEADER: Final = 8192
"""Characters of a header that are looked at; web servers bound a header line likewise."""

_NUMBER: Final = re.compile(
    r"\s*[+-]?(?:\d+\.?\d*|\.\d+)(?:e[+-]?\d+)?\s*", re.ASCII | re.IGNORECASE
)
_APPLICATION: Final = ("application_utilization", "applicationUtilization")
_CPU: Final = ("cpu_utilization", "cpuUtilization")  # the second spelling is protobuf's JSON


class Report(NamedTuple):
    """A load, or why there is none."""

    load: float | None
    problem: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class LoadSource:
    """Where an answer says how loaded its backend is."""

    kind: Literal["orca", "json", "prometheus", "agent"]
    field: str = ""  # json: the path of a field; prometheus: a metric and its labels
    full: float = 1.0  # the figure that means full
    max_age: float | None = None  # seconds that a report counts; None: three intervals

    @property
    def in_body(self) -> bool:
        """Whether the report stands in the body of a response."""
        return self.kind in {"json", "prometheus"}

    def read(self, headers: Mapping[str, str], body: bytes) -> Report:
        """The load in a response, whose headers' names are in lower case."""
        if self.kind == "json":
            return body_load(body, self.field, self.full)
        if self.kind == "prometheus":
            return metric_load(body, self.field, self.full)
        binary = headers.get(ORCA_BINARY)
        if binary is not None:
            return binary_load(binary, self.full)
        return orca_load(headers.get(ORCA_HEADER), self.full)


class _BadReportError(ValueError):
    """A report that cannot be used; the message says why."""


def orca_load(header: str | None, full: float = 1.0) -> Report:
    """The load in an `endpoint-load-metrics` header; None when the response has none."""
    if header is None:
        return Report(None, f"no {ORCA_HEADER} header")
    return _guarded(lambda: _orca(header, full))


def binary_load(header: str, full: float = 1.0) -> Report:
    """The load in an `endpoint-load-metrics-bin` header."""
    return _guarded(lambda: _binary(header, full))


def body_load(body: bytes, path: str, full: float = 1.0) -> Report:
    """The load at `path`, as in `stats.load` or `workers.0.load`, of a JSON body."""
    return _guarded(lambda: _number(_field(_json(body), path), path, full))


def metric_load(body: bytes, metric: str, full: float = 1.0) -> Report:
    """The load that the greatest sample of `metric` tells, in Prometheus's text format."""
    return _guarded(lambda: _metric_of(body, metric, full))


def _guarded(read: Callable[[], float]) -> Report:
    try:
        return Report(read())
    except _BadReportError as error:
        return Report(None, str(error))


def _binary(header: str, full: float) -> float:
    if len(header) > MAX_HEADER:
        raise _BadReportError(f"{ORCA_BINARY} is longer than {MAX_HEADER} characters")
    try:
        found = utilizations(header)
    except BadWireError as error:
        raise _BadReportError(f"{ORCA_BINARY} {error}") from error
    return _chosen(found, ORCA_BINARY, full)


def _metric_of(body: bytes, metric: str, full: float) -> float:
    try:
        value = most(body.decode(errors="replace"), wanted(metric))
    except ValueError as error:
        raise _BadReportError(str(error)) from error
    if value is None:
        raise _BadReportError(f"the body has no {metric}")
    return _number(value, metric, full)


def _orca(header: str, full: float) -> float:
    if len(header) > MAX_HEADER:
        raise _BadReportError(f"{ORCA_HEADER} is longer than {MAX_HEADER} characters")
    form, _, rest = header.strip().partition(" ")
    if form.upper() == "TEXT":
        metrics: Mapping[str, object] = _text(rest)
    elif form.upper() == "JSON":
        parsed = _json(rest)
        if not isinstance(parsed, dict):
            raise _BadReportError(f"{ORCA_HEADER} holds no JSON object")
        metrics = parsed
    else:
        raise _BadReportError(f"{ORCA_HEADER} begins with neither TEXT nor JSON")
    return _chosen(metrics, ORCA_HEADER, full)


def _chosen(metrics: Mapping[str, object], header: str, full: float) -> float:
    """The utilization that counts, as gRPC chooses."""
    application = _metric(metrics, _APPLICATION, full)
    if application:
        return application
    cpu = _metric(metrics, _CPU, full)
    load = application if cpu is None else cpu
    if load is None:
        raise _BadReportError(f"{header} has neither {_APPLICATION[0]} nor {_CPU[0]}")
    return load


def _metric(metrics: Mapping[str, object], names: tuple[str, ...], full: float) -> float | None:
    for name in names:
        if name in metrics:
            return _number(metrics[name], name, full)
    return None


def _text(text: str) -> dict[str, str]:
    """The pairs of `a=1, b=2`; only those that are used need be numbers."""
    metrics: dict[str, str] = {}
    for pair in text.split(","):
        name, equals, value = (part.strip() for part in pair.partition("="))
        if not pair.strip():
            continue
        if not (name and equals):
            raise _BadReportError(
                f"{ORCA_HEADER} has {_shown(pair.strip())}, which is no name=value"
            )
        if name in metrics:
            raise _BadReportError(f"{ORCA_HEADER} says {_shown(name)} twice")
        metrics[name] = value
    return metrics


def _json(text: str | bytes) -> object:
    try:
        value: object = json.loads(text)
    # nesting beyond the parser's depth is no ValueError
    except (ValueError, RecursionError) as error:
        raise _BadReportError("the load report is no JSON") from error
    return value


def _field(value: object, path: str) -> object:
    for name in path.split("."):
        if isinstance(value, dict) and name in value:
            value = value[name]
        elif isinstance(value, list) and name.isdecimal() and int(name) < len(value):
            value = value[int(name)]
        else:
            raise _BadReportError(f"the body has no {path}")
    return value


def _number(value: object, name: str, full: float) -> float:
    number = float(value) if isinstance(value, str) and _NUMBER.fullmatch(value) else value
    if isinstance(number, bool) or not isinstance(number, int | float):
        raise _BadReportError(f"{name} is {_shown(value)}, which is no number")
    if number == math.inf or not number >= 0:  # which NaN is not either
        raise _BadReportError(f"{name} is {_shown(value)}, which is no load")
    if number > MAX_LOAD * full:
        most = MAX_LOAD * full
        raise _BadReportError(f"{name} is {_shown(value)}; full is {full:g}, and {most:g} the most")
    return number / full


def _shown(value: object) -> str:
    """A value that a stranger sent, short and printable."""
    try:
        text = ascii(value)
    except (ValueError, RecursionError):  # a whole number of too many digits, a nest too deep
        text = type(value).__name__
    return text if len(text) <= 40 else f"{text[:40]}..."
