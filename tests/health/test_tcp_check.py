from __future__ import annotations

import asyncio

from health_servers import LOOPBACK, full, refusing, silent

from dnslb.health.checks.base import Kept, Outcome
from dnslb.health.checks.tcp import TcpCheck


def test_a_connection_passes():
    async def run():
        async with silent() as port:
            return [
                await TcpCheck(port=port).probe(host, Kept()) for host in (LOOPBACK, "localhost")
            ]

    results = asyncio.run(run())
    assert [result.outcome for result in results] == [Outcome.OK, Outcome.OK]
    assert all(result.milliseconds > 0 for result in results)


def test_refused():
    with refusing() as port:
        result = asyncio.run(TcpCheck(port=port).probe(LOOPBACK, Kept()))
        assert result.outcome is Outcome.REFUSED
        assert result.detail == "connection refused"


def test_a_full_queue_is_a_connect_timeout():
    with full() as port:
        result = asyncio.run(TcpCheck(port=port, timeout=1.0).probe(LOOPBACK, Kept()))
    assert result.outcome is Outcome.CONNECT_TIMEOUT


def test_a_name_that_does_not_exist():
    result = asyncio.run(TcpCheck(port=1).probe("no-such-host.invalid", Kept()))
    assert result.outcome is Outcome.DNS


def test_a_name_that_cannot_be_one():
    result = asyncio.run(TcpCheck(port=1).probe("a" * 70 + ".invalid", Kept()))
    assert result.outcome is Outcome.DNS


def test_without_a_port_it_is_the_checks_own_fault():
    assert asyncio.run(TcpCheck().probe(LOOPBACK, Kept())).outcome is Outcome.ERROR


def test_the_connection_is_closed():
    closed = asyncio.Event()

    async def handle(reader, writer):
        assert await reader.read() == b""
        closed.set()
        writer.close()

    async def run():
        async with await asyncio.start_server(handle, LOOPBACK, 0) as server:
            check = TcpCheck(port=server.sockets[0].getsockname()[1])
            assert (await check.probe(LOOPBACK, Kept())).ok
            await asyncio.wait_for(closed.wait(), 30)

    asyncio.run(run())
