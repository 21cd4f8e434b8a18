"""Who may ask: tokens, and what keeps strangers' web pages out where there are none.

With a token file every request needs a token, except for `/healthz`. A page of another origin has
none to send: nothing is kept in cookies. Without tokens the API listens on loopback, where every
program of the machine may use it; a page in a browser there can send requests too, so writes need
JSON as content type, which no form sends, and a Host that is no stranger's name, which a page has
however its name resolves.
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
        if self.api.tokens:
            return self._known(request, address)
        host = _name(request.headers.get("Host", ""))
        if not _is_address(host) and host not in {"localhost", *self.api.hosts}:
            raise ApiError(
                403,
                "host",
                "ask by address or localhost, name the host in api.hosts, or set api.token_file "
                "and send a token",
            )
        if request.method != "GET" and not request.can_read_body and "Origin" in request.headers:
            raise ApiError(403, "origin", "requests of web pages need a token")
        return Caller("", Role.OPERATE, address)

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
