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
from faults.protocols import PROTOCOLS
from faults.scenes import check_for
from faults.table import ALL, CELLS, NETWORK_FAULTS, Cell

from dnslb.health.probe import probe_once
from dnslb.health.scheduler import ProbeKey
from tools import tool

NETS = {
    "drop": ("198.51.100", "2001:db8:1:"),
    "unreachable": ("198.51.101", "2001:db8:2:"),
    "prohibited": ("198.51.102", "2001:db8:3:"),
    "no-route": ("203.0.113", "2001:db8:ffff:"),
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
# a router sends one address few errors a second (net.ipv4.route.error_burst): each has its own
for host in $(seq 1 {most}); do
    from=192.0.2.$((100 + host))
    ip address add $from/32 dev near
    for net in 100 101 102; do ip route add 198.51.$net.$host via 192.0.2.2 src $from; done
done
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
    paths = os.environ | {"PYTHONPATH": str(here.parent)}  # as pytest has it
    out = subprocess.run(
        ["unshare", "--net", "sh", "-ec", SETUP.replace("{most}", str(len(ALL))) + '"$@"', "sh",
         sys.executable, "-m", "faults.network"],
        capture_output=True, text=True, timeout=100, check=False, cwd=here,
        env=paths,
    )  # fmt: skip
    if out.returncode:
        pytest.fail(out.stderr)
    return json.loads(out.stdout)


def _where(cell: Cell) -> str:
    """The address that a protocol meets a failure at."""
    host = ALL.index(cell.protocol) + 1
    if cell.failure == "good":
        return "127.0.0.1" if cell.family == 4 else "::1"
    four, six = NETS[cell.failure]
    return f"{four}.{host}" if cell.family == 4 else f"{six}:{host}"


async def _play(cell: Cell) -> tuple[str, str]:
    check = check_for(PROTOCOLS[cell.protocol], cell.failure, 4321, None)
    result = await probe_once(ProbeKey(check, _where(cell)))
    return cell.id, str(result)


async def _main() -> dict[str, str]:
    cells = [cell for cell in CELLS if is_network(cell)]
    # trust stores are read by then, which takes longer than those that wait have
    last = [cell for cell in cells if cell.failure == "drop"]
    found = await asyncio.gather(*(_play(cell) for cell in cells if cell not in last))
    return dict([*found, *await asyncio.gather(*map(_play, last))])


if __name__ == "__main__":
    print(json.dumps(asyncio.run(_main())))  # noqa: T201 - read by whoever started this
