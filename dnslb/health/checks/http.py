"""The HTTP check: one request, on a connection of its own, to the backend's own address.

The address says where to connect. `host` says who is meant: the `Host` header, the name sent in
the TLS handshake (SNI) and the name that the certificate must carry.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final
from urllib.parse import quote

import aiohttp
from aiohttp import hdrs
from aiohttp.abc import AbstractResolver, ResolveResult
from yarl import URL

from dnslb import __version__
from dnslb.health.checks.base import Check, Outcome, Result, authority
from dnslb.health.checks.body import MAX_BODY, broken, read, unpack
from dnslb.health.checks.network import AddressInfo, Phase, Progress, diagnose, resolve, within
from dnslb.health.checks.tls import context_for
from dnslb.health.load import ORCA_HEADER, Report, body_load, orca_load

if TYPE_CHECKING:
    import socket
    import ssl
    from collections.abc import Sequence
    from types import SimpleNamespace

__all__ = ["HttpCheck"]

NOWHERE: Final = "backend.invalid"
"""The host in the URL, which leads to the backend because the connector's resolver says so
(RFC 6761, section 6.4: no real name is like it)."""


AS_WRITTEN: Final = "".join(chr(code) for code in range(0x21, 0x7F) if chr(code) != "#")
"""The characters of a path that go out as they are, `%` among them. The others, which no request
line may hold, are escaped."""


@dataclass(frozen=True, slots=True, kw_only=True)
class HttpCheck(Check):
    """Asks for `path`; passes when status and body are as expected. Redirects are not followed."""

    tls: bool = False
    path: str = "/"
    host: str | None = None  # None: the address that is probed
    method: str = "GET"
    headers: tuple[tuple[str, str], ...] = ()
    status: tuple[tuple[int, int], ...] = ((200, 399),)  # ranges that pass, both ends included
    body: str | None = None  # a regular expression to be found in the first 64 KiB
    load: str | None = None  # `orca`, or `json:` and the path of a field: `json:stats.load`
    verify: bool = True
    ca_file: str | None = None  # a PEM bundle to trust instead of the system's

    async def probe(self, address: str) -> Result:
        """Make one request; its whole first 64 KiB must come in time."""
        try:
            context = await context_for(self.ca_file, verify=self.verify) if self.tls else None
            pattern = re.compile(self.body) if self.body is not None else None
        except OSError as error:
            return Result(Outcome.ERROR, f"tls.ca_file {self.ca_file}: {error.strerror or error}")
        except re.error as error:
            return Result(Outcome.ERROR, f"expect.body is no regular expression: {error}")
        progress = Progress(tls=self.tls)
        request = _Request(self, address, progress, context, pattern)
        return await within(self.timeout, progress, request.result())

    def where(self, address: str) -> str:
        """`192.0.2.10:80 /healthz`."""
        return f"{authority(address, self.effective_port)} {self.path}"

    @property
    def effective_port(self) -> int:
        """The port that is connected to."""
        return self.port or (443 if self.tls else 80)


class _Request:
    """One request and what is made of its response."""

    def __init__(
        self,
        check: HttpCheck,
        address: str,
        progress: Progress,
        context: ssl.SSLContext | None,
        pattern: re.Pattern[str] | None,
    ) -> None:
        self._check = check
        self._address = address
        self._progress = progress
        self._context = context
        self._pattern = pattern
        # the zone of a link-local address is this machine's own affair (RFC 6874, section 1)
        self._address_name = address.rstrip(".").partition("%")[0]

    async def result(self) -> Result:
        infos = await resolve(self._address, self._check.effective_port)
        self._progress.reached = Phase.CONNECT
        try:
            return await self._exchange(infos)
        except aiohttp.ClientOSError as error:
            # the connector wraps what happened; a reset on an open connection stands alone
            cause = error.__cause__ if isinstance(error.__cause__, OSError) else error
            return diagnose(cause, self._progress.phase_of(cause))
        except aiohttp.ServerDisconnectedError as error:
            if isinstance(error.message, str):
                return Result(Outcome.RESET, "connection closed without a response")
            # the message is what could be parsed
            return Result(Outcome.MALFORMED, "connection closed within the head of the response")
        except aiohttp.ClientResponseError as error:
            return Result(Outcome.MALFORMED, _line(error.message))
        except aiohttp.ClientPayloadError as error:
            return broken(error)

    async def _exchange(self, infos: Sequence[AddressInfo]) -> Result:
        check = self._check
        connector = aiohttp.TCPConnector(
            resolver=_Given(infos),
            use_dns_cache=False,
            force_close=True,
            socket_factory=self._progress.socket,
        )
        trace = aiohttp.TraceConfig()
        trace.on_connection_create_end.append(self._connected)
        async with (
            aiohttp.ClientSession(
                connector=connector,
                cookie_jar=aiohttp.DummyCookieJar(),
                timeout=aiohttp.ClientTimeout(total=None, sock_connect=None),
                # bodies are unpacked here, with a bound on what comes out
                auto_decompress=False,
                trace_configs=[trace],
            ) as session,
            session.request(
                check.method,
                _url("https" if check.tls else "http", check.effective_port, check.path),
                headers=self._headers(),
                allow_redirects=False,
                ssl=self._context or False,
                server_hostname=self._server_name() if check.tls else None,
            ) as response,
        ):
            if not any(low <= response.status <= high for low, high in check.status):
                return Result(
                    Outcome.STATUS, f"HTTP {response.status}, expected {_ranges(check.status)}"
                )
            self._progress.reached = Phase.BODY
            return self._judge(response, await read(response.content))

    async def _connected(
        self, session: aiohttp.ClientSession, context: SimpleNamespace, params: object
    ) -> None:
        del session, context, params
        self._progress.reached = Phase.READ

    def _headers(self) -> list[tuple[str, str]]:
        check = self._check
        port = check.effective_port
        usual = port == (443 if check.tls else 80)
        headers = {
            "Host": self._host(None if usual else port),
            "User-Agent": f"dnslb/{__version__}",
            "Accept-Encoding": "identity",
            "Connection": "close",
        }
        if check.load == "orca":
            # servers such as Triton and vLLM report only when asked to
            headers["endpoint-load-metrics-format"] = "text"
        given = {name.lower() for name, _ in check.headers}
        own = [(name, value) for name, value in headers.items() if name.lower() not in given]
        return [*own, *check.headers]

    def _host(self, port: int | None) -> str:
        host = self._check.host
        if host is None:
            return authority(self._address_name, port)
        # a port in it goes out as written, an IPv6 address in brackets
        return host if host.count(":") == 1 else authority(host, None)

    def _server_name(self) -> str:
        """The name for TLS: of `host`, without the port that a `Host` header may carry."""
        host = self._check.host
        if host is None:
            return self._address_name
        if host.startswith("["):
            return host[1:].partition("]")[0]
        return host.partition(":")[0] if host.count(":") == 1 else host

    def _judge(self, response: aiohttp.ClientResponse, raw: bytes) -> Result:
        check = self._check
        report = Report(None)
        if check.load == "orca":
            report = orca_load(response.headers.get(ORCA_HEADER))
        in_body = check.load is not None and check.load.startswith("json:")
        if self._pattern or in_body:
            try:
                body = unpack(raw, response.headers.get(hdrs.CONTENT_ENCODING, ""))
            except ValueError as error:
                return Result(Outcome.MALFORMED, str(error))
            if self._pattern and not self._pattern.search(body.decode(errors="replace")):
                part = f"{len(body)} bytes" if len(body) < MAX_BODY else "first 64 KiB"
                return Result(Outcome.BODY, f"{check.body} is not in its {part}")
            if check.load is not None and in_body:
                report = body_load(body, check.load.removeprefix("json:"))
        return Result(Outcome.OK, load=report.load, note=report.problem)


class _Given(AbstractResolver):
    """Resolves whatever it is asked to the addresses that were found before."""

    def __init__(self, infos: Sequence[AddressInfo]) -> None:
        self._infos = infos

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily | int = 0
    ) -> list[ResolveResult]:
        del family
        return [
            ResolveResult(
                hostname=host, host=str(info[4][0]), port=port, family=info[0], proto=0, flags=0
            )
            for info in self._infos
        ]

    async def close(self) -> None:
        """Nothing is kept."""


def _url(scheme: str, port: int, path: str) -> URL:
    """A URL whose path and query are `path` as it is written."""
    written = quote(path.removeprefix("/"), safe=AS_WRITTEN)
    return URL(f"{scheme}://{NOWHERE}:{port}/{written}", encoded=True)


def _ranges(ranges: tuple[tuple[int, int], ...]) -> str:
    return ", ".join(str(low) if low == high else f"{low}-{high}" for low, high in ranges)


def _line(text: str) -> str:
    """What a stranger sent, as one printable line."""
    line = " ".join(text.split())
    return "".join(char if char.isprintable() else "?" for char in line)[:120]
