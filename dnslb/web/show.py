"""What is known, in the shapes that clients read: backends, what was found out, an explanation."""

from __future__ import annotations

import time
from dataclasses import fields, is_dataclass
from enum import Enum
from typing import TYPE_CHECKING, Any, Literal

from typing_extensions import TypedDict

from dnslb.config.model import Family, PoolId
from dnslb.health.checks.push import PushCheck
from dnslb.health.store import wall
from dnslb.times import stamp

if TYPE_CHECKING:
    from collections.abc import Iterable

    from dnslb.config.model import Backend, BackendId
    from dnslb.health.history import History
    from dnslb.health.monitor import Monitor
    from dnslb.health.scheduler import ProbeKey
    from dnslb.policy.explain import Explanation
    from dnslb.traffic import Traffic

__all__ = [
    "BackendView",
    "FinishView",
    "ProbeView",
    "ResultView",
    "TransitionView",
    "number",
    "show_backend",
    "show_explanation",
    "show_finish",
]

FamilyWord = Literal["ipv4", "ipv6"]
Verdict = Literal["up", "down"]

_WORDS: dict[Family, FamilyWord] = {Family.IPV4: "ipv4", Family.IPV6: "ipv6"}


class ResultView(TypedDict):
    """The last result of a probe."""

    result: str  # the outcome: ok, refused, ...
    detail: str
    note: str
    milliseconds: float
    attempts: int
    at: str | None
    load: float | None
    certificate_expires: str | None


class ProbeView(TypedDict):
    """One probe of a backend."""

    check: str  # what is probed
    push: bool  # whether it waits for heartbeats
    verdict: Literal["unknown", "up", "down"]
    since: str | None
    held_until: str | None  # it stays down that long at least
    last_result: ResultView | None


class TransitionView(TypedDict):
    """One change of a verdict."""

    at: str | None
    down: list[FamilyWord]
    reason: str


class FinishView(TypedDict):
    """When the last cached answer with a backend that is withheld runs out."""

    at: str | None
    seconds: float  # until then; 0 when it is over
    last_answer: str | None  # when it was last handed out; None: not since the server started


class BackendView(TypedDict):
    """One backend: its verdict by family, the operator's state, load, weight, probes."""

    zone: str
    pool: str
    name: str
    addresses: list[str]
    target: str | None
    verdict: dict[FamilyWord, Verdict]
    serves: list[FamilyWord]  # the families whose answers may carry it
    reason: str
    since: str | None
    held: bool  # down by its checks, and up since its pool is frozen
    drained: str  # what its agent wants
    state: Literal["auto", "up", "down", "drain"]
    state_reason: str
    until: str | None
    load: float | None
    latency: float | None  # milliseconds
    weight: float  # how much of its weight counts now
    rate: float  # answers a second, over the last ten
    last_answer: str | None  # since the server started
    finish: FinishView | None  # while it, or its pool, is drained or down by the operator
    probes: list[ProbeView]
    transitions: list[TransitionView]


def show_backend(monitor: Monitor, traffic: Traffic, backend: Backend) -> BackendView:
    """One backend. May be called in another thread.

    Raises:
        KeyError: a reload has taken it away.
    """
    standing = monitor.standing(backend.id)
    wish = monitor.wish(backend.id)
    pool = PoolId(backend.id.zone, backend.id.pool)
    withheld = standing.withheld or monitor.standing(pool).withheld
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
        "load": number(standing.load),
        "latency": number(standing.latency),
        "weight": standing.weight,
        "rate": round(traffic.rate(backend.id), 2),
        "last_answer": stamp(traffic.last_answer(backend.id)),
        "finish": show_finish(monitor, traffic, [backend.id]) if withheld else None,
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


def show_finish(
    monitor: Monitor, traffic: Traffic, backends: Iterable[BackendId]
) -> FinishView | None:
    """When the last cached answer with any of `backends` runs out; None for no backends."""
    ends: list[tuple[float, float | None]] = []
    for name in backends:
        last = traffic.last_answer(name)
        # a server before this one may have handed it out until the last moment
        ends.append(((traffic.since if last is None else last) + monitor.ttl(name), last))
    if not ends:
        return None
    at, last = max(ends, key=lambda end: end[0])
    return {
        "at": stamp(at),
        "seconds": round(max(0.0, at - time.time()), 1),
        "last_answer": stamp(last),
    }


def _probe(key: ProbeKey, history: History, now: float) -> ProbeView:
    verdicts: dict[bool | None, Literal["unknown", "up", "down"]] = {
        None: "unknown",
        True: "up",
        False: "down",
    }
    last = history.last
    return {
        "check": key.check.where(key.address),
        "push": isinstance(key.check, PushCheck),
        "verdict": verdicts[history.verdict],
        "since": stamp(wall(history.state.since, now)) if history.verdict is not None else None,
        "held_until": stamp(wall(history.held_until, now)) if history.verdict is False else None,
        "last_result": None
        if last is None
        else {
            "result": last.outcome.value,
            "detail": last.detail,
            "note": last.note,
            "milliseconds": round(last.milliseconds, 3),
            "attempts": last.attempts,
            "at": stamp(wall(history.last_at, now)),
            "load": number(last.load),
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


def number(value: float | None) -> float | None:
    """Four digits behind the point say enough."""
    return None if value is None else round(value, 4)
