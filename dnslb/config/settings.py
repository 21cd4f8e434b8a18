"""How answers look in general: `udp_payload`, `identity`, `cookies`, `ecs`, `rrl` of the server."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import TYPE_CHECKING, Annotated, Final

from pydantic import Field, Tag

from dnslb.config.model import Cookies, Settings
from dnslb.config.networks import read_networks
from dnslb.config.ratelimit import RateLimitKey, read_rate_limit
from dnslb.config.secret import read_secret
from dnslb.config.values import Flag, Shape, Text, Texts, mapping_or_word, one_of, whole

if TYPE_CHECKING:
    from dnslb.config.spot import Spot

__all__ = ["SettingsShape", "read_settings"]

MAX_IDENTITY: Final = 128
"""Octets; the engine's bound."""

MAX_SECRETS: Final = 8
"""Each costs the check of a forged cookie one more hash."""

_SECRET: Final = re.compile(r"[0-9A-Fa-f]{32}", re.ASCII)
_OCTETS: Final = re.compile(r"0[xX]((?:[0-9A-Fa-f]{2})+)", re.ASCII)


class IdentityShape(Shape):
    """What the server tells of itself; nothing unless said."""

    name: Text | None = Field(
        default=None,
        description="Answers NSID, id.server and hostname.bind: text, or 0x... for octets.",
    )
    version: Text | None = Field(
        default=None, description="Answers version.bind and version.server (class CH)."
    )


class CookiesShape(Shape):
    """DNS cookies (RFC 7873, RFC 9018)."""

    secret_file: Text | None = Field(
        default=None,
        description="Secrets that all servers of a name share, 32 hexadecimal digits a line, the "
        "one that signs first; relative to this file; default one made at each start.",
    )
    required: Flag | None = Field(
        default=None,
        description="Whether UDP queries whose cookie is not valid get BADCOOKIE; default false.",
    )


class EcsShape(Shape):
    """EDNS Client Subnet (RFC 7871)."""

    trust: Texts | None = Field(
        default=None,
        description="Resolvers whose ECS says where the client is: 192.0.2.0/24, 2001:db8::/32; "
        "default all.",
    )


class SettingsShape(Shape):
    """The keys of dnslb.yaml that say how answers look in general."""

    udp_payload: Annotated[int, whole(512, 4096)] | None = Field(
        default=None,
        description="Octets of the largest answer by UDP; default 1232, which is never fragmented.",
    )
    identity: IdentityShape | None = Field(
        default=None, description="What the server tells of itself; default nothing."
    )
    cookies: (
        Annotated[
            Annotated[str, one_of("on", "off"), Tag("(word)")]
            | Annotated[CookiesShape, Tag("(mapping)")],
            mapping_or_word,
        ]
        | None
    ) = Field(default=None, description="DNS cookies; default on.")
    rrl: RateLimitKey | None = Field(
        default=None, description="Response-rate limiting: on, log-only or a mapping; default off."
    )
    ecs: (
        Annotated[
            Annotated[str, one_of("on", "off"), Tag("(word)")]
            | Annotated[EcsShape, Tag("(mapping)")],
            mapping_or_word,
        ]
        | None
    ) = Field(
        default=None,
        description="Whether the client's network that a resolver tells (ECS) decides, or its own "
        "address; or a mapping; default on.",
    )


def read_settings(shape: SettingsShape, spot: Spot) -> Settings:
    """What the keys mean; what is wrong is reported."""
    settings = Settings()
    if shape.udp_payload is not None:
        settings = replace(settings, udp_payload=shape.udp_payload)
    if shape.identity:
        here = spot.at("identity")
        settings = replace(
            settings,
            identity=_octets(shape.identity.name, here.at("name")),
            version=_octets(shape.identity.version, here.at("version")),
        )
    if shape.cookies == "off":
        settings = replace(settings, cookies=None)
    elif isinstance(shape.cookies, CookiesShape):
        file = shape.cookies.secret_file
        secrets = () if file is None else _secrets(file, spot.at("cookies", "secret_file"))
        settings = replace(settings, cookies=Cookies(secrets, bool(shape.cookies.required)))
    if shape.ecs == "off":
        settings = replace(settings, ecs_trust=())
    elif isinstance(shape.ecs, EcsShape) and shape.ecs.trust is not None:
        trust = read_networks(shape.ecs.trust, spot.at("ecs", "trust"))
        settings = replace(settings, ecs_trust=trust)
    return replace(settings, rrl=read_rate_limit(shape.rrl, spot.at("rrl")))


def _octets(text: str | None, spot: Spot) -> bytes | None:
    if text is None:
        return None
    digits = _OCTETS.fullmatch(text)
    octets = bytes.fromhex(digits[1]) if digits else text.encode()
    if not digits and text[:2].lower() == "0x":
        spot.warning("is told as text; for octets, pairs of hexadecimal digits follow 0x")
    if len(octets) > MAX_IDENTITY:
        spot.problem(f"takes {len(octets)} octets, {MAX_IDENTITY} is the most")
    return octets


def _secrets(name: str, spot: Spot) -> tuple[bytes, ...]:
    read = read_secret(
        name,
        spot,
        missing="no such file; make it with `openssl rand -hex 16`, for all servers of a name "
        "alike",
        danger="who knows a secret can forge cookies",
    )
    if read is None:
        return ()
    found: dict[bytes, None] = {}
    for here, words in read.lines:
        if len(words) > 1 or not _SECRET.fullmatch(words[0]):
            here.problem("a secret is 32 hexadecimal digits, alone in its line")
            continue
        octets = bytes.fromhex(words[0])
        if octets in found:
            here.problem("this secret stands twice")
        found[octets] = None
    if len(found) > MAX_SECRETS:
        read.whole.problem(f"holds {len(found)} secrets, {MAX_SECRETS} is the most")
    elif not read.lines:
        read.whole.problem("holds no secret; write one of 32 hexadecimal digits")
    return tuple(found)
