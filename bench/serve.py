"""dnslb's engine with one weighted service and one UDP worker, until SIGTERM.

The plan is what the strategy weighted makes of 3:2:1; there are no checks, so nothing but answering
costs anything. For `abuse.py` there are static records too, and response-rate limiting as the
second argument says: `off` (unless said), `on` or `log-only`, in all else as by default.
"""

from __future__ import annotations

import secrets
import signal
import sys
from dataclasses import dataclass
from ipaddress import IPv4Address
from types import SimpleNamespace

from dnslb._engine import Engine
from dnslb.config.model import Backend, BackendId, RateLimit, ServiceId
from dnslb.policy.plan import Answer, Cycle, ServicePlan
from dnslb.ratelimit import EngineRateLimit
from dnslb.zone.records import RRset

ORIGIN = b"\x07example\x03com\x00"
NAMESERVER = b"\x03ns1" + ORIGIN


TCP = SimpleNamespace(connections=16_384, per_client=256, query_timeout=5.0)
"""Those of a server whose file says nothing of TCP."""

STATIC = (
    RRset(b"\x06static" + ORIGIN, 1, 30, (b"\xc0\x00\x02\x01",)),
    RRset(b"\x01*\x04wild" + ORIGIN, 1, 30, (b"\xc0\x00\x02\x01",)),
    RRset(b"\x03big" + ORIGIN, 16, 30, tuple(b"\xfa" + bytes([octet]) * 250 for octet in b"abcd")),
)


@dataclass(frozen=True)
class Data:
    """A zone as the engine takes it."""

    origin: bytes
    rrsets: tuple[RRset, ...]
    services: tuple[tuple[bytes, ServiceId], ...]


def settings(mode: str) -> SimpleNamespace:
    limit = EngineRateLimit.of(RateLimit(log_only=mode == "log-only"))
    return SimpleNamespace(
        udp_payload=1232,
        identity=None,
        version=None,
        cookie_secrets=(secrets.token_bytes(16),),
        cookies_required=False,
        ecs_trust=None,
        keepalive=740,  # as gdnsd does, so that there is time to measure beside idle connections
        rrl=None if mode == "off" else limit,
    )


def main(port: int, mode: str = "off") -> None:
    soa = NAMESERVER + b"\x0ahostmaster" + ORIGIN + bytes(16) + b"\x00\x00\x00\x3c"
    www = ServiceId("example.com.", "www")
    leaves = [
        Answer((Backend(BackendId("example.com.", "p", f"b{last}"), (address,)),), 30)
        for last in (1, 2, 3)
        for address in (IPv4Address(f"192.0.2.{last}"),)
    ]
    cycle = Cycle(tuple(leaves[step] for step in (0, 1, 0, 2, 1, 0)))
    rrsets = (RRset(ORIGIN, 6, 30, (soa,)), RRset(ORIGIN, 2, 30, (NAMESERVER,)), *STATIC)
    zone = Data(ORIGIN, rrsets, ((b"\x03www" + ORIGIN, www),))
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM, signal.SIGINT})
    engine = Engine()
    engine.publish({www: ServicePlan(a=cycle)}, [zone], settings(mode))
    engine.bind([("127.0.0.1", port)], 1, TCP)
    engine.start()
    signal.sigwait({signal.SIGTERM, signal.SIGINT})
    engine.stop()


if __name__ == "__main__":
    main(int(sys.argv[1]), *sys.argv[2:])
