"""What checks of servers share, however they connect: a port, TLS or none, and a name."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from dnslb.health.checks.base import Check, authority

if TYPE_CHECKING:
    from dnslb.health.checks.tls import Tls

__all__ = ["ServerCheck"]


@dataclass(frozen=True, slots=True, kw_only=True)
class ServerCheck(Check):
    """A check of whoever serves on a port."""

    PORTS: ClassVar[tuple[int | None, int | None]] = (None, None)
    """The protocol's own port, without TLS and with it; None when it has none."""

    tls: Tls | None = None
    host: str | None = None  # who is meant: SNI and the certificate's name; None: the address

    def where(self, address: str) -> str:
        """`192.0.2.10:443`."""
        return authority(address, self.effective_port)

    @property
    def effective_port(self) -> int | None:
        """The port that is connected to."""
        return self.port or self.PORTS[self.tls is not None]

    def name(self, address: str) -> str:
        """Whom the TLS handshake speaks of: `host` without a port, else what is probed."""
        host = self.host
        if host is None:
            # the zone of a link-local address is this machine's own affair (RFC 6874, section 1)
            return address.rstrip(".").partition("%")[0]
        if host.startswith("["):
            return host[1:].partition("]")[0]
        return host.partition(":")[0] if host.count(":") == 1 else host
