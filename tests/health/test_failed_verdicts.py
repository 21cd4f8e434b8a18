"""A failure that lasts is told by one word: by the log, standing, counts, API and `explain`."""

from __future__ import annotations

import asyncio
import json
from dataclasses import replace
from ipaddress import ip_address
from pathlib import Path

import pytest
from faults.certificates import Certificates
from faults.protocols import PROTOCOLS
from faults.scenes import FAULTS, LOOPBACK, check_for, served
from faults.table import ROWS
from faults.wire import Fault

from dnslb.config.model import Config, Family, Zone
from dnslb.health.monitor import Monitor
from dnslb.policy.explain import explain
from dnslb.traffic import Traffic
from dnslb.web.show import show_backend, show_explanation
from dnslb.zone.names import from_text
from policy.making import ZONE, backend, pool, service

FALL = 3
FAILURES = [row for row in ROWS if FAULTS.get(row.name) and not row.name.startswith("tls")]
CELLS = [
    (protocol, row.name, row.of(protocol))
    for protocol in ("http", "h2c", "grpc", "tcp", "dns-udp", "dns-tcp", "agent")
    for row in FAILURES
    if row.of(protocol) and row.name not in {"good", "late"}
]


@pytest.fixture(scope="module")
def certificates(tmp_path_factory):
    return Certificates(tmp_path_factory.mktemp("certificates"))


async def fail(protocol, failure, certificates):
    """What is told of a backend that passed before the failure came and stayed."""
    address = LOOPBACK[4]
    turned = asyncio.Event()
    async with served(PROTOCOLS[protocol], failure, address, certificates) as wire:
        fault, wire.fault = wire.fault, Fault.NONE
        check = check_for(
            PROTOCOLS[protocol], failure, wire.port, certificates,
            interval=0.05, fall=FALL, rise=1,
        )  # fmt: skip
        one = replace(backend("a"), addresses=(ip_address(address),), check=check)
        of = pool(one)
        config = Config(Path("dnslb.yaml"), {ZONE: Zone(ZONE, (), {"www": service(of)}, {})})
        monitor = Monitor(lambda _: turned.set())
        try:
            monitor.configure([one], [of])
            assert await monitor.first_round(30)
            assert not monitor.standing(one.id).down, monitor.standing(one.id).reason
            wire.fault = fault
            turned.clear()
            while not monitor.standing(one.id).down:
                turned.clear()
                await turned.wait()
            explained = explain(config, from_text("www.example."), 1, monitor.standings())
            return (
                monitor.standing(one.id),
                monitor.results(),
                show_backend(monitor, Traffic(dict, tuple), one),
                json.dumps(show_explanation(explained)),
            )
        finally:
            await monitor.close()


@pytest.mark.parametrize(
    ("protocol", "failure", "outcome"), CELLS, ids=[f"{one}-{two}" for one, two, _ in CELLS]
)
def test_a_failure_that_lasts(protocol, failure, outcome, certificates, caplog):
    standing, results, shown, explained = asyncio.run(fail(protocol, failure, certificates))
    word = outcome.value
    assert standing.down == {Family.IPV4}
    assert standing.reason.startswith(f"{word}: ")
    (line,) = [text for text in caplog.messages if text.startswith("backend p/a down")]
    assert line.startswith(f"backend p/a down: {word}: ")
    assert f"({FALL} of {FALL})" in line
    assert results[word] == FALL, "and nothing else failed"
    assert sum(results.values()) - results["ok"] == FALL
    assert shown["reason"] == standing.reason
    assert shown["probes"][0]["last_result"]["result"] == word
    assert f"down: {word}: " in explained
