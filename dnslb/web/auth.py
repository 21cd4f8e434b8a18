"""Who may ask: the token, and what keeps browsers of strangers out where there is none.

With a token file every request but `GET /healthz` needs its token. Without one the API listens on
loopback, where every program of the machine may read; a page in a browser there can send requests
too, so writes need JSON as content type, which no form sends, and a Host that is no name, which no
page of another origin has however its name resolves.
"""

from __future__ import annotations

import hmac
from ipaddress import ip_address
from typing import TYPE_CHECKING

from dnslb.errors import ListenError
from dnslb.web.errors import ApiError

if TYPE_CHECKING:
    from aiohttp import web

    from dnslb.config.model import Api

__all__ = ["Door", "read_token"]


class Door:
    """Lets requests in."""

    def __init__(self, token: bytes | None) -> None:
        self._token = token

    def check(self, request: web.Request) -> None:
        """Let `request` in.

        Raises:
            ApiError: it has no business here.
        """
        self.check_token(request)
        if self._token is None and not _is_no_name(request.headers.get("Host", "")):
            raise ApiError(
                403, "host", "ask by address or localhost, or set api.token_file and send its token"
            )
        if request.method in {"PUT", "POST"} and request.can_read_body:
            kind = request.headers.get("Content-Type", "").partition(";")[0].strip().lower()
            if kind != "application/json":
                raise ApiError(415, "content-type", "send application/json")
        elif request.method == "POST" and self._token is None and "Origin" in request.headers:
            raise ApiError(403, "origin", "requests of web pages need the API's token")

    def check_token(self, request: web.Request) -> None:
        """Let `request` in if it has the token, or none is needed.

        Raises:
            ApiError: it has not.
        """
        if self._token is None:
            return
        given = request.headers.get("Authorization", "").encode("utf-8", "surrogateescape")
        if not hmac.compare_digest(given, b"Bearer " + self._token):
            raise ApiError(401, "unauthorized", "send the API's token: Authorization: Bearer ...")


def _is_no_name(host: str) -> bool:
    """Whether a Host header is an address or localhost."""
    if host.startswith("["):
        name = host[1:].partition("]")[0]
    else:
        name = host.rpartition(":")[0] if host.count(":") == 1 else host
    if name.lower() == "localhost":
        return True
    try:
        ip_address(name)
    except ValueError:
        return False
    return True


def read_token(api: Api) -> bytes | None:
    """The token of `api`; None when it has none.

    Raises:
        ListenError: its file cannot be read, or is empty.
    """
    if api.token_file is None:
        return None
    try:
        token = api.token_file.read_bytes().strip()
    except OSError as error:
        raise ListenError(f"{api.token_file}: {error.strerror or error}") from error
    if not token:
        raise ListenError(f"{api.token_file}: is empty; put the token of the API into it")
    return token
