"""Who may ask: tokens, and what keeps strangers' web pages out where there are none.

With a token file every request needs a token, except for `/healthz`. A page of another origin has
none to send: nothing is kept in cookies. Without tokens the API listens on loopback, where every
program of the machine may use it; a page in a browser there can send requests too, so writes need
JSON as content type, which no form sends.

Browsers say by `Origin` which page sends a request, and the page of another origin gets nothing,
with or without a token. What a stranger's name that resolves to this server leads to has that name
as Host, so that has to be an address or a name that is known: of every request without tokens, and
of those that browsers send with them.
"""

from __future__ import annotations

import hashlib
import hmac
from ipaddress import ip_address
from typing import TYPE_CHECKING, Final, NamedTuple

from dnslb.config.model import Role
from dnslb.web.bounds import Rate
from dnslb.web.errors import ApiError

if TYPE_CHECKING:
    from aiohttp import web

    from dnslb.config.model import Api

__all__ = ["Caller", "Door"]

BAD_TOKENS: Final = 2.0
"""Wrong tokens a second that one client may try, ten of them at once."""

OF_BROWSERS: Final = frozenset({"Origin", "Sec-Fetch-Site", "Sec-Fetch-Mode"})
"""Headers that no page can keep its browser from sending."""


class Caller(NamedTuple):
    """Who sent a request."""

    name: str  # of the token; empty without
    role: Role
    address: str

    def __str__(self) -> str:
        """As the audit log tells it: `deploy at 192.0.2.1`."""
        return f"{self.name} at {self.address}" if self.name else self.address

    def demand(self, role: Role) -> None:
        """Make sure that this caller may do what `role` may.

        Raises:
            ApiError: it may not.
        """
        if role is Role.OPERATE and self.role is not Role.OPERATE:
            raise ApiError(403, "role", f'the token "{self.name}" may read, not operate')


class Door:
    """Lets requests in."""

    def __init__(self, api: Api) -> None:
        self.api = api  # replaced when a reload brings other tokens
        self._failures = Rate(BAD_TOKENS, burst=10)

    def admit(self, request: web.Request) -> Caller:
        """Who sent `request`.

        Raises:
            ApiError: it has no business here.
        """
        address = request.remote or ""
        if not self.api.tokens or not request.headers.keys().isdisjoint(OF_BROWSERS):
            self._check_host(request.headers.get("Host", ""))
        self._check_origin(request)
        if self.api.tokens:
            return self._known(request, address)
        return Caller("", Role.OPERATE, address)

    def _check_host(self, header: str) -> None:
        host = _name(header)
        if not _is_address(host) and host not in {"localhost", *self.api.hosts}:
            raise ApiError(
                403,
                "host",
                "ask by address or localhost, or name the host in api.hosts; programs that are no "
                "browsers may use any name once there are tokens (api.token_file)",
            )

    def _check_origin(self, request: web.Request) -> None:
        origin = request.headers.get("Origin")
        # a proxy in front may have ended TLS, and may ask by a name of its own
        own = {request.headers.get("Host", "").lower(), *self.api.hosts}
        strange = origin is not None and origin.lower().partition("://")[2] not in own
        if strange or request.headers.get("Sec-Fetch-Site", "none") not in {"none", "same-origin"}:
            raise ApiError(403, "origin", "a web page of another origin may not ask this")

    def _known(self, request: web.Request, address: str) -> Caller:
        given = request.headers.get("Authorization", "")
        scheme, _, secret = given.partition(" ")
        digest = hashlib.sha256(secret.strip().encode("utf-8", "surrogateescape")).digest()
        found = None
        for token in self.api.tokens:  # all of them, so that the time tells nothing
            if hmac.compare_digest(digest, token.digest):
                found = token
        if found is None or scheme.lower() != "bearer":
            if given:
                self._failures.spend(address)
            raise ApiError(401, "unauthorized", "send the API's token: Authorization: Bearer ...")
        return Caller(found.name, found.role, address)


def _name(host: str) -> str:
    """The name or address of a Host header."""
    if host.startswith("["):
        return host[1:].partition("]")[0]
    return (host.rpartition(":")[0] if host.count(":") == 1 else host).lower()


def _is_address(name: str) -> bool:
    try:
        ip_address(name)
    except ValueError:
        return False
    return True
