"""What a check is: a frozen description of a probe, and the probe itself."""

from __future__ import annotations

import enum
from abc import ABC, abstractmethod
from dataclasses import dataclass

__all__ = ["Check", "Outcome", "Result", "authority"]


class Outcome(enum.Enum):
    """How one probe ended; the values are the words in logs, metrics, API and `explain`."""

    OK = "ok"
    REFUSED = "refused"
    UNREACHABLE = "unreachable"
    CONNECT_TIMEOUT = "connect-timeout"
    TLS = "tls"
    RESET = "reset"
    READ_TIMEOUT = "read-timeout"
    MALFORMED = "malformed"
    STATUS = "status"
    BODY = "body"
    DNS = "dns"
    ERROR = "error"  # the probe itself failed, which says nothing about the backend


@dataclass(frozen=True, slots=True)
class Result:
    """The result of one probe."""

    outcome: Outcome
    detail: str = ""  # for the operator: `HTTP 503, expected 200-399`
    milliseconds: float = 0.0  # from the start of the probe to its end
    load: float | None = None  # as the response reported it
    note: str = ""  # for the operator: what was odd, though it decided nothing

    @property
    def ok(self) -> bool:
        """Whether the backend passed."""
        return self.outcome is Outcome.OK

    def __str__(self) -> str:
        return f"{self.outcome.value}: {self.detail}" if self.detail else self.outcome.value


@dataclass(frozen=True, slots=True, kw_only=True)
class Check(ABC):
    """A configured probe. Equal checks of one address share one probe."""

    interval: float = 10.0  # seconds between the starts of two probes
    timeout: float = 3.0  # seconds that one probe may take in all
    rise: int = 2  # passes in a row that make a backend up
    fall: int = 3  # failures in a row that make it down
    address: str | None = None  # where to probe instead of the backend's own address
    port: int | None = None  # None: the protocol's own

    @abstractmethod
    async def probe(self, address: str) -> Result:
        """Probe `address` (or the name of a target) once, within `timeout`.

        Never raises but for cancellation.
        """

    def where(self, address: str) -> str:
        """What a probe of `address` asks, in an operator's words: `192.0.2.10:80 /healthz`."""
        return authority(address, self.port)


def authority(host: str, port: int | None) -> str:
    """`host:port` as URLs and `Host` headers write it (RFC 3986, section 3.2)."""
    host = host.rstrip(".")
    name = f"[{host}]" if ":" in host and not host.startswith("[") else host
    return name if port is None else f"{name}:{port}"
