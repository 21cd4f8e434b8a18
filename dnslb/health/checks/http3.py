"""The HTTP/3 check: one request over QUIC (RFC 9114); the library aioquic does both.

Every probe makes a connection of its own: what QUIC would keep is lost with the server's restart,
and a fresh handshake is what clients of HTTP/3 meet.
"""

from __future__ import annotations

import ssl
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, ClassVar, Final

from aioquic.quic.configuration import QuicConfiguration

from dnslb.health.checks.base import Outcome, Result
from dnslb.health.checks.network import FailedError, Phase, Progress, resolve, within
from dnslb.health.checks.quic import first
from dnslb.health.checks.web import WebCheck

if TYPE_CHECKING:
    from aioquic.quic.connection import QuicConnection

    from dnslb.health.checks.base import Kept
    from dnslb.health.checks.quic import Asking

__all__ = ["Http3Check"]

ALPN: Final = ["h3"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Http3Check(WebCheck):
    """One request by HTTP/3, which is never without TLS."""

    PORTS: ClassVar[tuple[int | None, int | None]] = (443, 443)

    async def probe(self, address: str, kept: Kept) -> Result:
        """Make one request; its whole first 64 KiB must come in time."""
        del kept
        progress = Progress()
        return await within(self.timeout, progress, self._ask(address, progress))

    async def _ask(self, address: str, progress: Progress) -> Result:
        infos = await resolve(address, self.effective_port or 443)
        progress.reached = Phase.CONNECT
        try:
            configuration = self._configuration(address)
        except OSError as error:
            where = self.tls.ca_file if self.tls else None
            return Result(Outcome.ERROR, f"tls.ca_file {where}: {error.strerror or error}")
        asking = await first(infos, configuration, progress)
        try:
            expires = self._expires(asking.quic)
            result = await self._judged(asking, address)
        finally:
            asking.end()
        return replace(result, expires=expires)

    async def _judged(self, asking: Asking, address: str) -> Result:
        asking.request(self.fields(address))
        await asking.answered
        headers = {
            name.decode("ascii", "replace"): value.decode("latin-1")
            for name, value in asking.headers
        }
        status = headers.get(":status", "")
        if not (status.isascii() and status.isdecimal() and 100 <= int(status) <= 599):
            raise FailedError(Outcome.MALFORMED, "the response has no status")
        refused = self.refused(int(status), headers)
        return refused or self.judge(headers, bytes(asking.body), whole=asking.whole)

    def _configuration(self, address: str) -> QuicConfiguration:
        tls = self.tls
        verify = tls is None or tls.verify
        made = QuicConfiguration(
            is_client=True,
            alpn_protocols=ALPN,
            server_name=self.name(address),
            idle_timeout=2 * self.timeout,
            verify_mode=ssl.CERT_REQUIRED if verify else ssl.CERT_NONE,
        )
        paths = ssl.get_default_verify_paths()  # aioquic would take a list of its own
        if tls is not None and tls.ca_file is not None:
            with open(tls.ca_file, "rb"):  # noqa: PTH123 - to tell at once that it cannot be read
                made.load_verify_locations(cafile=tls.ca_file)
        elif paths.cafile or paths.capath:
            made.load_verify_locations(cafile=paths.cafile, capath=paths.capath)
        return made

    def _expires(self, quic: QuicConnection) -> float | None:
        """When the server's certificate ends; raises when that is too soon."""
        certificate = getattr(quic.tls, "_peer_certificate", None)
        if certificate is None:
            return None
        expires: float = certificate.not_valid_after_utc.timestamp()
        if self.tls is not None:
            self.tls.check_age(expires)
        return expires
