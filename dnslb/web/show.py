"""Backends as JSON: what is known of them, since when and why."""

from __future__ import annotations

import json
import math
from contextlib import suppress
from dataclasses import fields, is_dataclass
from datetime import datetime, timezone
from enum import Enum
from typing import TYPE_CHECKING, Any

from dnslb.config.model import Family
from dnslb.health.checks.push import PushCheck
from dnslb.health.store import wall

if TYPE_CHECKING:
    from collections.abc import Iterable

    from dnslb.config.model import Backend
    from dnslb.health.history import History
    from dnslb.health.monitor import Monitor
    from dnslb.health.scheduler import ProbeKey
    from dnslb.policy.explain import Explanation

__all__ = ["backends_as_json", "show_backend", "show_explanation", "stamp"]

_WORDS = {Family.IPV4: "ipv4", Family.IPV6: "ipv6"}


def backends_as_json(monitor: Monitor, backends: Iterable[Backend]) -> str:
    """Those of `backends` that are watched. May be called in another thread."""
    shown = []
    for backend in backends:
        with suppress(KeyError):  # a reload has taken it away meanwhile
            shown.append(show_backend(monitor, backend))
    return json.dumps({"backends": shown})


def show_backend(monitor: Monitor, backend: Backend) -> dict[str, Any]:
    """One backend: its verdict by family, the operator's state, load, weight, probes."""
    standing = monitor.standing(backend.id)
    wish = monitor.wish(backend.id)
    families = [family for family in Family if backend.has(family)]
    now = monitor.now()
    return {
        "zone": backend.id.zone,
        "pool": backend.id.pool,
        "name": backend.id.name,
        "addresses": [str(address) for address in backend.addresses],
        "target": backend.target,
        "verdict": {
            _WORDS[family]: "down" if family in standing.down else "up" for family in families
        },
        "serves": [_WORDS[family] for family in families if standing.serves(family)],
        "reason": standing.reason,
        "since": stamp(standing.since),
        "held": standing.held,
        "drained": standing.drained,
        "state": standing.state.value,
        "state_reason": wish.reason,
        "until": stamp(wish.until),
        "load": _number(standing.load),
        "latency": _number(standing.latency),
        "weight": standing.weight,
        "probes": [_probe(key, one, now) for key, one in monitor.histories(backend.id).items()],
        "transitions": [
            {
                "at": stamp(one.at),
                "down": sorted(_WORDS[family] for family in one.down),
                "reason": one.reason,
            }
            for one in monitor.transitions(backend.id)
        ],
    }


def _probe(key: ProbeKey, history: History, now: float) -> dict[str, Any]:
    last = history.last
    verdict = {None: "unknown", True: "up", False: "down"}[history.verdict]
    return {
        "check": key.check.where(key.address),
        "push": isinstance(key.check, PushCheck),
        "verdict": verdict,
        "since": stamp(wall(history.state.since, now)) if history.verdict is not None else None,
        "held_until": stamp(wall(history.held_until, now)) if history.verdict is False else None,
        "last_result": last
        and {
            "result": last.outcome.value,
            "detail": last.detail,
            "note": last.note,
            "milliseconds": round(last.milliseconds, 3),
            "attempts": last.attempts,
            "at": stamp(wall(history.last_at, now)),
            "load": _number(last.load),
            "certificate_expires": stamp(last.expires),
        },
    }


def show_explanation(explanation: Explanation) -> dict[str, Any]:
    """An explanation; the service by its name."""
    shown = {
        one.name: _plain(getattr(explanation, one.name))
        for one in fields(explanation)
        if one.name != "service"
    }
    service = explanation.service
    shown["service"] = service and {
        "name": str(service.id),
        "ttl": service.ttl,
        "answers": service.answers,
    }
    return shown


def _plain(value: Any) -> Any:
    if is_dataclass(value) and not isinstance(value, type):
        return {one.name: _plain(getattr(value, one.name)) for one in fields(value)}
    if isinstance(value, tuple | list):
        return [_plain(item) for item in value]
    return value.value if isinstance(value, Enum) else value


def stamp(at: float | None) -> str | None:
    """A time in seconds since 1970 as ISO 8601, in UTC; None for none, and for never."""
    if not at or not math.isfinite(at):
        return None
    return datetime.fromtimestamp(at, timezone.utc).isoformat(timespec="milliseconds")


def _number(value: float | None) -> float | None:
    return None if value is None else round(value, 4)
