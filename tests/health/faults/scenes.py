"""How each cell of the matrix is played: the result of one probe that meets its failure."""

from __future__ import annotations

import asyncio
import contextlib
import socket
from typing import TYPE_CHECKING, Any

from faults import good
from faults.certificates import HOST, Certificates
from faults.packets import Packets
from faults.protocols import PROTOCOLS, Protocol
from faults.quic import website
from faults.wire import Fault, Wire

from dnslb.config.model import Backend, BackendId
from dnslb.health.checks.base import Kept, Outcome, Result
from dnslb.health.checks.push import PushCheck
from dnslb.health.checks.tls import Tls
from dnslb.health.monitor import Monitor
from dnslb.health.probe import probe_once
from dnslb.health.scheduler import ProbeKey
from ports import free_port

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from faults.table import Cell

    from dnslb.health.checks.base import Check

LOOPBACK = {4: "127.0.0.1", 6: "::1"}
NO_NAME = "no-such-host.invalid"
SOON = 0.4  # seconds: the timeout of checks whose time is meant to run out
LONG = 10.0  # and of all others
PAUSE = 0.04  # a byte that drips comes well within a third of SOON

FAULTS = {
    "late": Fault.LATE,
    "tls-protocol": Fault.TLS_PLAIN,
    **{fault.value: fault for fault in Fault},
}
RUN_OUT = {"drop", "silence", "stall", "drip", "tls-silence"}
RESTARTS = {"restart", "restart-reuse", "restart-unseen"}


def check_for(
    protocol: Protocol,
    failure: str,
    port: int,
    certificates: Certificates | None,
    *,
    slower: int = 1,
    **more: Any,
) -> Check:
    """The check that meets `failure`, with a timeout `slower` times as long where it runs out."""
    options = {**protocol.good, **protocol.asks.get(failure, {}), **more}
    # on a machine that is busy the last third of SOON may go by without a byte
    soon = 2 * SOON if failure == "drip" else slower * SOON
    options.setdefault("timeout", soon if failure in RUN_OUT else LONG)
    if protocol.tls:
        options["tls"] = Tls(ca_file=certificates.ca_file if certificates else None)
        options["host"] = HOST
    return protocol.check(port=port, **options)


async def play(cell: Cell, certificates: Certificates, slower: int = 1) -> Result:
    """The result of the probe that meets the failure of `cell`; `slower` as for `check_for`."""
    protocol, address = PROTOCOLS[cell.protocol], LOOPBACK[cell.family]
    if cell.failure == "name":
        return await _ask(check_for(protocol, "name", 1, certificates), NO_NAME)
    if cell.failure == "refused":
        with _nobody(protocol, address) as port:
            return await _ask(check_for(protocol, "refused", port, certificates), address)
    if protocol.name == "http3":
        return await _over_quic(protocol, cell.failure, address, certificates, slower)
    if protocol.name == "push":
        return await _pushed(cell.failure)
    if protocol.server is None:
        check = check_for(protocol, cell.failure, 1, None, slower=slower)
        return await probe_once(ProbeKey(check, address))
    async with served(protocol, cell.failure, address, certificates) as wire:
        if cell.failure in RESTARTS:
            return await _restarted(protocol, cell.failure, address, certificates, wire)
        check = check_for(protocol, cell.failure, wire.port, certificates, slower=slower)
        return await _ask(check, address)


@contextlib.asynccontextmanager
async def served(
    protocol: Protocol, failure: str, address: str, certificates: Certificates
) -> AsyncIterator[Wire | Packets]:
    """A good server of `protocol`, behind a proxy that makes `failure` of its answers."""
    server = protocol.server
    if server is good.calls and failure == "endless":
        server = good.frames
    async with server(address) as upstream:
        if protocol.datagrams:
            wire = Packets(upstream, address, garbage=protocol.garbage or bytes, pause=PAUSE)
        else:
            tls = certificates.context(failure, protocol.alpn) if protocol.tls else None
            wire = Wire(upstream, address, tls=tls, garbage=protocol.garbage, pause=PAUSE)
        fault = FAULTS.get(failure, Fault.NONE)
        if fault in {Fault.RESET_MIDWAY, Fault.CLOSED_MIDWAY, Fault.STALL}:
            async with wire.running():
                result = await _ask(check_for(protocol, "good", wire.port, certificates), address)
                assert result.ok, result
            wire.answer = wire.sent
        wire.fault = fault
        async with wire.running():
            yield wire


async def _ask(check: Check, address: str) -> Result:
    return await probe_once(ProbeKey(check, address))


async def _restarted(
    protocol: Protocol,
    failure: str,
    address: str,
    certificates: Certificates,
    wire: Wire | Packets,
) -> Result:
    reuse = failure != "restart"
    check = check_for(protocol, failure, wire.port, certificates, reuse=reuse)
    kept = Kept()
    try:
        before = await check.probe(address, kept)
        assert before.ok, before
        if failure == "restart-unseen":
            wire.forget()
        else:
            await wire.stop()
            await wire.start()
        result = await check.probe(address, kept)
    finally:
        kept.close()
    if isinstance(wire, Wire):
        assert wire.connections == 2
    return result


async def _over_quic(
    protocol: Protocol, failure: str, address: str, certificates: Certificates, slower: int
) -> Result:
    own = {
        "reset",
        "reset-midway",
        "closed",
        "closed-midway",
        "silence",
        "stall",
        "drip",
        "garbage",
    }
    more: dict[str, Any] = {"path": f"/{failure}"} if failure in own else {}
    if failure in RUN_OUT:
        more["timeout"] = 2 * SOON * (1 if failure == "drip" else slower)
    async with website(address, certificates, failure) as port:
        check = check_for(protocol, failure, port, certificates, **more)
        result = await _ask(check, address)
    if failure == "restart":
        assert result.outcome is Outcome.OK
        async with website(address, certificates, failure, port):
            result = await _ask(check, address)
    return result


async def _pushed(failure: str) -> Result:
    """The last result of a backend that reports by itself."""
    check = PushCheck(deadline=SOON / 10)
    backend = Backend(BackendId("example.com.", "p", "a"), target="a.example.", check=check)
    judged = asyncio.Event()
    monitor = Monitor(lambda _: judged.set())
    monitor.configure([backend])
    monitor.heartbeat(backend.id, Result(Outcome.OK))
    if failure == "status":
        monitor.heartbeat(backend.id, Result(Outcome.STATUS, "it says down"))
    elif failure == "silent":
        while not monitor.standing(backend.id).down:
            judged.clear()
            await judged.wait()
    (last,) = monitor.last(backend.id).values()
    await monitor.close()
    return last


@contextlib.contextmanager
def _nobody(protocol: Protocol, address: str):
    """A port on which nobody listens; over TCP it is taken, so that no other program gets it."""
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    if protocol.datagrams or protocol.name == "http3":
        yield free_port(address)
        return
    with socket.socket(family, socket.SOCK_STREAM) as sock:
        sock.bind((address, 0))
        yield sock.getsockname()[1]
