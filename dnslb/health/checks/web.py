"""What checks of every version of HTTP share: the request's words, and what is made of a response.

The address says where to connect. `host` says who is meant: the `Host` header (`:authority`), the
name sent in the TLS handshake (SNI) and the name that the certificate must carry.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, Final
from urllib.parse import quote

from dnslb import __version__
from dnslb.health.checks.base import Outcome, Result, authority
from dnslb.health.checks.body import MAX_BODY, unpack
from dnslb.health.checks.server import ServerCheck

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["MAX_HEAD", "WebCheck", "as_authority", "line"]

MAX_HEAD: Final = 16 * 1024
"""Bytes of a response's head; web servers bound a request's likewise."""

CONNECTION: Final = {"connection", "keep-alive", "te", "transfer-encoding", "upgrade"}
"""Headers that speak of a connection of HTTP/1.1, and mean nothing later."""

AS_WRITTEN: Final = "".join(chr(code) for code in range(0x21, 0x7F) if chr(code) != "#")
"""The characters of a path that go out as they are, `%` among them. The others, which no request
line may hold, are escaped."""


@dataclass(frozen=True, slots=True, kw_only=True)
class WebCheck(ServerCheck):
    """Asks for `path`; passes when status and body are as expected. Redirects are not followed."""

    PORTS: ClassVar[tuple[int | None, int | None]] = (80, 443)

    path: str = "/"
    method: str = "GET"
    headers: tuple[tuple[str, str], ...] = ()
    status: tuple[tuple[int, int], ...] = ((200, 399),)  # ranges that pass, both ends included
    body: str | None = None  # a regular expression to be found in the first 64 KiB

    def where(self, address: str) -> str:
        """`192.0.2.10:80 /healthz`."""
        return f"{authority(address, self.effective_port)} {self.path}"

    @property
    def request_target(self) -> str:
        """`path` as a request line may hold it."""
        return quote(self.path, safe=AS_WRITTEN)

    def authority(self, address: str) -> str:
        """Who is meant: the `Host` header, or `:authority`."""
        host = self.host
        if host is None:
            port = self.effective_port
            usual = port == self.PORTS[self.tls is not None]
            return authority(self.name(address), None if usual else port)
        return as_authority(host)

    def request_headers(self, address: str) -> list[tuple[str, str]]:
        """The headers of a request, `Host` first; those of the check take the place of ours."""
        headers = {
            "Host": self.authority(address),
            "User-Agent": f"dnslb/{__version__}",
            "Accept-Encoding": "identity",
        }
        if self.load is not None and self.load.kind == "orca":
            # servers such as Triton and vLLM report only when asked to
            headers["endpoint-load-metrics-format"] = "text"
        given = {name.lower() for name, _ in self.headers}
        own = [(name, value) for name, value in headers.items() if name.lower() not in given]
        return [*own, *self.headers]

    def fields(self, address: str) -> list[tuple[str, str]]:
        """The request's header section in HTTP/2 and HTTP/3 (RFC 9113, section 8.3)."""
        (_, authority), *headers = _host_first(self.request_headers(address))
        return [
            (":method", self.method),
            (":scheme", "https" if self.tls else "http"),
            (":authority", authority),
            (":path", self.request_target),
            *((name.lower(), value) for name, value in headers if name.lower() not in CONNECTION),
        ]

    def refused(self, status: int, headers: Mapping[str, str]) -> Result | None:
        """The result when `status` is none that passes; names of headers are in lower case."""
        if any(low <= status <= high for low, high in self.status):
            return None
        said = f"HTTP {status}"
        expected = f"expected {_ranges(self.status)}"
        if 300 <= status < 400 and "location" in headers:
            return Result(Outcome.REDIRECT, f"{said} to {line(headers['location'])}, {expected}")
        return Result(Outcome.STATUS, f"{said}, {expected}")

    def judge(self, headers: Mapping[str, str], raw: bytes, *, whole: bool) -> Result:
        """The result of a response whose status passes; `raw` is all of its body, or 64 KiB."""
        if self.body is None and self.load is None:
            return Result(Outcome.OK)
        try:
            body = unpack(raw, headers.get("content-encoding", ""))
        except ValueError as error:
            if self.body is None and self.load is not None and not self.load.in_body:
                body = b""
            else:
                return Result(Outcome.MALFORMED, str(error))
        if self.body is not None and not re.search(self.body, body.decode(errors="replace")):
            if whole and len(body) < MAX_BODY:
                return Result(Outcome.BODY, f"{self.body} is not in its {len(body)} bytes")
            return Result(
                Outcome.TOO_LARGE, f"{self.body} is not in its first 64 KiB, and there is more"
            )
        if self.load is None:
            return Result(Outcome.OK)
        report = self.load.read(headers, body)
        return Result(Outcome.OK, load=report.load, note=report.problem)


def _host_first(headers: list[tuple[str, str]]) -> list[tuple[str, str]]:
    return sorted(headers, key=lambda header: header[0].lower() != "host")


def as_authority(host: str) -> str:
    """`host` of a check as requests write it: a port as given, an IPv6 address in brackets."""
    return host if host.count(":") == 1 else authority(host, None)


def line(text: str) -> str:
    """What a stranger sent, as one printable line."""
    words = " ".join(text.split())
    return "".join(char if char.isprintable() else "?" for char in words)[:120]


def _ranges(ranges: tuple[tuple[int, int], ...]) -> str:
    return ", ".join(str(low) if low == high else f"{low}-{high}" for low, high in ranges)
