"""Metrics: those that the page names, with values that move."""

from __future__ import annotations

import asyncio
import socket
import time

from dnslib import DNSRecord
from exposed import LIVE, UNSEEN, exposing, families, written
from serving import call, serving

from dnslb.engine import new_engine
from dnslb.events import KEPT


def value(family, **labels):
    (found,) = [
        one.value
        for one in family.samples
        if labels.items() <= one.labels.items() and not one.name.endswith("_created")
    ]
    return found


def test_the_page_names_every_metric_and_its_labels(tmp_path):
    async def run():
        async with exposing(tmp_path) as (_, server):
            return families(server)

    found = asyncio.run(run())
    page = {name.removesuffix("_total"): labels for name, labels in written().items()}
    told = {
        name: set().union(*(one.labels for one in family.samples)) - {"le"}
        for name, family in found.items()
        if name.startswith("dnslb_")
    }
    for whole, labels in UNSEEN.items():
        name = whole.removesuffix("_total")
        assert told.pop(name) == set()
        assert page.pop(name) == labels
    assert told == page
    assert "process_cpu_seconds" in found


def test_values_follow_what_happens(tmp_path):
    async def run():
        async with serving(tmp_path, services=LIVE) as (session, server):
            found = families(server)
            assert value(found["dnslb_config_reload_success"]) == 1
            assert value(found["dnslb_backend_up"], backend="d") == 0
            probes = found["dnslb_probe_duration_seconds"].samples
            assert {one.labels["type"] for one in probes} == {"tcp"}
            shares = found["dnslb_backend_share"]
            assert value(shares, service="other.example.com.", kind="intended") == 1
            publishes = [
                one.value for one in found["dnslb_publish_seconds"].samples if "count" in one.name
            ]
            assert publishes[0] >= 1
            (tmp_path / "zones" / "example.com.yaml").write_text("services: 1\n")
            assert not await server.reload()
            assert value(families(server)["dnslb_config_reload_success"]) == 0
            generation = server.stats()["generation"]
            await call(session, "PUT", "backends/p/a/heartbeat", {})
            deadline = time.monotonic() + 30
            while (
                server.stats()["generation"] == generation
            ):  # shares are those of what is in force
                assert time.monotonic() < deadline
                await asyncio.sleep(0.01)
            shares = families(server)["dnslb_backend_share"]
            assert value(shares, backend="a", kind="intended") == 1
            assert value(shares, backend="b", kind="intended") == 0

    asyncio.run(run())


def test_every_answer_counts_with_the_time_that_it_took(tmp_path):
    question = DNSRecord.question("www.example.com").pack()

    def ask(port):
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
            sock.settimeout(30)
            for _ in range(5):
                sock.sendto(question, ("127.0.0.1", port))
                sock.recv(512)
        with socket.create_connection(("127.0.0.1", port), timeout=30) as sock:
            sock.sendall(2 * (len(question).to_bytes(2, "big") + question))
            received = 0
            while received < 2:
                received += sock.recv(4096).count(question[12:28])

    def counts(server):
        family = families(server)["dnslb_answer_duration_seconds"]
        return {
            transport: [
                one.value
                for one in family.samples
                if one.name.endswith("_bucket") and one.labels["transport"] == transport
            ]
            for transport in ("udp", "tcp")
        }, sum(one.value for one in family.samples if one.name.endswith("_sum"))

    async def run():
        async with serving(tmp_path) as (_, server):
            assert counts(server) == ({"udp": [0] * 14, "tcp": [0] * 14}, 0)
            await asyncio.to_thread(ask, server.listening[0].port)
            # a batch counts once it has left, which whoever was answered may see before
            deadline = time.monotonic() + 30
            while (found := counts(server))[0]["udp"][-1] < 5 or found[0]["tcp"][-1] < 2:
                assert time.monotonic() < deadline
                await asyncio.sleep(0.01)
            assert (found[0]["udp"][-1], found[0]["tcp"][-1]) == (5, 2)
            for buckets in found[0].values():
                assert buckets == sorted(buckets)
            assert 0 < found[1] < 30
            heir = new_engine()  # of a process that takes over
            heir.restore(server.stats())
            assert heir.stats()["latency"] == server.stats()["latency"]

    asyncio.run(run())


def test_a_refused_reload_is_not_forgotten(tmp_path):
    async def run():
        async with serving(tmp_path) as (_, server):
            (tmp_path / "zones" / "example.com.yaml").write_text("services: 1\n")
            assert not await server.reload()
            for _ in range(KEPT):
                server.events.tell("verdict")
            assert value(families(server)["dnslb_config_reload_success"]) == 0

    asyncio.run(run())
