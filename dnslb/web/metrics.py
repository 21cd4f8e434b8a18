"""What the server counts, as Prometheus reads it."""

from __future__ import annotations

import time
from contextlib import suppress
from typing import TYPE_CHECKING

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import (
    CounterMetricFamily,
    GaugeMetricFamily,
    HistogramMetricFamily,
    SummaryMetricFamily,
)
from prometheus_client.registry import Collector

from dnslb.config.model import Family, ServiceId

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from prometheus_client.core import Metric

    from dnslb.config.model import Backend
    from dnslb.health.history import History
    from dnslb.server import Server

__all__ = ["exposition"]


def exposition(server: Server) -> bytes:
    """The metrics of `server` now, in Prometheus's text format. May be called in another thread."""
    registry = CollectorRegistry(auto_describe=False)
    registry.register(_Reading(lambda: _metrics(server)))
    return generate_latest(registry)


class _Reading(Collector):
    def __init__(self, read: Callable[[], Iterable[Metric]]) -> None:
        self._read = read

    def collect(self) -> Iterable[Metric]:
        return self._read()


def _metrics(server: Server) -> Iterator[Metric]:
    stats = server.stats()
    queries = CounterMetricFamily("dnslb_queries", "Answers made.", labels=("transport", "rcode"))
    for labels, count in stats["queries"].items():
        queries.add_metric(labels, count)
    yield queries
    drops = CounterMetricFamily("dnslb_query_drops", "Packets without answer.", labels=("reason",))
    for reason, count in stats["drops"].items():
        drops.add_metric((reason,), count)
    yield drops
    answers = CounterMetricFamily(
        "dnslb_answers", "Answers with a backend.", labels=("service", "pool", "backend")
    )
    for (zone, service, pool, backend), count in stats["answers"].items():
        answers.add_metric((str(ServiceId(zone, service)), pool, backend), count)
    yield answers
    yield GaugeMetricFamily(
        "dnslb_snapshot_generation", "How often was published.", value=stats["generation"]
    )
    yield from _backends(server)
    yield from _checks(server)
    yield from _pools(server)
    yield from _databases(server)


def _backends(server: Server) -> Iterator[Metric]:
    # pools of one name may stand in several zones
    labels = ("zone", "pool", "backend")
    up = GaugeMetricFamily("dnslb_backend_up", "Whether checks pass.", labels=labels)
    load = GaugeMetricFamily("dnslb_backend_load", "0 idle, 1 full, damped.", labels=labels)
    weight = GaugeMetricFamily(
        "dnslb_backend_weight", "How much of its weight counts now.", labels=labels
    )
    for backend in server.config.backends():
        standing = server.monitor.standing(backend.id)
        passes = any(backend.has(family) and family not in standing.down for family in Family)
        up.add_metric(backend.id, passes)
        weight.add_metric(backend.id, standing.weight)
        if standing.load is not None:
            load.add_metric(backend.id, standing.load)
    yield from (up, load, weight)


def _checks(server: Server) -> Iterator[Metric]:
    results = CounterMetricFamily("dnslb_check_results", "Results of probes.", labels=("result",))
    for word, count in server.monitor.results().items():
        results.add_metric((word,), count)
    labels = ("check", "backend", "zone")
    took = SummaryMetricFamily("dnslb_check_duration_seconds", "What probes took.", labels=labels)
    expires = GaugeMetricFamily(
        "dnslb_check_certificate_expiry_seconds",
        "When the certificate ends, since 1970.",
        labels=labels,
    )
    for backend in server.config.backends():
        for values, probes in _probes(server, backend):
            took.add_metric(
                values, sum(one.count for one in probes), sum(one.seconds for one in probes)
            )
            ends = [one.expires for one in probes if one.expires is not None]
            if ends:
                expires.add_metric(values, min(ends))
    yield from (results, took, expires)
    late = server.monitor.lateness
    buckets = [*((str(bound), count) for bound, count in late.cumulative()), ("+Inf", late.count)]
    yield HistogramMetricFamily(
        "dnslb_check_lateness_seconds",
        "How late probes begin.",
        buckets=buckets,
        sum_value=late.total,
    )


def _probes(
    server: Server, backend: Backend
) -> Iterator[tuple[tuple[str, str, str], list[History]]]:
    """The probes of a backend by their labels, which two checks of one place share."""
    found: dict[str, list[History]] = {}
    if backend.check is not None:
        with suppress(KeyError):  # a reload has taken it away meanwhile
            for key, history in server.monitor.histories(backend.id).items():
                found.setdefault(str(key), []).append(history)
    for check, histories in found.items():
        yield (check, str(backend.id), backend.id.zone), histories


def _pools(server: Server) -> Iterator[Metric]:
    frozen = GaugeMetricFamily(
        "dnslb_pool_frozen",
        "1 while what fails is held up, since too much of the pool does.",
        labels=("zone", "pool"),
    )
    now = server.monitor.frozen()
    for pool in server.config.pools():
        if pool.max_down is not None:
            frozen.add_metric((pool.zone, pool.name), (pool.zone, pool.name) in now)
    yield frozen
    yield GaugeMetricFamily(
        "dnslb_isolated", "1 while all canaries fail.", value=int(server.monitor.isolated)
    )


def _databases(server: Server) -> Iterator[Metric]:
    files, status = server.config.atlas.files, server.databases.status
    now = time.time()
    for name, text, values in (
        ("build_time_seconds", "When it was built, since 1970.",
         {key: one.database.built for key, one in files.items()}),
        ("age_seconds", "How long ago it was built.",
         {key: now - one.database.built for key, one in files.items()}),
        ("networks", "Networks in it.",
         {key: one.database.networks for key, one in files.items()}),
        ("refused", "1 while a newer file is refused.",
         {key: int(status.get(key) is not None) for key in files}),
    ):  # fmt: skip
        metric = GaugeMetricFamily(f"dnslb_geo_database_{name}", text, labels=("database",))
        for key, value in values.items():
            metric.add_metric((key,), value)
        yield metric
