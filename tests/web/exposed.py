"""A server that has a sample of nearly every metric."""

from __future__ import annotations

import re
from contextlib import asynccontextmanager
from pathlib import Path

from prometheus_client.parser import text_string_to_metric_families
from serving import call, serving

from dnslb.config.model import Webhook
from dnslb.web.metrics import exposition
from geo.databases import asn
from geo.databases import write as write_database

LIVE = "  live: {check: {type: tcp, port: 1, timeout: 100ms, interval: 1s}, members: [{name: d, address: 127.0.0.1}]}\n"

PAGE = Path(__file__).parents[2] / "docs" / "metrics.md"

UNSEEN = {
    "dnslb_check_certificate_expiry_seconds": {"check", "backend", "zone"},
    "dnslb_xdp_answers_total": {"interface"},
}
"""What needs a certificate that a probe has met, or an interface; and the labels that there are then."""


@asynccontextmanager
async def exposing(tmp_path):
    """Serve with all that there can be metrics of."""
    write_database(tmp_path / "asn.mmdb", {"198.51.100.0/24": asn(64496)}, "GeoLite2-ASN")
    async with serving(tmp_path, services=LIVE) as (session, server):
        config = tmp_path / "dnslb.yaml"
        config.write_text(config.read_text() + "geo: {asn: asn.mmdb, max_age: off}\n")
        assert await server.reload()
        server.hooks.configure([Webhook("http://127.0.0.1:1/", frozenset({"service"}))])
        await call(session, "PUT", "backends/plain/c/load", {"load": 0.5})
        yield session, server


def families(server):
    """The metrics of `server` by name, counters without `_total`."""
    return {one.name: one for one in text_string_to_metric_families(exposition(server).decode())}


def written():
    """The labels of each metric by its name on the page."""
    rows = re.findall(r"^\| `(dnslb_\w+)` \| (.*?) \|", PAGE.read_text(), re.MULTILINE)
    return {name: set(re.findall(r"`(\w+)`", labels)) for name, labels in rows}
