"""The shape of a zone file: its keys and what they take, before their meaning is looked at.

The JSON Schema that editors use is made of these classes, so the descriptions speak to operators.
"""

from __future__ import annotations

from typing import Annotated

from pydantic import ConfigDict, Field, Tag

from dnslb.config.checkshapes import (  # noqa: TC001 # pydantic looks at them
    CheckRef,
    CheckShape,
)
from dnslb.config.places import (  # noqa: TC001 # pydantic looks at them
    Asns,
    Cities,
    Continents,
    Countries,
    Subdivisions,
)
from dnslb.config.values import (
    Amount,
    Bias,
    Count,
    Factor,
    Flag,
    Interval,
    Location,
    Name,
    Port,
    Positive,
    Shape,
    StrategyName,
    Text,
    Texts,
    Ttl,
    Weight,
    kept,
    mapping_or_word,
    one_of,
    whole,
)

__all__ = [
    "MemberShape",
    "MxShape",
    "PoolShape",
    "RecordsShape",
    "ServiceShape",
    "SoaShape",
    "SrvShape",
    "SvcbShape",
    "WhenDownShape",
    "ZoneShape",
]


class SoaShape(Shape):
    """The zone's SOA record; its serial follows the content."""

    contact: Text | None = Field(
        default=None,
        description="Mailbox of who answers for the zone; default hostmaster in the zone.",
    )
    negative_ttl: Ttl | None = Field(
        default=None,
        description="How long resolvers keep that a name or type is missing; default 60.",
    )
    ttl: Ttl | None = Field(
        default=None, description="TTL of the SOA record; default that of the zone."
    )
    refresh: Ttl | None = Field(default=None, description="For secondary servers; default 1h.")
    retry: Ttl | None = Field(default=None, description="For secondary servers; default 15m.")
    expire: Ttl | None = Field(default=None, description="For secondary servers; default 14d.")


class RecordsShape(Shape):
    """The static records of one owner name, by type; rdata as in zone files."""

    model_config = ConfigDict(extra="allow")
    __pydantic_extra__: dict[str, Texts]

    ttl: Ttl | None = Field(
        default=None, description="TTL of these records; default that of the zone."
    )


class MemberShape(Shape):
    """One place in a pool: a backend, by address or target, or another pool."""

    name: Name | None = Field(
        default=None, description="Unique in the pool; default the address or target."
    )
    address: Texts | None = Field(
        default=None, description="IPv4 and IPv6 addresses of the backend."
    )
    target: Text | None = Field(default=None, description="A CNAME instead of addresses.")
    host: Name | None = Field(
        default=None,
        description="Its name in SRV and MX records; default its name below the service's.",
    )
    pool: Text | None = Field(default=None, description="Another pool of this zone.")
    weight: Weight | None = Field(
        default=None, description="Its share; 0: no new answers; default 1."
    )
    check: CheckRef | None = Field(
        default=None, description="A check's name, `none`, or keys that override the pool's check."
    )
    network: Texts | None = Field(
        default=None,
        description="With geo, clients in these networks, as 192.0.2.0/24.",
    )
    continent: Continents | None = Field(
        default=None, description="With geo, clients on these continents: EU is Europe."
    )
    country: Countries | None = Field(
        default=None, description="With geo, clients in these countries: DE; EU is the Union."
    )
    subdivision: Subdivisions | None = Field(
        default=None, description="With geo, clients in these parts of countries: US-CA."
    )
    city: Cities | None = Field(
        default=None, description="With geo, clients in these cities: English name or GeoNames id."
    )
    asn: Asns | None = Field(
        default=None, description="With geo, clients of these AS numbers: 64496 or AS64496."
    )
    unknown: Flag | None = Field(
        default=None,
        description="With geo and nearest, clients whose location no database knows.",
    )
    location: Location | None = Field(
        default=None,
        description="[latitude, longitude] in degrees; default that of the pool it refers to.",
    )
    bias: Bias | None = Field(
        default=None,
        description="With nearest, above 0 it seems nearer, below 0 farther; default the pool's.",
    )


class PrefixShape(Shape):
    """How many leading bits of a client's address make its network."""

    v4: Annotated[int, whole(1, 32)] | None = Field(default=None, description="Default 24.")
    v6: Annotated[int, whole(1, 128)] | None = Field(default=None, description="Default 56.")


class MaxDownShape(Shape):
    """How many backends of a pool checks may take down within a window.

    What is beyond is taken for a fault of the checks rather than of the backends.
    """

    most: Amount | None = Field(default=None, description="A number, or a part as in 50%.")
    within: Interval | None = Field(default=None, description="The window; default 1m.")


class SpillShape(Shape):
    """From which load on clients go to the next in order, before the pool is down."""

    at: Positive | None = Field(default=None, description="Load from which on; default 0.8.")
    full: Positive | None = Field(default=None, description="Load from which on all do; default 1.")


class PoolShape(Shape):
    """A strategy over members."""

    strategy: StrategyName | None = Field(
        default=None,
        description="weighted, round-robin (default), least-load, subnet, failover, fastest, all, "
        "geo, nearest, or your own as package.module:Class.",
    )
    check: CheckRef | None = Field(
        default=None, description="The members' check: a name, or written in place; default none."
    )
    members: list[Annotated[MemberShape, kept]] | None = Field(
        default=None, description="Backends and pools, in the order that strategies respect."
    )
    min_up: Annotated[int, whole(1, 10_000)] | None = Field(
        default=None, description="With fewer members up the pool is down; default 1."
    )
    slow_start: Interval | None = Field(
        default=None,
        description="Time in which a backend that returns gets back its full share; default none.",
    )
    max_down: (
        Annotated[
            Annotated[Amount, Tag("(word)")] | Annotated[MaxDownShape, Tag("(mapping)")],
            mapping_or_word,
        ]
        | None
    ) = Field(
        default=None,
        description="How many backends checks may take down within a window before the pool is "
        "frozen: a number, a part as in 50%, or a mapping; default no bound.",
    )
    spill: SpillShape | None = Field(
        default=None,
        description="Load from which on clients go to the next of a failover, geo or nearest pool.",
    )
    prefix: PrefixShape | None = Field(default=None, description="For the strategy subnet.")
    bound: Factor | None = Field(
        default=None,
        description="For the strategy subnet: how many times its share of the networks a member "
        "may have, as in 1.1; default no bound.",
    )
    location: Location | None = Field(default=None, description="[latitude, longitude] in degrees.")
    bias: Bias | None = Field(
        default=None,
        description="For the strategy nearest above: -99 to 99, above 0 it seems nearer.",
    )


class WhenDownShape(Shape):
    """The answer of a service when everything under it is down: a sorry page."""

    address: Texts | None = Field(default=None, description="Its addresses.")
    target: Text | None = Field(default=None, description="A CNAME to it.")


Number16 = Annotated[int, whole(0, 65_535)]


class SvcbShape(Shape):
    """HTTPS or SVCB records: how to connect (RFC 9460)."""

    priority: Number16 | None = Field(
        default=None, description="Default 1; 0 makes an alias of the target, without parameters."
    )
    target: Text | None = Field(
        default=None, description='Whose addresses to use; default ".", the name itself.'
    )
    alpn: Texts | None = Field(default=None, description="Protocol ids, as in [h2, h3].")
    no_default_alpn: Flag | None = Field(
        default=None, description="Whether only those in alpn are spoken; default false."
    )
    port: Port | None = Field(default=None, description="Default the protocol's own.")
    ech: Text | None = Field(
        default=None, description="Keys for Encrypted Client Hello: an ECHConfigList in base64."
    )
    dohpath: Text | None = Field(
        default=None, description="URI template of a DNS server (RFC 9461)."
    )
    ohttp: Flag | None = Field(
        default=None, description="Whether Oblivious HTTP is spoken (RFC 9540); default false."
    )
    mandatory: Texts | None = Field(
        default=None, description="Parameters that a client has to know, or use no other."
    )
    hints: Flag | None = Field(
        default=None,
        description="Whether the addresses of the answer's backends stand in it; default true.",
    )


class SrvShape(Shape):
    """SRV records, one a backend (RFC 2782)."""

    port: Port | None = Field(default=None, description="Where the backends serve.")
    priority: Number16 | None = Field(
        default=None, description="Lower is tried first; default 0. failover counts on from it."
    )
    weight: Number16 | None = Field(default=None, description="Default that of the member.")
    pool: Text | None = Field(
        default=None, description="The pool that these answers come from; default the service's."
    )


class MxShape(Shape):
    """MX records, one a backend."""

    preference: Number16 | None = Field(
        default=None, description="Lower is tried first; default 10. failover counts on from it."
    )
    pool: Text | None = Field(
        default=None, description="The pool that these answers come from; default the service's."
    )


class ServiceShape(PoolShape):
    """A name that is balanced: over a pool, or over the members written here."""

    pool: Text | None = Field(default=None, description="The pool that answers.")
    ttl: Ttl | None = Field(default=None, description="TTL of the answers; default 30.")
    answers: Count | None = Field(
        default=None, description="How many backends one response carries; default 1."
    )
    when_down: (
        Annotated[
            Annotated[str, one_of("serve-all", "nodata", "servfail"), Tag("(word)")]
            | Annotated[WhenDownShape, Tag("(mapping)")],
            mapping_or_word,
        ]
        | None
    ) = Field(
        default=None,
        description="The answer when all is down: serve-all (default), nodata, servfail, or a "
        "mapping with an address or a target.",
    )
    HTTPS: SvcbShape | None = Field(
        default=None, description="Answer HTTPS records, with the backends' addresses as hints."
    )
    SVCB: SvcbShape | None = Field(default=None, description="Answer SVCB records likewise.")
    SRV: SrvShape | None = Field(
        default=None, description="Answer SRV records that name the backends."
    )
    MX: MxShape | None = Field(
        default=None, description="Answer MX records that name the backends."
    )


class ZoneShape(Shape):
    """A zone; its origin is the file's name."""

    ttl: Ttl | None = Field(default=None, description="TTL of static records; default 300.")
    nameservers: Texts | None = Field(
        default=None, description="The zone's name servers, the first first."
    )
    soa: SoaShape | None = Field(default=None, description="The zone's SOA record.")
    records: dict[str, RecordsShape] | None = Field(
        default=None,
        description="Static records by owner name: relative, or @ for the zone itself.",
    )
    include: Texts | None = Field(
        default=None, description="Master files with further static records; relative to this file."
    )
    checks: dict[str, CheckShape] | None = Field(default=None, description="Checks by name.")
    pools: dict[str, PoolShape] | None = Field(default=None, description="Pools by name.")
    services: dict[str, ServiceShape] | None = Field(
        default=None, description="Balanced names: relative, wildcards, or @ for the zone itself."
    )
