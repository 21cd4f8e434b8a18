"""What the server counts, as Prometheus reads it."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily
from prometheus_client.registry import Collector

from dnslb.config.model import Family, ServiceId

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from prometheus_client.core import Metric

    from dnslb.server import Server

__all__ = ["exposition"]


def exposition(server: Server) -> bytes:
    """The metrics of `server` now, in Prometheus's text format."""
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
    yield _backends(server)
    yield from _databases(server)


def _backends(server: Server) -> Metric:
    # pools of one name may stand in several zones
    up = GaugeMetricFamily(
        "dnslb_backend_up", "Whether checks pass.", labels=("zone", "pool", "backend")
    )
    for backend in server.config.backends():
        down = server.monitor.standing(backend.id).down
        passes = any(backend.has(family) and family not in down for family in Family)
        up.add_metric(backend.id, passes)
    return up


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
