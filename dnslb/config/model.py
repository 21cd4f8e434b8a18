"""What a valid configuration means: frozen, complete, without a trace of YAML.

The loader builds it, everything else reads it. Defaults are filled in, references are objects,
durations are seconds, names are absolute and in lower case.
"""

from __future__ import annotations

import enum
from dataclasses import dataclass, field
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network
from pathlib import Path, PurePath
from types import MappingProxyType
from typing import TYPE_CHECKING, ClassVar, Final, Literal, NamedTuple
from urllib.parse import urlsplit

from dnslb.geo.atlas import EMPTY
from dnslb.zone.names import ROOT
from dnslb.zone.types import MX, SRV

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from dnslb._engine import Records
    from dnslb.config.problem import Signature
    from dnslb.geo.atlas import Atlas
    from dnslb.health.checks.base import Check
    from dnslb.health.checks.group import Group
    from dnslb.policy.strategies.base import Strategy
    from dnslb.zone.records import RRset

__all__ = [
    "DEFAULT_LISTEN",
    "EVERYBODY",
    "Address",
    "Api",
    "Backend",
    "BackendId",
    "Config",
    "Cookies",
    "Declared",
    "Dnstap",
    "Family",
    "Geo",
    "Health",
    "Host",
    "Listen",
    "MaxDown",
    "Member",
    "MxRecord",
    "Network",
    "Pool",
    "PoolId",
    "Prefix",
    "RateLimit",
    "Rates",
    "Rule",
    "Service",
    "ServiceId",
    "Settings",
    "Spill",
    "SrvRecord",
    "Subject",
    "SvcbRecord",
    "Tcp",
    "WhenDown",
    "Zone",
]

Address = IPv4Address | IPv6Address
Network = IPv4Network | IPv6Network


class Family(enum.Enum):
    """An address family; the value is the type of the records that carry it."""

    IPV4 = 1  # A
    IPV6 = 28  # AAAA


class BackendId(NamedTuple):
    """Which backend: unique in the server, and the key of everything kept about it."""

    zone: str
    pool: str
    name: str

    def __str__(self) -> str:
        """The form that operators type and read."""
        return f"{self.pool}/{self.name}"


class PoolId(NamedTuple):
    """Which pool."""

    zone: str
    name: str

    def __str__(self) -> str:
        """The form that operators type and read."""
        return self.name


Subject = BackendId | PoolId
"""What an operator gives a state to."""


class ServiceId(NamedTuple):
    """Which service: the zone's origin and the owner name relative to it, `@` for the apex."""

    zone: str
    name: str

    def __str__(self) -> str:
        """The absolute owner name."""
        return self.zone if self.name == "@" else f"{self.name}.{self.zone}"


class Prefix(NamedTuple):
    """How many leading bits of a client's address count, by family."""

    v4: int = 24
    v6: int = 56


@dataclass(frozen=True, slots=True)
class Backend:
    """One place that traffic can be sent to: addresses, or the target of a CNAME."""

    id: BackendId
    addresses: tuple[Address, ...] = ()
    target: str | None = None  # absolute domain name, with its final dot
    check: Check | Group | None = None  # None: always up
    host: str | None = None  # the name of a backend with addresses in SRV and MX records; absolute

    def has(self, family: Family) -> bool:
        """Whether a query for this family's type can be answered with this backend."""
        if self.target is not None:
            return True
        kind = IPv4Address if family is Family.IPV4 else IPv6Address
        return any(isinstance(address, kind) for address in self.addresses)

    def of(self, family: Family) -> tuple[Address, ...]:
        """The backend's addresses of one family."""
        kind = IPv4Address if family is Family.IPV4 else IPv6Address
        return tuple([address for address in self.addresses if isinstance(address, kind)])


class MaxDown(NamedTuple):
    """How many backends of a pool checks may take down within a window."""

    most: int | float  # a number, or as a float the part of all
    within: float = 60.0  # seconds

    def of(self, backends: int) -> int:
        """How many of so many; of a part at least one."""
        return self.most if isinstance(self.most, int) else max(1, int(self.most * backends))


class Spill(NamedTuple):
    """From which load on a pool passes clients on to the next, and at which it passes on all."""

    at: float = 0.8
    full: float = 1.0


@dataclass(frozen=True, slots=True)
class Rule:
    """Whose first choice a member of a `geo` pool is: clients for whom all that is given holds.

    Of each list one entry suffices. A rule that gives nothing holds for everybody.
    """

    networks: tuple[Network, ...] = ()
    continents: frozenset[str] = frozenset()  # GeoNames' codes: `EU`
    countries: frozenset[str] = frozenset()  # ISO 3166-1 alpha-2: `DE`; the Union written out
    subdivisions: frozenset[str] = frozenset()  # ISO 3166-2: `US-CA`
    cities: frozenset[str | int] = frozenset()  # English names, or GeoNames ids
    asns: frozenset[int] = frozenset()
    unknown: bool = False  # only addresses of which no database knows a location


EVERYBODY: Final = Rule()
"""The rule without conditions."""


@dataclass(frozen=True, slots=True)
class Member:
    """One place in a pool, taken by a backend or by another pool.

    Location and bias are its own, or else those of the pool that it refers to.
    """

    of: Backend | Pool
    weight: int = 1
    rule: Rule = EVERYBODY
    location: tuple[float, float] | None = None  # latitude, longitude in degrees
    bias: int = 0  # -99 to 99: above 0 it draws clients from farther away, below 0 fewer

    @property
    def name(self) -> str:
        """The member's name, unique in its pool."""
        return self.of.name if isinstance(self.of, Pool) else self.of.id.name


@dataclass(frozen=True, slots=True)
class Pool:
    """A strategy over members."""

    zone: str
    name: str
    strategy: Strategy
    members: tuple[Member, ...]
    min_up: int = 1
    prefix: Prefix = Prefix()
    location: tuple[float, float] | None = None  # latitude, longitude in degrees
    bias: int = 0  # -99 to 99, as a member's
    bound: float | None = None  # times its share of the networks, the most of a member; >= 1
    slow_start: float = 0.0  # seconds in which a backend that returns comes to its full share
    max_down: MaxDown | None = None  # None: checks may take all down
    spill: Spill | None = None  # None: it serves all of its clients until it is down

    @property
    def id(self) -> PoolId:
        """Which pool it is."""
        return PoolId(self.zone, self.name)

    def backends(self) -> Iterator[Backend]:
        """Every backend in this pool and in the pools below it, each once, in the order written."""
        seen: set[BackendId] = set()
        pools: set[str] = set()
        stack: list[Backend | Pool] = [self]
        while stack:
            item = stack.pop()
            if isinstance(item, Pool):
                if item.name not in pools:
                    pools.add(item.name)
                    stack.extend(member.of for member in reversed(item.members))
            elif item.id not in seen:
                seen.add(item.id)
                yield item


@dataclass(frozen=True, slots=True)
class WhenDown:
    """What a service answers when everything under it is down.

    With `action` `"answer"` the answer is `backend`: a sorry page.
    """

    action: Literal["serve-all", "nodata", "servfail", "answer"] = "serve-all"
    backend: Backend | None = None


@dataclass(frozen=True, slots=True)
class SvcbRecord:
    """What a service declares of its HTTPS or SVCB records (RFC 9460)."""

    type: int  # HTTPS or SVCB
    priority: int = 1  # 0: AliasMode
    target: bytes = ROOT  # wire format; the root stands for the owner name itself
    parameters: tuple[tuple[int, bytes], ...] = ()  # by key, in order, without the hints
    hints: bool = True  # whether the backends' addresses stand in it


@dataclass(frozen=True, slots=True)
class SrvRecord:
    """What a service declares of its SRV records (RFC 2782); each backend has one."""

    port: int
    priority: int = 0
    weight: int | None = None  # None: the member's weight in its pool
    pool: Pool | None = field(default=None, hash=False, repr=False)  # None: the service's

    type: ClassVar[int] = SRV


@dataclass(frozen=True, slots=True)
class MxRecord:
    """What a service declares of its MX records; each backend has one."""

    preference: int = 10
    pool: Pool | None = field(default=None, hash=False, repr=False)  # None: the service's

    type: ClassVar[int] = MX


Declared = SvcbRecord | SrvRecord | MxRecord
"""What a service says besides addresses."""


@dataclass(frozen=True, slots=True)
class Host:
    """A backend's name in SRV and MX records."""

    name: bytes  # absolute, in lower case, wire format
    addresses: tuple[RRset, ...] = ()  # its address records; none when it is in no zone of ours


@dataclass(frozen=True, slots=True)
class Service:
    """A name whose answers are balanced."""

    id: ServiceId
    pool: Pool
    ttl: int = 30  # seconds
    answers: int = 1  # how many backends one response carries
    when_down: WhenDown = WhenDown()
    declared: tuple[Declared, ...] = ()  # each of another type
    hosts: Mapping[BackendId, Host] = field(default_factory=lambda: NO_HOSTS, hash=False)

    def backends(self) -> Iterator[Backend]:
        """Every backend of all its pools, each once."""
        if not self.declared:
            return self.pool.backends()
        found = {backend.id: backend for pool in self.pools() for backend in pool.backends()}
        return iter(found.values())

    def pools(self) -> Iterator[Pool]:
        """The pools that it refers to, its own first."""
        yield self.pool
        for declared in self.declared:
            if self.pool_of(declared) is not self.pool:
                yield self.pool_of(declared)

    def answering(self, rtype: int) -> Pool:
        """The pool that answers questions for `rtype`."""
        return next((self.pool_of(one) for one in self.declared if one.type == rtype), self.pool)

    def pool_of(self, declared: Declared) -> Pool:
        """The pool that answers with what is declared: HTTPS and SVCB describe A and AAAA."""
        own = None if isinstance(declared, SvcbRecord) else declared.pool
        return own or self.pool

    @property
    def names_targets(self) -> bool:
        """Whether a target is named by records (SRV, MX) instead of being a CNAME.

        A CNAME would stand beside these records, where it must be alone (RFC 2181 section 10.1).
        """
        return any(record.type in {SRV, MX} for record in self.declared)

    @property
    def may_alias(self) -> bool:
        """Whether some answer of the service can be a CNAME."""
        sorry = self.when_down.backend
        return not self.names_targets and (
            any(backend.target is not None for backend in self.pool.backends())
            or (sorry is not None and sorry.target is not None)
        )


NO_HOSTS: Final[Mapping[BackendId, Host]] = MappingProxyType({})


@dataclass(frozen=True, slots=True)
class Zone:
    """A zone: its static RRsets (SOA and apex NS among them) and its services."""

    origin: str  # absolute, with its final dot
    rrsets: Records
    services: Mapping[str, Service]  # by owner name relative to the origin, `@` for the apex
    pools: Mapping[str, Pool]
    written: int = 0  # differs when the static records do, but for a serial that follows from all


class Listen(NamedTuple):
    """An address to serve UDP and TCP on; port 0 asks the system for a free one."""

    address: Address
    port: int = 53

    def __str__(self) -> str:
        """`192.0.2.1:53` or `[2001:db8::1]:53`."""
        host = f"[{self.address}]" if self.address.version == 6 else str(self.address)
        return f"{host}:{self.port}"


DEFAULT_LISTEN: Final = (Listen(IPv4Address("0.0.0.0")), Listen(IPv6Address("::")))
"""All addresses of the machine, port 53."""


class Role(enum.Enum):
    """What a token is good for."""

    READ = "read"
    OPERATE = "operate"  # and read


class Token(NamedTuple):
    """Who may use the API, for what."""

    name: str
    role: Role
    digest: bytes  # of the token: SHA-256


class ApiTls(NamedTuple):
    """The files that HTTPS is served with, PEM."""

    certificate: Path
    key: Path | None = None  # None: in the certificate's file


@dataclass(frozen=True, slots=True)
class Api:
    """HTTP for those who operate the server."""

    listen: Listen = Listen(IPv4Address("127.0.0.1"), 8053)
    tokens: tuple[Token, ...] = ()  # none: everybody who reaches it may do everything
    hosts: tuple[str, ...] = ()  # names that browsers may call it by
    tls: ApiTls | None = None  # None: plain HTTP
    token_file: Path | None = None  # where the tokens stand


@dataclass(frozen=True, slots=True)
class Cookies:
    """DNS cookies (RFC 7873)."""

    secrets: tuple[bytes, ...] = ()  # of 16 octets; the first signs; none: one made at the start
    required: bool = False  # whether UDP queries whose cookie is not valid get BADCOOKIE


@dataclass(frozen=True, slots=True)
class Rates:
    """Answers a second to one network: each class about one subject, and all together."""

    answer: int = 20
    nodata: int = 20
    nxdomain: int = 20
    referral: int = 20
    error: int = 20
    total: int = 500


@dataclass(frozen=True, slots=True)
class RateLimit:
    """Response-rate limiting: how many answers by UDP a client's network gets."""

    log_only: bool = False  # whether what is beyond the rate is only counted
    rates: Rates = Rates()
    burst: float = 5.0  # seconds whose answers may come at once
    slip: int = 2  # one of so many answers beyond the rate is truncated; 0: none
    prefix: Prefix = Prefix()
    exempt: tuple[Network, ...] = ()


@dataclass(frozen=True, slots=True)
class Settings:
    """How answers look in general."""

    udp_payload: int = 1232  # octets of the largest answer by UDP
    identity: bytes | None = None  # for NSID and id.server
    version: bytes | None = None  # for version.bind
    cookies: Cookies | None = Cookies()  # None: the option is ignored
    rrl: RateLimit | None = None
    ecs_trust: tuple[Network, ...] | None = None  # whose ECS counts; None: all's; (): none's


@dataclass(frozen=True, slots=True)
class Dnstap:
    """Which queries are logged, where to, and how; what `Engine.log` takes."""

    kind: Literal["unix", "tcp", "file"]
    to: Path | tuple[Address, int]
    sample: float = 1.0  # how likely a query is logged, above 0
    queries: bool = True
    responses: bool = True
    identity: bytes = b""
    version: bytes = b""

    def __str__(self) -> str:
        """The target in the form that operators write."""
        if isinstance(self.to, tuple):
            return f"tcp:{Listen(*self.to)}"
        return f"{self.kind}:{self.to}"


@dataclass(frozen=True, slots=True)
class Tcp:
    """What TCP clients may take."""

    connections: int | None = None  # at a time; None: by what files may be open
    per_client: int | None = None  # None: by connections
    idle_timeout: float = 10.0  # until a connection without a query is closed
    query_timeout: float = 5.0  # for a query to arrive, and for its answer to leave


@dataclass(frozen=True, slots=True)
class Geo:
    """The databases that tell where an address is; each may have any layout."""

    city: Path | None = None
    asn: Path | None = None
    max_age: float = 30 * 86_400.0  # seconds since it was built, until it is warned of; may be inf


@dataclass(frozen=True, slots=True)
class Webhook:
    """Where events are posted to."""

    url: str
    events: frozenset[str] = frozenset()  # kinds
    secret: bytes | None = None  # that posts are signed with
    timeout: float = 10.0  # seconds for one attempt
    retries: int = 8  # further attempts

    @property
    def name(self) -> str:
        """The URL, without what may be secret in it."""
        parts = urlsplit(self.url)
        return f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}{parts.path}"


@dataclass(frozen=True, slots=True)
class Command:
    """A program that is run for each event."""

    command: tuple[str, ...]
    events: frozenset[str] = frozenset()  # kinds
    timeout: float = 10.0  # seconds

    @property
    def name(self) -> str:
        """The program's own name."""
        return PurePath(self.command[0]).name


Hook = Webhook | Command
"""Who is told what happens."""


@dataclass(frozen=True, slots=True)
class Health:
    """How checks are run."""

    processes: int = 1  # 1: in the server's own; more: that many processes beside it
    canary: tuple[Check, ...] = ()  # known good; when all fail, it is this server that is cut off


@dataclass(frozen=True, slots=True)
class Config:
    """The whole configuration."""

    path: Path
    zones: Mapping[str, Zone]  # by origin
    listen: tuple[Listen, ...] = DEFAULT_LISTEN
    workers: int | None = None  # None: one per CPU
    xdp: tuple[str, ...] = ()  # interfaces whose queries are taken past the sockets
    state: Path = field(default_factory=lambda: Path(".dnslb"))
    log_level: Literal["debug", "info", "warning", "error"] = "info"
    log_format: Literal["text", "json"] = "text"
    settings: Settings = Settings()
    tcp: Tcp = Tcp()
    dnstap: Dnstap | None = None  # None: queries are not logged
    top: bool = True  # whether it is watched who asks for what most
    api: Api | None = None  # None: nothing listens
    user: str | None = None  # to run as once ports are taken; None: as started
    group: str | None = None  # None: the user's
    reload: Literal["when-told", "on-change"] = "when-told"
    health: Health = Health()
    hooks: tuple[Hook, ...] = ()
    geo: Geo = Geo()
    atlas: Atlas = EMPTY  # the databases of `geo`, read
    files: Mapping[Path, Signature] = field(default_factory=dict, compare=False, repr=False)

    def pools(self) -> Iterator[Pool]:
        """Every pool of every zone."""
        for zone in self.zones.values():
            yield from zone.pools.values()

    def services(self) -> Iterator[Service]:
        """Every service of every zone."""
        for zone in self.zones.values():
            yield from zone.services.values()

    def backends(self) -> Iterator[Backend]:
        """Every backend that a service can reach, each once."""
        seen: set[BackendId] = set()
        shared: set[int] = set()  # pools that were looked at
        for service in self.services():
            for pool in service.pools():
                if id(pool) in shared:
                    continue
                shared.add(id(pool))
                for backend in pool.backends():
                    if backend.id not in seen:
                        seen.add(backend.id)
                        yield backend
