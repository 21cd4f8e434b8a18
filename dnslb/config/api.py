"""The key `api`: where HTTP is served, and whom it lets do what.

    # api.token: name, role, token
    grafana  read     0f5c...
    deploy   operate  93ab...

A file that holds nothing but one word is one token, for everything.
"""

from __future__ import annotations

import hashlib
import re
from typing import TYPE_CHECKING, Final

from pydantic import Field

from dnslb.config.listen import FORMS, listen_of
from dnslb.config.model import Api, ApiTls, Role, Token
from dnslb.config.secret import read_secret
from dnslb.config.suggest import listed, unknown
from dnslb.config.values import Shape, Text, Texts, items

if TYPE_CHECKING:
    from collections.abc import Sequence

    from dnslb.config.spot import Spot

__all__ = ["ApiShape", "read_api"]

API_PORT: Final = 8053

MAX_TOKENS: Final = 100
"""Each is compared with what a request brings, so that none is told by the time that it takes."""

SHORT: Final = 16
"""Characters of a token that can still be guessed."""

_ROLES: Final = {role.value: role for role in Role}
_HOST: Final = re.compile(r"(?!-)[A-Za-z0-9-]{1,63}(\.[A-Za-z0-9-]{1,63})*\.?", re.ASCII)
_NAME: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._@-]{0,62}", re.ASCII)
_TOKEN: Final = re.compile(r"[!-~]+", re.ASCII)


class ApiTlsShape(Shape):
    """HTTPS."""

    certificate: Text | None = Field(
        default=None, description="File of the certificate and its chain, PEM; needed."
    )
    key: Text | None = Field(
        default=None, description="File of its key, PEM; default in the certificate's file."
    )


class ApiShape(Shape):
    """The REST API, metrics and dashboard."""

    listen: Text | None = Field(default=None, description="Default 127.0.0.1:8053.")
    token_file: Text | None = Field(
        default=None,
        description="Tokens, a line each: name, role (read or operate), token; or one token alone. "
        "Needed as soon as `listen` is not loopback.",
    )
    tls: ApiTlsShape | None = Field(default=None, description="HTTPS; default plain HTTP.")
    hosts: Texts | None = Field(
        default=None,
        description="Names that browsers may call it by, besides localhost; addresses always work.",
    )


def read_api(shape: ApiShape, spot: Spot) -> Api:
    """What the key means; what is wrong is reported."""
    default = Api()
    listen = default.listen
    if shape.listen is not None:
        found = listen_of(shape.listen, API_PORT)
        listen = found or listen
        if found is None:
            spot.at("listen").problem(f'"{shape.listen}" is no address to listen on; {FORMS}')
        elif not found.address.is_loopback and shape.token_file is None:
            spot.at("listen").problem(
                f'{found} can be reached by others, so a "token_file" is needed'
            )
        elif not found.address.is_loopback and shape.tls is None:
            spot.at("listen").warning(
                f"{found} can be reached by others, and without `tls` whoever is between reads "
                "the tokens"
            )
    tokens: tuple[Token, ...] = ()
    if shape.token_file is not None:
        tokens = _tokens(shape.token_file, spot.at("token_file"))
    file = None if shape.token_file is None else spot.file.parent / shape.token_file
    return Api(listen, tokens, _hosts(shape.hosts or [], spot.at("hosts")), _tls(shape, spot), file)


def _tls(shape: ApiShape, spot: Spot) -> ApiTls | None:
    if shape.tls is None:
        return None
    if shape.tls.certificate is None:
        spot.at("tls").problem('needs a "certificate", the file of it')
        return None
    folder = spot.file.parent
    key = None if shape.tls.key is None else folder / shape.tls.key
    return ApiTls(folder / shape.tls.certificate, key)


def _hosts(names: list[str], spot: Spot) -> tuple[str, ...]:
    hosts: list[str] = []
    for index, name in items(names):
        if _HOST.fullmatch(name):
            hosts.append(name.lower().rstrip("."))
        else:
            spot.at(index).problem(f'"{name}" is no host name; write it without port and scheme')
    return tuple(hosts)


def _tokens(name: str, spot: Spot) -> tuple[Token, ...]:
    read = read_secret(
        name,
        spot,
        missing="no such file; make it with `openssl rand -hex 24`, which is then the one token",
        danger="who knows a token can use the API",
    )
    if read is None:
        return ()
    found: dict[str, Token] = {}
    for here, words in read.lines:
        alone = len(words) == 1 and len(read.lines) == 1
        token = _token(["token", Role.OPERATE.value, *words] if alone else words, here)
        if token is None:
            continue
        if token.name in found:
            here.problem(f'the name "{token.name}" stands twice')
        elif any(token.digest == other.digest for other in found.values()):
            here.problem("this token stands twice")
        found[token.name] = token
    if not read.lines:
        read.whole.problem("holds no token; write one, or lines of a name, a role and a token")
    elif len(found) > MAX_TOKENS:
        read.whole.problem(f"holds {len(found)} tokens, {MAX_TOKENS} is the most")
    return tuple(found.values())


def _token(words: Sequence[str], spot: Spot) -> Token | None:
    if len(words) != 3:
        roles = listed(_ROLES, "or")
        spot.problem(f"a line is a name, a role ({roles}) and a token, with spaces between them")
        return None
    name, role, secret = words
    if not _NAME.fullmatch(name):
        spot.problem("a token's name is letters, digits and . _ @ -, 63 at most")
    elif role not in _ROLES:
        spot.problem(unknown("role", role, _ROLES))
    elif not _TOKEN.fullmatch(secret):
        spot.problem("a token is printable ASCII without spaces")
    else:
        if len(secret) < SHORT:
            spot.warning(f'the token "{name}" is short and can be guessed: `openssl rand -hex 24`')
        return Token(name, _ROLES[role], hashlib.sha256(secret.encode()).digest())
    return None
