from __future__ import annotations

import asyncio
import socket
import subprocess
import sys
from contextlib import asynccontextmanager

import pytest
import uvloop
from health_servers import LOOPBACK

from dnslb.health.checks.base import Kept, Outcome
from dnslb.health.checks.udp import UdpCheck
from ports import free_port

SOON = 1.0  # seconds: the timeout of checks whose time is meant to run out


class Answering(asyncio.DatagramProtocol):
    """Sends `replies` to whoever asks."""

    def __init__(self, *replies: bytes):
        self.replies = replies
        self.heard: list[bytes] = []

    def connection_made(self, transport):
        self.transport = transport

    def datagram_received(self, data, address):
        self.heard.append(data)
        for reply in self.replies:
            self.transport.sendto(reply, address)


@asynccontextmanager
async def answering(*replies, host=LOOPBACK):
    transport, server = await asyncio.get_running_loop().create_datagram_endpoint(
        lambda: Answering(*replies), (host, 0)
    )
    try:
        yield server, transport.get_extra_info("sockname")[1]
    finally:
        transport.close()


def probe(*replies, host=LOOPBACK, address=None, **options):
    async def run():
        async with answering(*replies, host=host) as (server, port):
            result = await UdpCheck(port=port, **options).probe(address or host, Kept())
            return result, server.heard

    return asyncio.run(run())


@pytest.mark.parametrize("host", [LOOPBACK, "::1"])
def test_any_reply_passes(host):
    result, heard = probe(b"pong", host=host, send=b"ping")
    assert result.outcome is Outcome.OK
    assert result.milliseconds > 0
    assert heard == [b"ping"]


def test_an_empty_reply_is_a_reply():
    async def run(server):
        check = UdpCheck(port=server.getsockname()[1], send=b"ping")
        asked = asyncio.ensure_future(check.probe(LOOPBACK, Kept()))
        _, address = await asyncio.to_thread(server.recvfrom, 9)
        server.sendto(b"", address)
        return await asked

    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as server:
        server.bind((LOOPBACK, 0))
        assert asyncio.run(run(server)).ok


def test_what_is_expected_may_stand_anywhere():
    assert probe(b"\xff version 7\n", body=r"version \d")[0].ok


def test_the_first_datagram_decides():
    result, _ = probe(b"busy", b"fine", body="fine")
    assert result.outcome is Outcome.BODY
    assert result.detail == "fine is not in its 4 bytes"


def test_silence_is_a_read_timeout():
    result, heard = probe(send=b"ping", timeout=SOON)
    assert result.outcome is Outcome.READ_TIMEOUT
    assert heard == [b"ping"]


@pytest.mark.parametrize("loop", [asyncio.new_event_loop, uvloop.new_event_loop])
def test_a_port_that_nothing_listens_on_refuses(loop):
    running = loop()
    try:
        check = UdpCheck(port=free_port(), send=b"ping")
        result = running.run_until_complete(check.probe(LOOPBACK, Kept()))
    finally:
        running.close()
    assert result.outcome is Outcome.REFUSED


def test_a_name_passes_with_the_address_that_answers():
    # localhost is ::1 too, where nothing listens
    assert probe(b"pong", address="localhost", send=b"ping")[0].ok


def test_a_name_none_of_whose_addresses_answers():
    result = asyncio.run(UdpCheck(port=free_port()).probe("localhost", Kept()))
    assert result.outcome is Outcome.REFUSED


def test_a_name_that_does_not_exist():
    result = asyncio.run(UdpCheck(port=9).probe("no-such-host.invalid", Kept()))
    assert result.outcome is Outcome.DNS


def test_a_strangers_datagram_is_not_heard():
    """The socket is connected: only the address and port that were asked can answer."""

    async def run():
        loop = asyncio.get_running_loop()
        asked = loop.create_future()

        class Asked(Answering):
            def datagram_received(self, _, address):
                with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as stranger:
                    stranger.sendto(b"pong", address)
                asked.set_result(address)

        transport, _ = await loop.create_datagram_endpoint(Asked, (LOOPBACK, 0))
        port = transport.get_extra_info("sockname")[1]
        result = await UdpCheck(port=port, send=b"?", timeout=SOON).probe(LOOPBACK, Kept())
        assert asked.done()
        transport.close()
        return result

    assert asyncio.run(run()).outcome is Outcome.READ_TIMEOUT


CODE = """
import asyncio, sys
from dnslb.health.checks.base import Kept
from dnslb.health.checks.udp import UdpCheck
print(asyncio.run(UdpCheck(port=9, send=b"?", timeout=10).probe(sys.argv[1], Kept())))
"""


@pytest.mark.parametrize("address", ["192.0.2.1", "2001:db8::1"])
def test_without_a_way_there_it_is_unreachable(address):
    out = subprocess.run(
        ["unshare", "--net", "sh", "-c", 'ip link set lo up; exec "$@"', "sh", sys.executable, "-c", CODE, address],
        capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    assert out.stdout.startswith("unreachable: network is unreachable"), out.stderr


def test_a_router_that_says_so_makes_it_unreachable():
    """The ICMP error of a machine two hops away, which plain sockets would not be told of."""
    setup = """
        here=dnslb-here-$$ router=dnslb-router-$$
        trap 'ip netns delete $here; ip netns delete $router' EXIT
        ip netns add $here; ip netns add $router
        ip link add near netns $here type veth peer name far netns $router
        ip -n $here address add 192.0.2.1/24 dev near; ip -n $here link set near up
        ip -n $router address add 192.0.2.2/24 dev far; ip -n $router link set far up
        ip -n $here route add default via 192.0.2.2
        ip netns exec $router sysctl -q net.ipv4.ip_forward=1
        ip -n $router route add unreachable 198.51.100.0/24
        ip netns exec $here "$@"
    """
    out = subprocess.run(
        ["sh", "-ec", setup, "sh", sys.executable, "-c", CODE, "198.51.100.1"],
        capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    assert out.stdout.startswith("unreachable: no route to host"), out.stderr
