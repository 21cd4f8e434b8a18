"""Certificates, good and bad in one way each."""

from __future__ import annotations

import ssl
from datetime import datetime, timedelta, timezone
from functools import cached_property
from typing import TYPE_CHECKING

import trustme

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

HOST = "www.example.com"


class Certificates:
    """Those of one authority, whose file checks trust."""

    def __init__(self, folder: Path) -> None:
        self._ca = trustme.CA()
        self.folder = folder
        self.ca_file = str(folder / "ca.pem")
        self._ca.cert_pem.write_to_path(self.ca_file)

    @cached_property
    def _issued(self) -> dict[str, trustme.LeafCert]:
        now = datetime.now(timezone.utc)
        day = timedelta(days=1)
        return {
            "good": self._ca.issue_cert(HOST),
            "tls-expired": self._ca.issue_cert(HOST, not_before=now - 9 * day, not_after=now - day),
            "tls-name": self._ca.issue_cert("other.example"),
            "tls-untrusted": trustme.CA().issue_cert(HOST),
        }

    def issued(self, failure: str) -> trustme.LeafCert:
        """The certificate for a failure: a good one, unless it is about certificates."""
        return self._issued.get(failure, self._issued["good"])

    def context(self, failure: str, alpn: Sequence[str]) -> ssl.SSLContext:
        """A server's context with that certificate."""
        made = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        if alpn:
            made.set_alpn_protocols(list(alpn))
        self.issued(failure).configure_cert(made)
        return made
