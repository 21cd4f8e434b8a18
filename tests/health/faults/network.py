"""Faults of the network, in namespaces that last as long as one process.

    checks ─ near ═══ far ─ router: routes that lead nowhere, each in its own way

Run inside `unshare --net`; prints the outcome of each cell as JSON.
"""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from tools import tool

from dnslb.health.scheduler import ProbeKey, probe_once
from faults.protocols import PROTOCOLS
from faults.scenes import check_for
from faults.table import CELLS, NETWORK_FAULTS, Cell

WHERE = {
    ("good", 4): "127.0.0.1",
    ("good", 6): "::1",
    ("drop", 4): "198.51.100.1",
    ("drop", 6): "2001:db8:1::1",
    ("unreachable", 4): "198.51.101.1",
    ("unreachable", 6): "2001:db8:2::1",
    ("prohibited", 4): "198.51.102.1",
    ("prohibited", 6): "2001:db8:3::1",
    ("no-route", 4): "203.0.113.1",
    ("no-route", 6): "2001:db8:ffff::1",
}

SETUP = """
router=dnslb-router-$$
trap 'ip netns delete $router' EXIT
ip netns add $router
ip link set lo up
ip link add near type veth peer name far netns $router
ip address add 192.0.2.1/24 dev near; ip link set near up
ip address add 2001:db8::1/64 dev near nodad
inside() { ip netns exec $router "$@"; }
inside ip link set lo up
inside ip address add 192.0.2.2/24 dev far; inside ip link set far up
inside ip address add 2001:db8::2/64 dev far nodad
inside sysctl -q net.ipv4.ip_forward=1 net.ipv6.conf.all.forwarding=1
inside sysctl -q net.ipv4.icmp_ratelimit=0 net.ipv6.icmp.ratelimit=0
inside ip route add blackhole 198.51.100.0/24
inside ip route add unreachable 198.51.101.0/24
inside ip route add prohibit 198.51.102.0/24
inside ip -6 route add blackhole 2001:db8:1::/48
inside ip -6 route add unreachable 2001:db8:2::/48
inside ip -6 route add prohibit 2001:db8:3::/48
for net in 198.51.100.0/24 198.51.101.0/24 198.51.102.0/24; do ip route add $net via 192.0.2.2; done
for net in 2001:db8:1::/48 2001:db8:2::/48 2001:db8:3::/48; do
    ip -6 route add $net via 2001:db8::2
done
"""


def is_network(cell: Cell) -> bool:
    """Whether a cell is played here."""
    return cell.failure in NETWORK_FAULTS or (cell.protocol, cell.failure) == ("icmp", "good")


def outcomes() -> dict[str, str]:
    """The outcome of each cell, by its id; skips where this is not allowed, and in CI fails."""
    ip = tool("ip", "iproute2")
    allowed = subprocess.run(["unshare", "--net", ip, "link"], capture_output=True, check=False)
    if allowed.returncode:
        message = "networks of its own need root (CAP_SYS_ADMIN)"
        if os.environ.get("CI"):
            pytest.fail(message)
        pytest.skip(message)
    here = Path(__file__).parents[1]
    out = subprocess.run(
        ["unshare", "--net", "sh", "-ec", f'{SETUP}\n"$@"', "sh",
         sys.executable, "-m", "faults.network"],
        capture_output=True, text=True, timeout=100, check=False, cwd=here,
    )  # fmt: skip
    if out.returncode:
        pytest.fail(out.stderr)
    return json.loads(out.stdout)


async def _play(cell: Cell) -> tuple[str, str]:
    check = check_for(PROTOCOLS[cell.protocol], cell.failure, 4321, None)
    result = await probe_once(ProbeKey(check, WHERE[cell.failure, cell.family]))
    return cell.id, str(result)


async def _main() -> dict[str, str]:
    cells = [cell for cell in CELLS if is_network(cell)]
    # those that wait, side by side; the others apart, for routers send few errors a second
    found = [await _play(cell) for cell in cells if cell.failure != "drop"]
    found += await asyncio.gather(*(_play(cell) for cell in cells if cell.failure == "drop"))
    return dict(found)


if __name__ == "__main__":
    print(json.dumps(asyncio.run(_main())))  # noqa: T201 - read by whoever started this
