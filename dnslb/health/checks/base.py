"""What a check is: a frozen description of a probe, and the probe itself."""

from __future__ import annotations

import enum
from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, NamedTuple, Protocol

if TYPE_CHECKING:
    from dnslb.health.load import LoadSource

__all__ = [
    "PASSING",
    "AgentMode",
    "Check",
    "HoldDown",
    "Kept",
    "Outcome",
    "Result",
    "authority",
]


class Outcome(enum.Enum):
    """How one probe ended; the values are the words in logs, metrics, API and `explain`."""

    OK = "ok"
    REFUSED = "refused"  # nothing listens
    UNREACHABLE = "unreachable"  # the network has no way there
    CONNECT_TIMEOUT = "connect-timeout"
    TLS_EXPIRED = "tls-expired"  # the certificate's time is over, has not begun, or ends too soon
    TLS_NAME = "tls-name"  # the certificate is for another name
    TLS_UNTRUSTED = "tls-untrusted"  # nobody who is trusted has signed it
    TLS_PROTOCOL = "tls-protocol"  # no TLS, or no version, cipher or protocol in common
    TLS = "tls"  # any other fault of TLS, such as a handshake that is broken off
    RESET = "reset"  # the connection was broken off before the answer
    RESET_MIDWAY = "reset-midway"  # and within it
    CLOSED = "closed"  # the connection was closed before the answer was whole
    READ_TIMEOUT = "read-timeout"  # nothing more came
    SLOW = "slow"  # the answer was still coming when the time was up
    MALFORMED = "malformed"
    STATUS = "status"  # the answer's status is not one that is expected
    BODY = "body"  # its content is not
    TOO_LARGE = "too-large"
    REDIRECT = "redirect"
    DNS = "dns"  # the name has no address
    SILENT = "silent"  # no heartbeat before the deadline
    ERROR = "error"  # the probe itself failed, which says nothing about the backend


PASSING: Final = frozenset(
    {
        Outcome.CONNECT_TIMEOUT,
        Outcome.RESET,
        Outcome.RESET_MIDWAY,
        Outcome.CLOSED,
        Outcome.READ_TIMEOUT,
    }
)
"""What another attempt may find gone: a lost packet, a server that has just been restarted."""


class AgentMode(enum.Enum):
    """What a backend's own agent wants of those who balance (HAProxy's words)."""

    READY = "ready"
    DRAIN = "drain"
    MAINT = "maint"


@dataclass(frozen=True, slots=True)
class Result:
    """The result of one probe."""

    outcome: Outcome
    detail: str = ""  # for the operator: `HTTP 503, expected 200-399`
    milliseconds: float = 0.0  # from the start of the probe to its end
    load: float | None = None  # as the response reported it: 0 idle, 1 full
    note: str = ""  # for the operator: what was odd, though it decided nothing
    weight: float | None = None  # how much of its weight the backend wants, as its agent said
    mode: AgentMode | None = None  # what its agent wants; None: nothing new
    expires: float | None = None  # when its certificate ends, in seconds since 1970
    attempts: int = 1  # how many it took

    def taking(self, milliseconds: float) -> Result:
        """The same, of a probe that took so long."""
        # as `replace` does, which takes three times as long, at each of a thousand probes a second
        return Result(
            self.outcome, self.detail, milliseconds, self.load, self.note, self.weight, self.mode,
            self.expires, self.attempts,
        )  # fmt: skip

    @property
    def ok(self) -> bool:
        """Whether the backend passed."""
        return self.outcome is Outcome.OK

    def __str__(self) -> str:
        return f"{self.outcome.value}: {self.detail}" if self.detail else self.outcome.value


class HoldDown(NamedTuple):
    """How long a backend that goes down again and again has to stay down, in seconds.

    The first fall costs nothing; the second `first`, and each further one twice as much, up to
    `most`. After `calm` seconds up all is forgotten.
    """

    first: float
    most: float = 300.0
    calm: float = 600.0


class Closable(Protocol):
    """A connection that can be kept."""

    def close(self) -> None:
        """End it at once."""


class Kept:
    """What one probe left open for the next; nothing, unless the check says `reuse`."""

    __slots__ = ("_held",)

    def __init__(self) -> None:
        self._held: Closable | None = None

    def take(self) -> Closable | None:
        """What was put here, which is the caller's from now on."""
        held, self._held = self._held, None
        return held

    def put(self, connection: Closable) -> None:
        """Keep `connection` for the next probe."""
        self.close()
        self._held = connection

    def close(self) -> None:
        """End what is kept. Does nothing twice."""
        if held := self.take():
            held.close()


@dataclass(frozen=True, slots=True, kw_only=True)
class Check(ABC):
    """A configured probe. Equal checks of one address share one probe."""

    interval: float = 10.0  # seconds between the starts of two probes
    timeout: float = 3.0  # seconds that one attempt may take in all
    rise: int = 2  # passes in a row that make a backend up
    fall: int = 3  # failures in a row that make it down
    hold_down: HoldDown | None = None  # None: as long as the interval first
    retries: int = 0  # further attempts within one probe
    retry_on: frozenset[Outcome] = PASSING  # after which of them there is another
    reuse: bool = False  # whether the connection is kept for the next probe, where it can be
    address: str | None = None  # where to probe instead of the backend's own address
    port: int | None = None  # None: the protocol's own
    load: LoadSource | None = None  # where the answer says how loaded the backend is

    @abstractmethod
    async def probe(self, address: str, kept: Kept) -> Result:
        """Probe `address` (or the name of a target) once, within `timeout`.

        With `reuse`, a connection may be taken from `kept` and put there for the next time.
        Never raises but for cancellation.
        """

    def where(self, address: str) -> str:
        """What a probe of `address` asks, in an operator's words: `192.0.2.10:80 /healthz`."""
        return authority(address, self.port)

    @property
    def holding(self) -> HoldDown:
        """The hold-down in force."""
        return HoldDown(self.interval) if self.hold_down is None else self.hold_down


def authority(host: str, port: int | None) -> str:
    """`host:port` as URLs and `Host` headers write it (RFC 3986, section 3.2)."""
    host = host.rstrip(".")
    name = f"[{host}]" if ":" in host and not host.startswith("[") else host
    return name if port is None else f"{name}:{port}"
