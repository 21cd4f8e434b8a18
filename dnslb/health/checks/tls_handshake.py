"""The TLS check: passes when the handshake ends well, and what comes is what is expected."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import ClassVar

from dnslb.health.checks.tcp import TcpCheck
from dnslb.health.checks.tls import Tls

__all__ = ["TlsCheck"]


@dataclass(frozen=True, slots=True, kw_only=True)
class TlsCheck(TcpCheck):
    """Makes a TLS connection and verifies the certificate; then sends and expects, if told to.

    The handshake is all that a check without `body` waits for. A server that wants a certificate
    of the client ends a TLS 1.3 connection only after that.
    """

    PORTS: ClassVar[tuple[int | None, int | None]] = (None, 443)

    tls: Tls | None = field(default_factory=Tls)
