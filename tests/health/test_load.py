from __future__ import annotations

import json
import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dnslb.health.load import MAX_HEADER, MAX_LOAD, body_load, orca_load


@pytest.mark.parametrize(
    ("report", "load"),
    [
        ("TEXT application_utilization=0.4, cpu_utilization=0.3", 0.4),
        ("TEXT application_utilization=0,cpu_utilization=0.3", 0.3),
        ("TEXT cpu_utilization=1.5", 1.5),
        ("TEXT cpu_utilization=0", 0.0),
        ("text cpu_utilization=3e-1", 0.3),
        ("  TEXT  named_metrics.queue=7 , cpu_utilization = 0.3 ,", 0.3),
        ('JSON {"application_utilization": 0.4, "cpu_utilization": 0.3}', 0.4),
        ('json {"cpuUtilization": 0.3}', 0.3),
        ('JSON {"applicationUtilization": 0.6, "named_metrics": {"queue": 7}}', 0.6),
        ('JSON {"cpu_utilization": "0.3"}', 0.3),
        ("TEXT named_metrics.name=blue, cpu_utilization=.5", 0.5),
        ("TEXT cpu_utilization=10", 10.0),
    ],
    ids=[
        "application-first", "application-idle", "overload", "idle", "lower-case", "spaces",
        "json", "json-camel", "json-nested", "json-number-in-quotes", "words-elsewhere", "most",
    ],
)  # fmt: skip
def test_orca(report, load):
    assert orca_load(report) == (load, "")


@pytest.mark.parametrize(
    ("report", "says"),
    [
        (None, "no endpoint-load-metrics header"),
        ("cpu_utilization=0.3", "neither TEXT nor JSON"),
        ("BIN CgAAAA==", "neither TEXT nor JSON"),
        ("", "neither TEXT nor JSON"),
        ("TEXT", "neither application_utilization nor cpu_utilization"),
        ("TEXT named_metrics.queue=7", "neither application_utilization nor cpu_utilization"),
        ("JSON {}", "neither application_utilization nor cpu_utilization"),
        ("TEXT cpu_utilization=0.1, cpu_utilization=0.2", "twice"),
        ("TEXT " + "x" * MAX_HEADER, "longer than"),
        ("TEXT cpu_utilization", "name=value"),
        ("TEXT cpu_utilization=lots", "lots"),
        ("TEXT cpu_utilization=nan", "nan"),
        ("TEXT cpu_utilization=inf", "inf"),
        ("TEXT cpu_utilization=-0.1", "-0.1"),
        ("TEXT cpu_utilization=55", "full is 1"),
        ("TEXT cpu_utilization=1e999", "no load"),
        (f'JSON {{"cpu_utilization": {10**400}}}', "full is 1"),
        (f'JSON {{"cpu_utilization": -{10**400}}}', "no load"),
        ("JSON [0.3]", "object"),
        ("JSON {", "JSON"),
        ('JSON {"cpu_utilization": NaN}', "nan"),
        ('JSON {"cpu_utilization": true}', "True"),
        ('JSON {"cpu_utilization": [1]}', "[1]"),
        ("JSON " + "[" * 8_000, "JSON"),
    ],
    ids=[
        "no-header", "no-form", "binary", "nothing", "empty", "other-metrics", "json-empty",
        "twice", "long", "no-value", "word", "nan", "infinite", "negative", "percent", "overflow",
        "huge", "huge-negative", "list", "cut", "json-nan", "json-bool", "json-list", "nested-deep",
    ],
)  # fmt: skip
def test_orca_that_cannot_be_read(report, says):
    load, problem = orca_load(report)
    assert load is None
    assert says in problem
    assert len(problem) < 160


@pytest.mark.parametrize(
    ("body", "path", "load"),
    [
        ('{"load": 0.4}', "load", 0.4),
        ('{"stats": {"load": 2}}', "stats.load", 2.0),
        ('{"workers": [{"load": 0.1}, {"load": 0.9}]}', "workers.1.load", 0.9),
        ('{"load": "0.5"}', "load", 0.5),
        ("[0.7]", "0", 0.7),
    ],
    ids=["field", "nested", "list", "number-in-quotes", "list-of-all"],
)
def test_json_field(body, path, load):
    assert body_load(body.encode(), path) == (load, "")


@pytest.mark.parametrize(
    ("body", "path"),
    [
        ("{}", "load"),
        ('{"load": {"now": 1}}', "load"),
        ('{"load": 1}', "load.now"),
        ('{"load": [1]}', "load.1"),
        ('{"load": [1]}', "load.-1"),
        ('{"load": null}', "load"),
        ("<html>", "load"),
        ("", "load"),
        ("[1]", "load"),
        ('{"load": "1_0"}', "load"),
        ("[" * 60_000, "load"),
    ],
    ids=[
        "missing", "object", "too-deep", "past-the-end", "negative-index", "null", "html", "empty",
        "no-object", "underscore", "nested-deep",
    ],
)  # fmt: skip
def test_json_field_that_cannot_be_read(body, path):
    load, problem = body_load(body.encode(), path)
    assert load is None
    assert problem


def test_what_a_stranger_sent_is_shown_in_ascii():
    _, problem = orca_load("TEXT cpu_utilization=\x1b[31m\u2028")
    assert "\\x1b" in problem
    assert problem.isprintable()


def usable(report):
    """Whether what is read is a load, or a complaint that says something."""
    load, problem = report
    if load is None:
        return problem != ""
    return problem == "" and math.isfinite(load) and 0 <= load <= MAX_LOAD


@given(st.one_of(st.text(), st.text().map("TEXT ".__add__), st.text().map("JSON ".__add__)))
def test_any_header_gives_a_load_or_says_why_not(header):
    assert usable(orca_load(header))


@given(st.dictionaries(st.sampled_from(["cpu_utilization", "x"]), st.floats() | st.integers()))
def test_any_figures_give_a_load_or_say_why_not(figures):
    pairs = ", ".join(f"{name}={value}" for name, value in figures.items())
    assert usable(orca_load(f"TEXT {pairs}"))
    assert orca_load(f"JSON {json.dumps(figures)}").load == orca_load(f"TEXT {pairs}").load


JSON = st.recursive(
    st.none() | st.booleans() | st.floats() | st.integers() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.sampled_from(["a", "b"]), inner),
)


@given(JSON.map(json.dumps), st.sampled_from(["a", "a.b", "a.0", "b.a.b"]))
def test_any_body_gives_a_load_or_says_why_not(body, path):
    assert usable(body_load(body.encode(), path))


@given(st.binary())
def test_any_bytes_give_a_load_or_say_why_not(body):
    assert usable(body_load(body, "a"))
