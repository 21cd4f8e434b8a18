"""What the server counts, as Prometheus reads it."""

from __future__ import annotations

import time
from contextlib import suppress
from itertools import accumulate
from typing import TYPE_CHECKING
from weakref import WeakKeyDictionary

from prometheus_client import CollectorRegistry, ProcessCollector, generate_latest
from prometheus_client.core import (
    CounterMetricFamily,
    GaugeMetricFamily,
    HistogramMetricFamily,
    SummaryMetricFamily,
)
from prometheus_client.registry import Collector

from dnslb import __version__
from dnslb.config.model import Family, ServiceId
from dnslb.errors import PlanError
from dnslb.policy.compile import Compiler
from dnslb.policy.forecast import Of, grow, within

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from prometheus_client.core import Metric

    from dnslb._engine import Stats
    from dnslb.config.model import Backend
    from dnslb.health.history import History
    from dnslb.histogram import Histogram
    from dnslb.server import Server

__all__ = ["exposition"]


def exposition(server: Server) -> bytes:
    """The metrics of `server` now, in Prometheus's text format. May be called in another thread."""
    registry = CollectorRegistry(auto_describe=False)
    registry.register(_Reading(lambda: _metrics(server)))
    ProcessCollector(registry=registry)
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
    yield from _engine(stats)
    yield from _xdp(server)
    yield GaugeMetricFamily(
        "dnslb_snapshot_generation", "How often was published.", value=stats["generation"]
    )
    yield GaugeMetricFamily(
        "dnslb_start_time_seconds", "When it began to answer.", value=server.traffic.since
    )
    build = GaugeMetricFamily("dnslb_build_info", "Always 1.", labels=("version",))
    build.add_metric((__version__,), 1)
    yield build
    yield _histogram("dnslb_publish_seconds", "What publishing takes.", server.publisher.seconds)
    yield from _reloads(server)
    yield from _hooks(server)
    yield from _shares(server)
    yield from _query_log(server)
    yield from _backends(server)
    yield from _checks(server)
    yield from _pools(server)
    yield from _databases(server)


def _engine(stats: Stats) -> Iterator[Metric]:
    latency = HistogramMetricFamily(
        "dnslb_answer_duration_seconds",
        "From when a batch of queries was received until its answers were sent.",
        labels=("transport",),
    )
    for transport, found in stats["latency"].items():
        names = [*(f"{bound:g}" for bound in found["bounds"]), "+Inf"]
        buckets = list(zip(names, accumulate(found["counts"]), strict=True))
        latency.add_metric((transport,), buckets, found["seconds"])
    yield latency
    limited = CounterMetricFamily(
        "dnslb_rate_limited", "Answers beyond the rate, by what became of them.", labels=("fate",)
    )
    for fate, count in stats["limited"].items():
        limited.add_metric((fate,), count)
    yield limited
    tcp = stats["tcp"]
    yield GaugeMetricFamily("dnslb_tcp_open", "TCP connections now.", value=tcp["open"])
    connections = CounterMetricFamily(
        "dnslb_tcp_connections", "TCP connections by what became of them.", labels=("fate",)
    )
    connections.add_metric(("accepted",), tcp["accepted"])
    connections.add_metric(("refused",), tcp["refused"])
    connections.add_metric(("shed",), tcp["shed"])
    connections.add_metric(("timed-out",), tcp["timed_out"])
    yield connections


def _histogram(name: str, text: str, found: Histogram) -> Metric:
    return HistogramMetricFamily(name, text, buckets=_buckets(found), sum_value=found.total)


def _buckets(found: Histogram) -> list[tuple[str, float]]:
    return [*((str(bound), count) for bound, count in found.cumulative()), ("+Inf", found.count)]


def _reloads(server: Server) -> Iterator[Metric]:
    last = server.events.latest("reload")
    ok, at = (last.data["ok"], last.at) if last else (True, server.traffic.since)
    yield GaugeMetricFamily(
        "dnslb_config_reload_success", "Whether the last reload, or the start, was.", value=ok
    )
    yield GaugeMetricFamily(
        "dnslb_config_reload_timestamp_seconds", "When that was, since 1970.", value=at
    )


def _hooks(server: Server) -> Iterator[Metric]:
    told = CounterMetricFamily("dnslb_hook_events", "Events for hooks.", labels=("hook", "result"))
    for labels, count in server.hooks.counts().items():
        told.add_metric(labels, count)
    yield told


def _shares(server: Server) -> Iterator[Metric]:
    """Which share of a service's answers each backend is meant to get, and gets.

    Where clients decide, the share is that of the answers to clients who were led to its `pool`.
    """
    share = GaugeMetricFamily(
        "dnslb_backend_share",
        "The share of answers that is intended, and achieved in the last minute.",
        labels=("service", "within", "pool", "backend", "kind"),
    )
    up = GaugeMetricFamily(
        "dnslb_service_up", "0 while its when_down answers.", labels=("service",)
    )
    compiler = Compiler(dict(server.monitor.standings()), server.config.atlas)
    known = _intended_of(server)
    for service in server.config.services():
        if service.id not in known:
            try:
                known[service.id] = within(grow(compiler, service))
            except PlanError:
                continue  # it keeps the plan that it has, and the log says so
        intended = known[service.id]
        up.add_metric((str(service.id),), compiler.is_up(service))
        counted = server.traffic.counted(service.id)
        wholes: dict[str | None, int] = {}
        for key in intended:
            wholes[key.pool] = wholes.get(key.pool, 0) + counted.get(key.backend, 0)
        for key, part in intended.items():
            pool, name = key.backend.pool, key.backend.name
            labels = (str(service.id), key.pool or "", pool, name)
            share.add_metric((*labels, "intended"), part)
            if whole := wholes[key.pool]:
                achieved = counted.get(key.backend, 0) / whole
                share.add_metric((*labels, "achieved"), achieved)
    yield from (up, share)


_Intended = dict[ServiceId, dict[Of, float]]

_intended: WeakKeyDictionary[Server, tuple[int, _Intended]] = WeakKeyDictionary()
"""What was intended in the generation that was last read: growing the trees of 10,000 backends
takes a second, and between two scrapes hardly any plan changes."""


def _intended_of(server: Server) -> _Intended:
    """What is known of the generation in force, to be filled."""
    generation = server.stats()["generation"]
    before = _intended.get(server)
    if before is None or before[0] != generation:
        before = _intended[server] = (generation, {})
    return before[1]


def _xdp(server: Server) -> Iterator[Metric]:
    answers = CounterMetricFamily(
        "dnslb_xdp_answers", "Answers made past the kernel's sockets.", labels=("interface",)
    )
    for interface, count in server.attached().items():
        answers.add_metric((interface,), count)
    yield answers


def _query_log(server: Server) -> Iterator[Metric]:
    logged = server.query_log.logged()
    yield CounterMetricFamily(
        "dnslb_dnstap_frames", "Messages of the query log written.", value=logged["written"]
    )
    dropped = CounterMetricFamily(
        "dnslb_dnstap_dropped", "What the query log lacks.", labels=("reason",)
    )
    for reason, count in logged["dropped"].items():
        dropped.add_metric((reason,), count)
    yield dropped
    yield GaugeMetricFamily(
        "dnslb_dnstap_open", "1 while the query log has a reader or a file.", value=logged["open"]
    )


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
    probes_took = HistogramMetricFamily(
        "dnslb_probe_duration_seconds", "What probes took.", labels=("type",)
    )
    # a copy: this may be another thread than the one that adds types
    for word, one in dict(server.monitor.durations).items():
        probes_took.add_metric((word,), _buckets(one), one.total)
    yield probes_took
    yield _histogram(
        "dnslb_check_lateness_seconds", "How late probes begin.", server.monitor.lateness
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
