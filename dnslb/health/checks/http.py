"""The HTTP(S) check: a response of the right status and, if asked for, the right body.

The connection goes to the backend's address; `host` is what the request, TLS's server name
indication and the certificate's verification speak of. So a backend is checked as its clients will
meet it, before any name leads to it.
"""

from __future__ import annotations

import asyncio
import dataclasses
import re
import ssl
import time
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Final

import aiohttp
from yarl import URL

from dnslb import __version__
from dnslb.health.checks.base import Check, Outcome, Result
from dnslb.health.checks.net import failure, place
from dnslb.health.load import HEADER, LoadError, from_json, from_orca

if TYPE_CHECKING:
    from types import SimpleNamespace

__all__ = ["HttpCheck"]

MAX_BODY: Final = 65_536
"""Octets of a body that are read: enough for a status page, too little to hurt."""


@dataclass(frozen=True, slots=True, kw_only=True)
class HttpCheck(Check):
    """Sends one request over a connection of its own and follows no redirect."""

    tls: bool = False
    path: str = "/"
    host: str | None = None  # None: the backend's address
    method: str = "GET"
    headers: tuple[tuple[str, str], ...] = ()
    status: tuple[tuple[int, int], ...] = ((200, 399),)  # ranges, both ends included
    body: str | None = None  # a regular expression that the body has to contain
    load: str | None = None  # where load is reported: `orca`, or `json:path.to.field`
    verify: bool = True  # TLS: whether the certificate has to be valid for `host`
    ca_file: str | None = None  # TLS: trust this file's authorities instead of the system's

    async def probe(self, address: str) -> Result:
        """Send the request once and judge the response."""
        port = self.port or (443 if self.tls else 80)
        where = place(address, port)
        phase = _Phase()
        start = time.perf_counter()
        try:
            request = self._request(address, port, phase)
            result = await asyncio.wait_for(request, self.timeout)
        except (asyncio.TimeoutError, TimeoutError):
            return self._late(where, connected=phase.connected)
        except aiohttp.ClientConnectorDNSError as error:
            return Result(Outcome.DNS, f"{address} has no address: {error.os_error.strerror}")
        except aiohttp.ClientConnectorError as error:
            return failure(error.os_error, where)
        except aiohttp.ClientConnectorCertificateError as error:
            return failure(error.certificate_error, where)  # type: ignore[arg-type] # an SSLError
        except aiohttp.ServerDisconnectedError as error:
            if isinstance(error.message, str):
                return Result(Outcome.RESET, f"{where} closed the connection without a response")
            return Result(Outcome.MALFORMED, f"{where} sent no valid HTTP")
        except (aiohttp.ClientResponseError, aiohttp.ClientPayloadError) as error:
            message = str(getattr(error, "message", "") or error).splitlines()
            text = message[0].rstrip(": ") if message else "unreadable"
            return Result(Outcome.MALFORMED, f"{where} sent no valid HTTP: {text[:100]}")
        except OSError as error:
            return failure(error, where)
        except (aiohttp.ClientError, ValueError) as error:
            return Result(Outcome.ERROR, f"{where}: {error}")
        return dataclasses.replace(result, milliseconds=1000 * (time.perf_counter() - start))

    async def _request(self, address: str, port: int, phase: _Phase) -> Result:
        tracing = aiohttp.TraceConfig()
        tracing.on_connection_create_end.append(phase.on_connected)
        context = _context(self.verify, self.ca_file) if self.tls else None
        host = self.host or (f"[{address}]" if ":" in address else address)
        default = 443 if self.tls else 80
        headers = {
            "Host": host if port == default or self.host else f"{host}:{port}",
            "User-Agent": f"dnslb/{__version__}",
            "Accept": "*/*",
            "Accept-Encoding": "identity",
            **dict(self.headers),
        }
        url = URL.build(scheme="https" if self.tls else "http", host=address, port=port).join(
            URL(self.path, encoded=True)
        )
        async with (
            aiohttp.ClientSession(
                connector=aiohttp.TCPConnector(ssl=context or True, force_close=True),
                cookie_jar=aiohttp.DummyCookieJar(),
                timeout=aiohttp.ClientTimeout(total=None),
                trace_configs=[tracing],
                auto_decompress=False,
            ) as session,
            session.request(
                self.method,
                url,
                headers=headers,
                allow_redirects=False,
                server_hostname=(self.host or address) if self.tls else None,
            ) as response,
        ):
            return await self._judge(response, place(address, port))

    async def _judge(self, response: aiohttp.ClientResponse, where: str) -> Result:
        if not any(low <= response.status <= high for low, high in self.status):
            wanted = ", ".join(
                str(low) if low == high else f"{low}-{high}" for low, high in self.status
            )
            return Result(Outcome.STATUS, f"HTTP {response.status} from {where}, expected {wanted}")
        text = ""
        path = self.load.removeprefix("json:") if self.load and self.load != "orca" else None
        if self.body is not None or path:
            text = await _body(response)
        if self.body is not None and not re.search(self.body, text):
            return Result(Outcome.BODY, f"the body from {where} does not contain {self.body!r}")
        try:
            if path:
                return Result(Outcome.OK, load=from_json(text, path))
            if self.load and (report := response.headers.get(HEADER)):
                return Result(Outcome.OK, load=from_orca(report))
        except LoadError as error:
            # a report that cannot be read is no reason to take a backend out
            return Result(Outcome.OK, f"load from {where}: {error}")
        return Result(Outcome.OK, f"{where} reports no load" if self.load else "")

    def _late(self, where: str, *, connected: bool) -> Result:
        if connected:
            detail = f"no response from {where} within {self.timeout:g} s"
            return Result(Outcome.READ_TIMEOUT, detail)
        detail = f"no connection to {where} within {self.timeout:g} s"
        return Result(Outcome.CONNECT_TIMEOUT, detail)


class _Phase:
    """How far a request got."""

    connected = False

    async def on_connected(
        self, _: aiohttp.ClientSession, __: SimpleNamespace, ___: object
    ) -> None:
        self.connected = True


async def _body(response: aiohttp.ClientResponse) -> str:
    body = bytearray()
    while len(body) < MAX_BODY and (chunk := await response.content.read(MAX_BODY - len(body))):
        body += chunk
    return body.decode("utf-8", "replace")


@lru_cache
def _context(verify: bool, ca_file: str | None) -> ssl.SSLContext:  # noqa: FBT001 - a cache's key
    """A context for clients; kept, since reading the system's authorities takes long."""
    context = ssl.create_default_context(cafile=ca_file)
    if not verify:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    return context
