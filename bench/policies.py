"""The policies that `steered.py` measures, as the configuration has them, and where sites are.

    python bench/policies.py POLICY PORT CITY ASN

serves `www.example.com` by one of them with one UDP worker, until SIGTERM.
"""

from __future__ import annotations

import asyncio
import random
import signal
import sys
from dataclasses import replace
from ipaddress import IPv4Address, IPv4Network
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING, Final, NamedTuple

from dnslb.config.model import (
    Backend,
    BackendId,
    Config,
    Member,
    Pool,
    Rule,
    Service,
    ServiceId,
    Zone,
)
from dnslb.engine import new_engine
from dnslb.geo.atlas import Atlas
from dnslb.geo.countries import EUROPEAN_UNION
from dnslb.geo.database import open_database
from dnslb.policy.strategies import BUILT_IN
from dnslb.publisher import Publisher
from dnslb.zone.records import RRset

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

__all__ = ["ORIGIN", "POLICIES", "REST", "SITES", "TTL", "atlas_of", "config_of"]

ORIGIN: Final = "example.com."

TTL: Final = 300
"""Seconds: more than a run of a resolver takes."""

TCP: Final = SimpleNamespace(connections=16, per_client=4, query_timeout=5.0)


class Site(NamedTuple):
    """A place that answers stand for."""

    name: str
    country: str
    continent: str
    location: tuple[float, float]
    address: IPv4Address


SITES: Final = tuple(
    Site(name, country, continent, location, IPv4Address(f"192.0.2.{number}"))
    for number, (name, country, continent, location) in enumerate(
        (
            ("iad", "US", "NA", (38.9, -77.0)),
            ("yul", "CA", "NA", (45.5, -73.6)),
            ("mex", "MX", "NA", (19.4, -99.1)),
            ("gru", "BR", "SA", (-23.5, -46.6)),
            ("lhr", "GB", "EU", (51.5, -0.1)),
            ("fra", "DE", "EU", (50.1, 8.7)),
            ("cdg", "FR", "EU", (48.9, 2.4)),
            ("jnb", "ZA", "AF", (-26.2, 28.0)),
            ("bom", "IN", "AS", (19.1, 72.9)),
            ("icn", "KR", "AS", (37.5, 127.0)),
            ("nrt", "JP", "AS", (35.7, 139.7)),
            ("syd", "AU", "OC", (-33.9, 151.2)),
        ),
        1,
    )
)

REST: Final = Site("rest", "", "", (0.0, 0.0), IPv4Address("192.0.2.99"))
"""For everybody else."""

WEIGHTS: Final = {1: 3, 2: 2, 3: 1}


def _weighted() -> Pool:
    members = (
        Member(_backend(f"b{last}", IPv4Address(f"192.0.2.{last}")), weight)
        for last, weight in WEIGHTS.items()
    )
    return _pool("weighted", members)


def _countries() -> Pool:
    """A site for each of 12 countries, one for all others."""
    return _geo([*((site, _of(site.country)) for site in SITES), (REST, Rule())])


def _countries_subnet() -> Pool:
    """The same, with four backends at each site, of which a client's network keeps one."""
    pool = _countries()
    members = []
    for member in pool.members:
        backends = (
            _backend(f"{member.name}-{number}", IPv4Address(f"198.51.100.{number}"))
            for number in range(4)
        )
        site = _pool("subnet", map(Member, backends), name=member.name)
        members.append(replace(member, of=site))
    return replace(pool, members=tuple(members))


def _continents() -> Pool:
    """A site for each continent."""
    sites = {site.continent: site for site in reversed(SITES)}
    rules = [(site, Rule(continents=frozenset({code}))) for code, site in sites.items()]
    return _geo([*rules, (REST, Rule())])


def _offices() -> Pool:
    """Twenty office networks, the European Union, five countries, everybody else."""
    dice = random.Random(1)
    networks = tuple(
        IPv4Network((dice.randrange(1 << 24, 224 << 24) >> 8 << 8, 24)) for _ in range(20)
    )
    office = SITES[4]
    rules = [
        (REST, Rule(networks=networks)),
        (SITES[5], _of(*EUROPEAN_UNION)),
        *((site, _of(site.country)) for site in SITES if site.country in {"US", "CA", "BR"}),
        (office, _of("GB")),
        (SITES[10], _of("JP")),
        (SITES[0], Rule()),
    ]
    named = [(site._replace(name=f"m{place}"), rule) for place, (site, rule) in enumerate(rules)]
    return _geo(named)


def _networks() -> Pool:
    """Ten operators of thirty AS each, by continent, then continents."""
    numbers = range(1_000, 1_000 + 3 * 70_000, 3)
    dice = random.Random(2)
    rules = []
    for site in SITES[:10]:
        asns = frozenset(dice.sample(numbers, 30))
        rules.append((site, Rule(asns=asns, continents=frozenset({site.continent}))))
    for number, code in enumerate(("EU", "AS", "SA", "NA")):
        site = REST._replace(name=code, address=IPv4Address(f"198.51.100.{number}"))
        rules.append((site, Rule(continents=frozenset({code}))))
    return _geo([*rules, (REST, Rule())])


def _nearest() -> Pool:
    members = (Member(_backend(of.name, of.address), location=of.location) for of in SITES)
    return _pool("nearest", members)


def _exact() -> Pool:
    """A choice by the client's /24 or /56."""
    return _pool("subnet", (Member(_backend(of.name, of.address)) for of in SITES))


POLICIES: Final[dict[str, Callable[[], Pool]]] = {
    "weighted": _weighted,
    "continents": _continents,
    "countries": _countries,
    "offices": _offices,
    "networks": _networks,
    "nearest": _nearest,
    "countries-subnet": _countries_subnet,
    "subnet": _exact,
}

PLACELESS: Final = frozenset({"weighted", "subnet"})
"""Those that ask no database."""


def config_of(policy: str, atlas: Atlas) -> Config:
    """One service by a policy."""
    pool = POLICIES[policy]()
    service = Service(ServiceId(ORIGIN, "www"), pool, ttl=TTL)
    name = b"\x07example\x03com\x00"
    host = b"\x03ns1" + name
    soa = host + host + bytes(20)
    zone = Zone(
        origin=ORIGIN,
        rrsets=(
            RRset(name, 6, TTL, (soa,)),
            RRset(name, 2, TTL, (host,)),
            RRset(host, 1, TTL, (bytes([127, 0, 0, 1]),)),
        ),
        services={"www": service},
        pools={pool.name: pool},
    )
    return Config(path=Path("bench.yaml"), zones={ORIGIN: zone}, atlas=atlas)


def atlas_of(policy: str, city: Path, asn: Path) -> Atlas:
    """The databases that a policy asks, read."""
    if policy in PLACELESS:
        return Atlas()
    return Atlas(open_database(city), open_database(asn) if policy == "networks" else None)


def _of(*countries: str) -> Rule:
    return Rule(countries=frozenset(countries))


def _geo(rules: Iterable[tuple[Site, Rule]]) -> Pool:
    members = (Member(_backend(site.name, site.address), rule=rule) for site, rule in rules)
    return _pool("geo", members)


def _pool(strategy: str, members: Iterable[Member], name: str = "p") -> Pool:
    return Pool(ORIGIN, name, BUILT_IN[strategy], tuple(members))


def _backend(name: str, address: IPv4Address) -> Backend:
    return Backend(BackendId(ORIGIN, "p", name), (address,))


def main(policy: str, port: int, city: Path, asn: Path) -> None:
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM, signal.SIGINT})
    engine = new_engine()
    asyncio.run(Publisher(engine, dict).replace(config_of(policy, atlas_of(policy, city, asn))))
    engine.bind([("127.0.0.1", port)], 1, TCP)
    engine.start()
    signal.sigwait({signal.SIGTERM, signal.SIGINT})
    engine.stop()


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]), Path(sys.argv[3]), Path(sys.argv[4]))
