"""The whole visit: gather, then judge, subject by subject."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from dnslb.config.model import Pool
from dnslb.doctor import clock, delegation, edns, geo, machine, ports, running, servers, ttl
from dnslb.doctor.asking import Endpoint, ask, key
from dnslb.doctor.walk import ROOTS, Finder, system_resolvers

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from dnslb.config.model import Config, Service
    from dnslb.doctor.finding import Finding

__all__ = ["Where", "examine", "zone_of"]

MAX_SERVICES: Final = 8
"""Services whose answers are compared."""

BY_NETWORK: Final = {"geo", "nearest", "subnet"}
"""Strategies that look at the client's network."""


@dataclass(frozen=True, slots=True)
class Where:
    """Whom to ask, where it is not the Internet."""

    resolvers: tuple[Endpoint, ...] = ()  # none: the system's
    parents: tuple[Endpoint, ...] = ()  # none: they are found
    roots: tuple[Endpoint, ...] = ()  # with some, the walk begins there, without a resolver
    port: int = 53  # of name servers

    def finder(self) -> Finder:
        """Who finds addresses and parents."""
        if self.roots:
            return Finder((), self.roots, self.port)
        roots = tuple(Endpoint.parse(text) for text in ROOTS)
        return Finder(self.resolvers or system_resolvers(), roots, self.port)


def zone_of(config: Config, domain: str) -> str | None:
    """The origin of the zone that `domain` is in; None: it is in none of ours."""
    name = key(domain)
    origins = [one for one in config.zones if f".{name}".endswith(f".{one}")]
    return max(origins, key=len, default=None)


def examine(domain: str, config: Config | None, where: Where) -> Iterator[Finding]:
    """Everything that can be said of `domain`, and with a configuration of this machine."""
    zone = (zone_of(config, domain) if config else None) or key(domain)
    served = config.zones.get(zone) if config else None
    services = _sample(served.services.values()) if served else []
    finder = where.finder()

    told = delegation.gather(zone, finder, where.parents)
    names = told.names or finder.name_servers(zone)  # where the parent does not tell
    seen = servers.gather(zone, _endpoints(zone, names, told, finder, where), services)
    child = frozenset(
        name for one in seen if one.serves for name in one.sets[zone, "NS"].data("NS")
    )
    if child - names:  # those that only the zone names
        endpoints = _endpoints(zone, child - names, told, finder, where, seen)
        seen += servers.gather(zone, endpoints, services)
    addresses = {
        name: frozenset(
            str(one.address) for one in _addresses(zone, name, told, finder, where, seen)
        )
        for name in told.names
    }
    yield from delegation.judge(zone, told, child, addresses)
    yield from servers.alike(zone, seen, services)
    yield from edns.judge(
        seen,
        by_network=_by_network(served.services.values()) if served else None,
        ecs_off=config is not None and config.settings.ecs_trust is not None,
    )
    if config is not None:
        yield from ttl.judge(config)
        yield from geo.judge(config, time.time())
    yield from clock.judge(clock.kernel(), clock.offsets(seen, time.time()))
    if config is not None:
        doors = ports.gather(config, zone)
        yield from ports.judge(
            doors, frozenset(str(one.server) for one in seen if one.serves and one.tcp.good)
        )
        yield from running.judge(running.gather(config))
        if served:
            yield from running.serials(config, zone, doors)
        yield from machine.privileges(config, machine.gather())
        yield machine.state(config)
        yield from machine.api(config)


def _sample(services: Iterable[Service]) -> list[str]:
    """Names of services to compare, those that look at networks first."""
    ordered = sorted(services, key=lambda one: not _by_network([one]))
    return [key(str(one.id)) for one in ordered[:MAX_SERVICES] if "*" not in one.id.name]


def _by_network(services: Iterable[Service]) -> bool:
    pools = [pool for service in services for pool in service.pools()]
    while pools:
        pool = pools.pop()
        if pool.strategy.name in BY_NETWORK or pool.strategy.places:
            return True
        pools += [member.of for member in pool.members if isinstance(member.of, Pool)]
    return False


def _endpoints(
    zone: str,
    names: Iterable[str],
    told: delegation.Delegation,
    finder: Finder,
    where: Where,
    seen: Iterable[servers.Seen] = (),
) -> list[tuple[str, Endpoint]]:
    """Where the servers called `names` are, as a resolver would find them: glue first."""
    found = []
    for name in sorted(names):
        glue = [Endpoint.parse(text, where.port) for text in sorted(told.glue(name))]
        addresses = glue or _addresses(zone, name, told, finder, where, seen)
        found += [(name, one) for one in addresses]
    return found


def _addresses(
    zone: str,
    name: str,
    told: delegation.Delegation,
    finder: Finder,
    where: Where,
    seen: Iterable[servers.Seen] = (),
) -> list[Endpoint]:
    """What the name's own zone says its addresses are."""
    if not f".{name}".endswith(f".{zone}"):
        return list(finder.addresses(name))
    for one in seen:
        if one.serves:
            return _at(one.server, name, where)
    # a server of the parent that serves the domain too refers nobody, but knows
    for server, reply in told.replies:
        if reply.good and reply.authoritative and (found := _at(server, name, where)):
            return found
    return list(finder.addresses(name))


def _at(server: Endpoint, name: str, where: Where) -> list[Endpoint]:
    replies = [(ask(server, name, rtype), rtype) for rtype in ("A", "AAAA")]
    texts = sorted(text for reply, rtype in replies for text in reply.data(rtype))
    return [Endpoint.parse(text, where.port) for text in texts]
