"""The Grafana dashboard and the alerts ask for what there is, and Prometheus understands them."""

from __future__ import annotations

import asyncio
import json
import re
import socket
import subprocess
import time
from pathlib import Path

import aiohttp
import pytest
import yaml
from dnslib import DNSRecord
from exposed import UNSEEN, exposing, families, written

from ports import free_port
from tools import tool

ROOT = Path(__file__).parents[2]
BOARD = json.loads((ROOT / "contrib/grafana/dnslb.json").read_text("utf-8"))
ALERTS = ROOT / "contrib/prometheus/alerts.yaml"

OUTSIDE = {"up": set()}
"""Metrics that Prometheus itself makes."""

TARGET = {"job", "instance"}
"""Labels that Prometheus puts to every sample."""

ABSENT = (*UNSEEN, "absent(", "< 1", "> 0")
"""What is right to find nothing: it waits for a certificate or an interface, or looks for what should
not be."""


def panels():
    return {panel["title"]: panel for panel in BOARD["panels"] if panel["type"] != "row"}


def expressions():
    """Every expression by where it stands, and the labels that its legend shows."""
    for title, panel in panels().items():
        for target in panel["targets"]:
            shown = set(re.findall(r"\{\{(\w+)\}\}", target["legendFormat"]))
            yield f"{title}: {target['refId']}", target["expr"], shown
    for rule in rules():
        told = " ".join(rule["annotations"].values())
        yield rule["alert"], rule["expr"], set(re.findall(r"\$labels\.(\w+)", told))


def rules():
    (group,) = yaml.safe_load(ALERTS.read_text("utf-8"))["groups"]
    return group["rules"]


def samples(server):
    """The labels of each series' name that a scrape of `server` gives."""
    found = {name: set() for name in OUTSIDE}
    for family in families(server).values():
        for one in family.samples:
            found.setdefault(one.name, set()).update(one.labels)
    found |= {name: written()[name] for name in UNSEEN}
    return found


SELECTOR = re.compile(r"(?<![\w$\"])((?:dnslb|process)_\w+|up)(?:\{([^}]*)\})?")
GROUPING = re.compile(r"\b(?:by|without|on|ignoring) ?\(([^)]*)\)")


def asked(expression):
    """The names of series in an expression, each with the labels that it is asked by."""
    found = {}
    for name, matchers in SELECTOR.findall(expression):
        found.setdefault(name, set()).update(re.findall(r"(\w+) ?(?:=~|!~|!=|=)", matchers))
    grouped = {
        label for labels in GROUPING.findall(expression) for label in re.findall(r"\w+", labels)
    }
    return found, grouped


def test_every_query_asks_for_what_a_server_tells(tmp_path):
    async def run():
        async with exposing(tmp_path) as (_, server):
            return samples(server)

    told = asyncio.run(run())
    used = set()
    for where, expression, shown in expressions():
        names, grouped = asked(expression)
        assert names, where
        for name, labels in names.items():
            assert name in told, f"{where}: no metric {name}"
            assert labels <= told[name] | TARGET, f"{where}: {name}"
        every = set.union(TARGET, *(told[name] for name in names))
        assert grouped <= every, where
        assert shown <= every, where
        aggregated = re.search(r"\bby ?\(", expression)
        if aggregated:
            assert shown <= grouped, f"{where}: its legend needs what is summed away"
        used |= set(names)
    stems = {re.sub(r"_(total|bucket|sum|count)$", "", name) for name in used}
    unused = {name.removesuffix("_total") for name in written()} - stems
    assert unused <= {"dnslb_geo_database_build_time_seconds"}, "nobody looks at them"


def test_panels_are_whole_and_do_not_overlap():
    numbers = [panel["id"] for panel in BOARD["panels"]]
    assert len(numbers) == len(set(numbers))
    taken = set()
    for panel in BOARD["panels"]:
        place = panel["gridPos"]
        assert place["x"] + place["w"] <= 24
        cells = {
            (x, y)
            for x in range(place["x"], place["x"] + place["w"])
            for y in range(place["y"], place["y"] + place["h"])
        }
        assert not cells & taken, panel["title"]
        taken |= cells


def test_promtool_takes_the_alerts():
    promtool = tool("promtool", "prometheus")
    subprocess.run([promtool, "check", "rules", str(ALERTS)], check=True, capture_output=True)


def filled(expression):
    """An expression of the dashboard as Grafana would ask it."""
    for name, value in (
        ("$__rate_interval", "10s"),
        ("$__interval", "10s"),
        ("$job", "dnslb"),
        ("$instance", ".*"),
        ("$service", ".*"),
    ):
        expression = expression.replace(name, value)
    return expression


@pytest.fixture
def scraper(tmp_path):
    """Starts a Prometheus that scrapes one port; gives where it answers."""
    program = tool("prometheus", "prometheus")
    started = []

    def start(port):
        own = free_port()
        config = tmp_path / "prometheus.yml"
        config.write_text(
            f"""
global: {{scrape_interval: 1s, evaluation_interval: 1s}}
rule_files: [{ALERTS}]
scrape_configs:
  - {{job_name: dnslb, static_configs: [{{targets: ["127.0.0.1:{port}"]}}]}}
"""
        )
        with (tmp_path / "prometheus.log").open("wb") as out:
            started.append(
                subprocess.Popen(
                    [
                        program,
                        f"--config.file={config}",
                        f"--storage.tsdb.path={tmp_path / 'series'}",
                        f"--web.listen-address=127.0.0.1:{own}",
                    ],
                    stdout=out,
                    stderr=out,
                )
            )
        return f"http://127.0.0.1:{own}"

    yield start
    for process in started:
        process.terminate()
        process.wait(30)


async def value(session, base, expression):
    """What Prometheus finds; None while it does not answer yet."""
    try:
        async with session.get(f"{base}/api/v1/query", params={"query": expression}) as response:
            answer = await response.json(content_type=None)
    except (aiohttp.ClientError, ValueError):
        return None
    assert answer.get("status") != "error", f"{expression}: {answer}"
    return answer["data"]["result"] if answer.get("status") == "success" else None


def test_prometheus_answers_every_query(tmp_path, scraper):
    async def run():
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as asker:
            await scraped(asker)

    async def scraped(asker):
        async with exposing(tmp_path) as (_, server), aiohttp.ClientSession() as session:
            base = scraper(server.api.port)
            deadline = time.monotonic() + 100
            empty = {
                where: filled(expression)
                for where, expression, _ in expressions()
                if not any(word in expression for word in ABSENT)
            }
            alerts = {rule["alert"] for rule in rules()}
            for where in alerts & set(empty):
                del empty[where]  # nothing is to be wrong
            question = DNSRecord.question("other.example.com").pack()
            while empty and time.monotonic() < deadline:
                asker.sendto(question, ("127.0.0.1", server.listening[0].port))
                for where, expression in list(empty.items()):
                    if await value(session, base, expression):
                        del empty[where]
                await asyncio.sleep(0.5)
            assert not empty
            # the rest is understood as well, and what is down is told
            for _, expression, _ in expressions():
                assert await value(session, base, filled(expression)) is not None
            assert await value(session, base, "dnslb_backend_up == 0")

    asyncio.run(run())
