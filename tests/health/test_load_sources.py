"""Load reports in ORCA's binary form and in Prometheus's text format."""

from __future__ import annotations

import base64
import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st
from prometheus_client import CollectorRegistry, Gauge, generate_latest

from dnslb.health.exposition import Wanted, most, wanted
from dnslb.health.load import LoadSource, binary_load, metric_load


def double(field, value):
    return bytes([field << 3 | 1]) + struct.pack("<d", value)


def encoded(*parts):
    return base64.b64encode(b"".join(parts)).decode()


MEMORY = double(2, 0.9)
RPS = bytes([3 << 3]) + b"\xac\x02"  # a varint of two octets
NAMED = bytes([8 << 3 | 2, 5]) + b"\x0a\x01q\x11\x00"


@pytest.mark.parametrize(
    ("parts", "load"),
    [
        ([double(1, 0.25)], 0.25),
        ([double(9, 0.5), double(1, 0.25)], 0.5),
        ([double(9, 0.0), double(1, 0.25)], 0.25),
        ([MEMORY, RPS, NAMED, double(1, 0.25)], 0.25),
        ([double(1, 0.25), double(1, 0.75)], 0.75),
    ],
    ids=["cpu", "application", "application-zero", "others", "twice"],
)
def test_binary_reports(parts, load):
    assert binary_load(encoded(*parts)) == (load, "")
    assert binary_load(encoded(*parts).rstrip("=")) == (load, ""), "gRPC sends no padding"


@pytest.mark.parametrize(
    ("header", "problem"),
    [
        ("!", "is no base64"),
        (encoded(b"\x09\x00"), "ends within a field"),
        (encoded(b"\xff"), "ends within a number"),
        (encoded(b"\x08\x01"), "no double"),
        (encoded(b"\x0b"), "no double"),
        (encoded(b"\x1b"), "wire type 3"),
        (encoded(MEMORY), "neither"),
        (encoded(double(1, -1)), "no load"),
        (encoded(double(1, float("nan"))), "no load"),
        (encoded(double(1, 70)), "the most"),
        ("A" * 10_000, "longer"),
    ],
)
def test_binary_reports_that_are_none(header, problem):
    load, told = binary_load(header)
    assert load is None
    assert problem in told


@given(st.binary(max_size=200))
def test_nothing_binary_raises(data):
    load, problem = binary_load(base64.b64encode(data).decode())
    assert (load is None) == bool(problem)


@given(st.floats(0, 10), st.floats(0, 10))
def test_what_is_written_is_read(application, cpu):
    load, _ = binary_load(encoded(double(9, application), double(1, cpu)))
    assert load == (application or cpu)


TEXT = b"""# HELP node_load1 1m load average.
# TYPE node_load1 gauge
node_load1 3.2
node_load15 9
queue{host="a",name="x y"} 4 1395066363000
queue{host="b",name="quo\\"te"} 6
queue{host="c",} 5
broken{
idle NaN
"""


@pytest.mark.parametrize(
    ("metric", "full", "load"),
    [
        ("node_load1", 8, 0.4),
        ("queue", 10, 0.6),
        ('queue{host="a"}', 10, 0.4),
        ('queue{ host = "a" , name="x y" }', 10, 0.4),
        ('queue{name="quo\\"te"}', 10, 0.6),
        ('queue{host="c"}', 10, 0.5),
    ],
)
def test_metrics(metric, full, load):
    assert metric_load(TEXT, metric, full) == (pytest.approx(load), "")


@pytest.mark.parametrize(
    ("metric", "problem"),
    [
        ("node", "has no node"),
        ('queue{host="z"}', "has no queue"),
        ("broken", "cannot be read"),
        ("idle", "has no idle"),
    ],
)
def test_metrics_that_are_not_there(metric, problem):
    load, told = metric_load(TEXT, metric)
    assert load is None
    assert problem in told


@pytest.mark.parametrize("text", ["", "1x", "a{", "a{b}", 'a{b="c"', "a b", 'a{b="c"} 1'])
def test_no_metrics(text):
    with pytest.raises(ValueError, match=r".+"):
        wanted(text)


LABELS = st.dictionaries(st.sampled_from(["a", "b", "c"]), st.text(max_size=8), max_size=3)


@given(st.lists(st.tuples(LABELS, st.floats(-10, 10)), min_size=1, max_size=5))
def test_what_prometheus_writes_is_read(samples):
    names = ("a", "b", "c")
    registry = CollectorRegistry()
    gauge = Gauge("load", "Words.", names, registry=registry)
    known = {}
    for labels, value in samples:
        full = tuple(labels.get(name, "") for name in names)
        gauge.labels(*full).set(value)
        known[full] = value
    text = generate_latest(registry).decode()
    assert most(text, Wanted("load")) == max(known.values())
    for full, value in known.items():
        assert most(text, Wanted("load", tuple(zip(names, full, strict=True)))) == value


@given(st.text(max_size=200))
def test_no_text_raises(text):
    load, problem = metric_load(text.encode("utf-8", "replace"), "load")
    assert (load is None) == bool(problem)


def test_a_source_reads_what_it_is_told():
    headers = {"endpoint-load-metrics-bin": encoded(double(1, 0.5))}
    assert LoadSource(kind="orca").read(headers, b"").load == 0.5
    assert LoadSource(kind="orca", full=2).read(headers, b"").load == 0.25
    source = LoadSource(kind="prometheus", field="node_load1", full=8)
    assert source.read({}, TEXT).load == pytest.approx(0.4)
