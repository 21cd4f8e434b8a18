"""The engine's face: a handful of coarse calls.

The engine holds one immutable snapshot of zones and plans, answers from it on threads of its own,
and never calls back into Python. Every method may be called from any thread.
"""

from collections.abc import Iterator, Mapping, Sequence
from ipaddress import IPv4Address, IPv6Address
from os import PathLike
from typing import Any, Protocol, TypedDict, final, type_check_only

from typing_extensions import Self

from dnslb.config.model import ServiceId
from dnslb.policy.plan import ServicePlan
from dnslb.zone.records import RRset

__all__ = ["Database", "Engine", "NetworkMap", "Records", "__version__", "slot_owners"]

__version__: str
"""The version of the package that the extension was built with."""

@type_check_only
class ZoneData(Protocol):
    """A zone as the engine takes it."""

    @property
    def origin(self) -> bytes:
        """In lower case, uncompressed wire format."""
    @property
    def rrsets(self) -> Records | Sequence[RRset]:
        """Static RRsets; exactly one SOA, at the apex."""
    @property
    def services(self) -> Sequence[tuple[bytes, ServiceId]]:
        """The owner names, in wire format, of the zone's services."""

@type_check_only
class SettingsData(Protocol):
    """How answers look in general."""

    @property
    def udp_payload(self) -> int:
        """Octets of the largest answer by UDP, 512 to 4,096."""
    @property
    def identity(self) -> bytes | None:
        """What NSID and `id.server` tell, 1 to 128 octets; None: neither is answered."""
    @property
    def version(self) -> bytes | None:
        """What `version.bind` tells, 1 to 128 octets; None: it is refused."""
    @property
    def ecs_trust(self) -> NetworkMap | None:
        """Whose word on where their clients are counts (ECS): networks labelled 1.

        Others are answered by their own address. None: everybody's counts.
        """
    @property
    def cookie_secrets(self) -> Sequence[bytes]:
        """Secrets of 16 octets: the first signs, all are good for checking; none: no cookies."""
    @property
    def cookies_required(self) -> bool:
        """Whether UDP queries whose cookie is not valid get BADCOOKIE."""
    @property
    def keepalive(self) -> int:
        """How long TCP connections without a query are kept, which clients are told.

        In units of 100 ms; 0 counts as 1.
        """
    @property
    def rrl(self) -> RateLimitData | None:
        """Limits of the rate of answers by UDP; None: there are none."""

@type_check_only
class RateLimitData(Protocol):
    """How many answers by UDP a client's network gets."""

    @property
    def log_only(self) -> bool:
        """Whether answers beyond the rate are counted, but sent as they are."""
    @property
    def rates(self) -> Sequence[int]:
        """Answers a second to one network, each 1 to 100,000.

        They are: with records, NODATA, NXDOMAIN, referrals and errors, each about one subject; and
        of all kinds together.
        """
    @property
    def burst(self) -> int:
        """Milliseconds, up to 60,000, whose answers may come at once; one always may."""
    @property
    def slip(self) -> int:
        """One of so many answers beyond the rate, up to 255, is truncated; 0: all are dropped."""
    @property
    def prefix(self) -> tuple[int, int]:
        """Leading bits of IPv4 and IPv6 addresses that make a network."""
    @property
    def exempt(self) -> Sequence[tuple[IPv4Address | IPv6Address, int]]:
        """Networks, by address and leading bits, whose clients are not limited."""

@type_check_only
class TcpData(Protocol):
    """What TCP clients may take; how long they may be idle is among the settings."""

    @property
    def connections(self) -> int:
        """At a time, of all workers together."""
    @property
    def per_client(self) -> int:
        """Of which one client, an IPv4 address or an IPv6 /64, may have so many."""
    @property
    def query_timeout(self) -> float:
        """Seconds for a query to arrive in whole, and for a batch of answers to leave."""

@type_check_only
class DnstapData(Protocol):
    """Which queries are logged, where to, and how."""

    @property
    def kind(self) -> str:
        """What `to` is: `"unix"`, `"tcp"` or `"file"`."""
    @property
    def to(self) -> PathLike[str] | tuple[IPv4Address | IPv6Address, int]:
        """A path, or an address with its port."""
    @property
    def sample(self) -> float:
        """How likely a query is logged, above 0 and up to 1."""
    @property
    def queries(self) -> bool:
        """Whether queries are told."""
    @property
    def responses(self) -> bool:
        """Whether responses are told."""
    @property
    def identity(self) -> bytes:
        """Who tells; empty: it is not said."""
    @property
    def version(self) -> bytes:
        """With which software; empty: it is not said."""

@type_check_only
class Logged(TypedDict):
    """The query log since the engine was made."""

    written: int  # frames
    dropped: dict[str, int]  # reason: samples, or frames that were on their way
    open: bool  # now
    problem: str | None  # why it is not open

@type_check_only
class TcpStats(TypedDict):
    """TCP connections since addresses were bound."""

    accepted: int
    open: int  # now
    shed: int  # closed to make room
    refused: int  # closed at once, because no room could be made
    timed_out: int  # closed for idleness, or for a query or an answer that took too long

@type_check_only
class Latency(TypedDict):
    """How long answers took, from when a batch of queries was received until it was sent."""

    bounds: list[float]  # upper ends, in seconds
    counts: list[int]  # answers up to each bound and beyond the one before; one more for the rest
    seconds: float  # of all answers

@type_check_only
class Stats(TypedDict):
    """Counters since the engine was made, summed over all workers."""

    generation: int
    queries: dict[tuple[str, str], int]  # (transport, rcode): answers made
    drops: dict[str, int]  # reason: packets that got no answer
    limited: dict[str, int]  # fate (dropped, truncated, passed): answers beyond the rate
    answers: dict[tuple[str, str, str, str], int]  # (zone, service, pool, backend): answers with it
    latency: dict[str, Latency]  # by transport
    tcp: TcpStats

@final
class Engine:
    """Zones and plans, the sockets that serve them, and the threads that answer."""

    def __new__(cls) -> Self: ...
    def publish(
        self,
        plans: Mapping[ServiceId, ServicePlan],
        zones: Sequence[ZoneData] | None = None,
        settings: SettingsData | None = None,
    ) -> int:
        """Swap in a new snapshot and return its generation, counted from 1.

        With `zones`, these are all there is, and `plans` covers their every service; without, the
        zones stay and only the plans of the services named change. Without `settings`, those in
        force stay. Packets meet the old snapshot or the new one, never a mix; before the first one
        every query gets SERVFAIL.

        Raises:
            ValueError: a zone, plan or setting that cannot be compiled; the old snapshot stays in
                force.
        """

    def bind(
        self,
        listen: Sequence[tuple[str, int]],
        workers: int,
        tcp: TcpData | None = None,
        given: Sequence[int] = ...,
    ) -> list[tuple[str, int]]:
        """Take UDP and TCP sockets on each address, `workers` of them, and return what was bound.

        Port 0 becomes one free port, the same for UDP and TCP.

        `given` are sockets, by the numbers of their files, that are bound already: of another
        process, or of the system's. They are the engine's from then on. Those on an address of
        `listen` are taken, all of them, and only what is missing is bound; the others are closed.

        `tcp` is by default 1,024 connections, 256 of them for one client, and 5 seconds. When all
        are taken, a new one takes the place of the worker's connection that has gone without a
        query for the longest time; one with an answer on its way goes only if all have one. A
        client that has its share gives up a connection of its own in the same way, except that
        answers on their way are never given up: when there is nothing else, the new connection is
        closed at once.

        Raises:
            OSError: an address that cannot be had, as its `filename`; no socket is kept.
        """

    def prepare(self, interfaces: Sequence[str]) -> None:
        """Make ready what it takes to have queries by these interfaces past the sockets (AF_XDP).

        Queries for the addresses that are bound. All that needs privileges is done here.

        Raises:
            OSError: an interface that cannot be had, as its `filename`; none is prepared.
            RuntimeError: nothing is bound, or the engine runs already.
        """

    def attach(self) -> list[tuple[str, int, str, bool]]:
        """Have the queries by the interfaces that are prepared, until the engine retires or stops.

        Of each interface: its name, how many queues it has, whether its driver runs the program
        (`native`) or the kernel behind it (`generic`), and whether frames are copied.

        Raises:
            OSError: an interface that cannot be had, as its `filename`; the sockets go on to have
                the queries of all.
            RuntimeError: the engine does not run.
        """

    def attached(self) -> dict[str, int]:
        """How many answers were made past the sockets, by interface."""

    def start(self) -> None:
        """Answer on the bound sockets, from threads of the engine's own.

        Raises:
            RuntimeError: nothing is bound, or the engine runs already.
        """

    def answer(self, packet: bytes, client: str, transport: str = "udp") -> bytes | None:
        """What the server would send to `client` for `packet`; None for silence.

        Raises:
            ValueError: `client` is no IP address, or `transport` neither `"udp"` nor `"tcp"`.
        """

    def stats(self) -> Stats:
        """Read the counters. Queries put to `answer` count as well."""

    def asked(self) -> tuple[int, dict[tuple[str, str], int]]:
        """The `generation` and `queries` of `stats`, at a small part of its cost.

        While both stay, `answers` stay, too, and have the same keys.
        """

    def limited(self, within: float) -> dict[tuple[str, str], int]:
        """The networks that had an answer beyond their rate within so many seconds.

        Keys are as `("192.0.2.0/24", "nxdomain")`; the classes are `answer`, `nodata`, `nxdomain`,
        `referral`, `error` and `total`. Values are how many answers there were; they begin anew
        when a network has paused. Of an attack on very many networks only some are told.
        """

    def sockets(self) -> list[int]:
        """The sockets that are served, by the numbers of their files, to be handed over."""

    def retire(self, within: float) -> None:
        """Leave the sockets to a process that has taken them over.

        What this engine has received is answered, nothing new is taken, and clients that are
        connected are served until they go, for `within` seconds at the most; `stop` ends it before.
        Returns once UDP is over.
        """

    def restore(self, stats: Stats) -> None:
        """Go on counting from `stats`, which an engine before this one had in the end."""

    def log(self, dnstap: DnstapData | None) -> None:
        """Log queries that come to the bound sockets from now on; None: none.

        With what is in force it opens a file anew that was moved away, and goes on otherwise.

        Raises:
            ValueError: it says nothing that can be done.
            OSError: no thread can be started.
        """

    def logged(self) -> Logged:
        """What became of the queries that were to be logged."""

    def sample(self, probability: float) -> None:
        """Have queries that come to the bound sockets copied for `samples`, so likely, 0 to 1."""

    def samples(self, most: int) -> list[tuple[bytes, bytes, int, float]]:
        """At most so many of the queries that were copied since the last call.

        Each is its sender's address, the name in question in lower case and wire format, the type,
        and how many queries it stands for. Workers keep some hundred each; what is beyond is lost.
        """

    def stop(self) -> None:
        """Answer what has been received, close the sockets and join the threads.

        Packets that keep coming do not put it off: after half a second they go without an answer.
        """

def slot_owners(
    slots: int,
    choices: Sequence[tuple[int, float]],
    factor: float | None,
    among: Sequence[tuple[int, float]],
) -> list[int]:
    """For each slot of a `Hash` the place of its choice; of `choices` it has seeds and weights.

    `factor` and `among` are those of its bound.

    Raises:
        ValueError: no plan may hold such a `Hash`; the message says why.
    """

@type_check_only
class Meaning(Protocol):
    """What words of a master file mean that are not written plainly; ValueErrors are told."""

    def rtype(self, text: str) -> int | None: ...
    def name(self, text: str, origin: bytes) -> bytes: ...
    def ttl(self, text: str) -> int: ...
    def rdata(self, rtype: int, words: Sequence[tuple[str, bool]], origin: bytes) -> bytes: ...
    def unreadable(self, number: int | None, words: str) -> str: ...

@final
class Database:
    """What is known of the places of addresses: a file in MaxMind's format, read and checked whole.

    GeoIP2, GeoLite2, DB-IP's and IPinfo's layouts are understood. Locations are numbered from 0;
    those that say the same are one. Addresses of IPv6 that are aliases of IPv4 (`2002::/16`,
    `::ffff:0:0/96`) are not known.

    Raises:
        OSError: the file cannot be read.
        ValueError: it is no such database, or torn or corrupt; the message says why.
    """

    def __new__(cls, path: str | PathLike[str]) -> Self: ...
    @property
    def type(self) -> str:
        """What it says it is: `GeoLite2-City`."""

    @property
    def built(self) -> int:
        """When it was made, in seconds since 1970."""

    @property
    def networks(self) -> int:
        """How many networks it tells of."""

    @property
    def map(self) -> NetworkMap:
        """Label 0: nothing is known; 1 and above: the location of that number less one."""

    @property
    def records(self) -> int:
        """How many locations there are."""

    @property
    def fields(self) -> frozenset[str]:
        """The fields of `dnslb.geo.location.Location` that any of them has."""

    def location(self, record: int) -> tuple[Any, ...]:
        """The fields of one location, in the order of `Location`.

        Raises:
            IndexError: there are not so many.
        """

    def rows(self, fields: Sequence[str]) -> tuple[list[tuple[Any, ...]], list[int]]:
        """The distinct contents of some fields, and for each location the number of its row.

        Raises:
            ValueError: a location has no such field.
        """

@final
class NetworkMap:
    """A label for every address: all of IPv4 and of IPv6, cut into the fewest prefixes.

    Prefixes do not overlap, and no two halves of a network have one label. Labels are whole numbers
    from 0 and below 2**24. Maps do not change; equal maps are cut alike.
    """

    @staticmethod
    def of(
        networks: Sequence[tuple[IPv4Address | IPv6Address, int, int]], default: int = 0
    ) -> NetworkMap:
        """The map of networks by address, prefix length and label.

        The longest network that an address is in decides, of equal ones the last. What is in none
        has the label `default`.

        Raises:
            ValueError: bits beyond a prefix are set, or a label is too large.
        """

    def find(self, address: IPv4Address | IPv6Address) -> tuple[int, int]:
        """The label of `address`, and the length of the prefix over which it holds."""

    def relabel(self, labels: Sequence[int]) -> NetworkMap:
        """The map with `labels[label]` in the place of each `label`.

        Raises:
            ValueError: a label of the map has no new one, or a new one is too large.
        """

    def product(self, other: NetworkMap) -> tuple[NetworkMap, list[tuple[int, int]]]:
        """The map that tells the labels of both maps apart.

        Its labels are places in the list, which has the pairs of own and other label.

        Raises:
            ValueError: there are 2**24 pairs or more.
        """

    def shares(self) -> list[tuple[int, float, float]]:
        """Each label with its share of all IPv4 and of all IPv6 addresses, labels ascending."""

    def cells(
        self, version: int, first: int = 0, count: int = 65_536
    ) -> list[tuple[int, int, int]]:
        """Prefixes of one IP version, 4 or 6, in order: address as a number, length, label.

        Of all there are, so many from the `first`.
        """

    @property
    def sizes(self) -> tuple[int, int]:
        """How many prefixes there are of IPv4 and of IPv6."""

    @property
    def octets(self) -> int:
        """The memory that it takes."""

    @property
    def greatest(self) -> int:
        """The largest label."""

    def __eq__(self, other: object, /) -> bool: ...
    def __hash__(self) -> int: ...

@final
class Records:
    """The static records of one zone: read, checked, finished, and published as they are.

    Places are a file's number, a line and a column, both from 1. File 0 is that of `add` and
    `add_service`, and the line then the `spot` that these were given; the files that `read` reads
    are numbered from 1, over all calls.

    Findings are the fields of `dnslb.zone.records.Finding`, the first thousand errors and warnings
    and how many more there are of each.

    Raises:
        ValueError: `origin` is no name in lower case and wire format; for what changes records or
            asks for their places, that they are finished.
        RuntimeError: another thread reads or compiles them.
    """

    def __new__(cls, origin: bytes) -> Self: ...
    def add(self, owner: bytes, rtype: int, ttl: int, rdata: bytes, spot: int = 0) -> None:
        """Add a record. One outside of the zone is found by `check`."""

    def add_service(self, owner: bytes, spot: int = 0) -> None:
        """Add the name of a service.

        Raises:
            ValueError: it lies outside of the zone.
        """

    def read(
        self,
        path: str | PathLike[str],
        ttl: int,
        meaning: Meaning,
        refused: Sequence[tuple[int, bytes | None]],
    ) -> tuple[
        list[PathLike[str]],
        list[tuple[tuple[int, int, int], str]],
        list[tuple[int, tuple[int, int, int]]],
    ]:
        """Add the records of a master file; `ttl` is for those without one.

        Records of the types in `refused`, at one owner or at all, are left out. Returns the files
        that were read, what is wrong with them, and of the records left out the types and places.
        """

    def check(self) -> tuple[list[tuple[object, ...]], list[tuple[object, ...]], int, int]:
        """Find what breaks a rule."""

    def check_nested(
        self, apexes: Sequence[bytes]
    ) -> tuple[list[tuple[object, ...]], list[tuple[object, ...]], int, int]:
        """Take account of zones at `apexes`, which lie in this one.

        Finds the names at or below them, but for the delegation to these and its glue.
        """

    def finish(self) -> None:
        """Compile: from now on the records do not change, and take little memory.

        Raises:
            ValueError: the records are no zone that can be served.
        """

    def at(self, owner: bytes) -> list[RRset]:
        """The RRsets at a name."""

    def places(self, owner: bytes, rtype: int) -> list[tuple[int, int, int]]:
        """Where the records of one name and type were written."""

    def owners(self, rtype: int) -> list[bytes]:
        """The names that have records of one type, a thousand at the most."""

    def exists(self, name: bytes) -> bool:
        """Whether something stands at or below `name`."""

    def digest(self) -> int:
        """A number of 64 bits that follows from the records, whatever their order is."""

    def __iter__(self) -> Iterator[RRset]:
        """Every RRset."""
