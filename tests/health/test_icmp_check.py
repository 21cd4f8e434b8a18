from __future__ import annotations

import asyncio
import os
import subprocess
import sys

import pytest

from dnslb.health.checks.base import Kept, Outcome
from dnslb.health.checks.icmp import IcmpCheck, _packet

CODE = """
import asyncio, sys, uvloop
from dnslb.health.checks.base import Kept
from dnslb.health.checks.icmp import IcmpCheck
check = IcmpCheck(timeout=float(sys.argv[2]))
print(asyncio.run(check.probe(sys.argv[1], Kept())))
print(uvloop.new_event_loop().run_until_complete(check.probe(sys.argv[1], Kept())))
"""
NET = """
ip link set lo up
ip address add 192.0.2.1/32 dev lo
ip address add 2001:db8::1/128 dev lo nodad
"""
DATAGRAMS = "sysctl -q net.ipv4.ping_group_range='0 65534'\n"
RAW = "sysctl -q net.ipv4.ping_group_range='1 0'\n"
UNPRIVILEGED = "setpriv --bounding-set=-net_raw --inh-caps=-net_raw"

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="networks of its own need root")


def probe(address, setup="", *, timeout=10.0, under=""):
    """The results in a network of its own, with asyncio's loop and with uvloop."""
    out = subprocess.run(
        ["unshare", "--net", "sh", "-ec", f'{NET}{setup}\n{under} "$@"', "sh",
         sys.executable, "-c", CODE, address, str(timeout)],
        capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    assert out.returncode == 0, out.stderr
    return out.stdout.splitlines()


@pytest.mark.parametrize("address", ["127.0.0.1", "::1", "192.0.2.1", "2001:db8::1", "localhost"])
@pytest.mark.parametrize("under", ["", UNPRIVILEGED], ids=["root", "unprivileged"])
def test_an_echo_passes_over_a_datagram_socket(address, under):
    assert probe(address, DATAGRAMS, under=under) == ["ok", "ok"]


@pytest.mark.parametrize("address", ["127.0.0.1", "::1"])
def test_an_echo_passes_over_a_raw_socket(address):
    assert probe(address, RAW) == ["ok", "ok"]


def test_without_any_permission_it_is_the_checks_own_fault():
    result, _ = probe("127.0.0.1", RAW, under=UNPRIVILEGED)
    assert result == (
        "error: this process may send no ICMP: add its group to net.ipv4.ping_group_range, "
        "or give it CAP_NET_RAW"
    )


@pytest.mark.parametrize("kind", [DATAGRAMS, RAW], ids=["datagram", "raw"])
@pytest.mark.parametrize("address", ["198.51.100.1", "2001:db8:1::1"])
def test_without_a_way_there_it_is_unreachable(kind, address):
    assert probe(address, kind) == ["unreachable: network is unreachable"] * 2


@pytest.mark.parametrize("kind", [DATAGRAMS, RAW], ids=["datagram", "raw"])
def test_silence_is_a_read_timeout(kind):
    quiet = f"{kind}sysctl -q net.ipv4.icmp_echo_ignore_all=1"
    result, _ = probe("127.0.0.1", quiet, timeout=1.0)
    assert result == "read-timeout: no response within 1s"


ROUTER = """
router=dnslb-router-$$
trap 'ip netns delete $router' EXIT
ip netns add $router
ip link add near type veth peer name far netns $router
ip address add 203.0.113.1/24 dev near; ip link set near up
ip address add 2001:db8:2::1/64 dev near nodad
ip -n $router address add 203.0.113.2/24 dev far; ip -n $router link set far up
ip -n $router address add 2001:db8:2::2/64 dev far nodad
ip netns exec $router sysctl -q net.ipv4.ip_forward=1 net.ipv6.conf.all.forwarding=1
ip -n $router route add unreachable 198.51.100.0/24
ip -n $router route add prohibit 198.18.0.0/24
ip -n $router route add unreachable 2001:db8:1::/64
ip route add default via 203.0.113.2
ip -6 route add default via 2001:db8:2::2
"""


@pytest.mark.parametrize("kind", [DATAGRAMS, RAW], ids=["datagram", "raw"])
@pytest.mark.parametrize("address", ["198.51.100.1", "198.18.0.1", "2001:db8:1::1"])
def test_a_router_that_says_so_makes_it_unreachable(kind, address):
    out = probe(address, kind + ROUTER)
    assert [line.partition(":")[0] for line in out] == ["unreachable"] * 2


def test_a_name_that_does_not_exist():
    result = asyncio.run(IcmpCheck().probe("no-such-host.invalid", Kept()))
    assert result.outcome is Outcome.DNS


def test_a_checksum():
    # RFC 1071: the sum over a message with its checksum is all ones
    packet = _packet(8, b"\x12\x34\0\1" + bytes(range(200, 216)))
    total = sum(int.from_bytes(packet[i : i + 2], "big") for i in range(0, len(packet), 2))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    assert total == 0xFFFF


def test_where():
    assert IcmpCheck().where("192.0.2.1") == "192.0.2.1"
