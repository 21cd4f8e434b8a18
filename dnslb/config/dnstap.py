"""The query log: `dnstap` of the server's file."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final

from pydantic import Field, Tag

from dnslb.config.listen import listen_of
from dnslb.config.model import Dnstap
from dnslb.config.values import Flag, Rule, Shape, Text, mapping_or_word, one_of, wrong

if TYPE_CHECKING:
    from dnslb.config.spot import Spot

__all__ = ["DnstapKey", "read_dnstap"]

FORMS: Final = "write unix:/run/dnstap.sock, tcp:192.0.2.1:6000 or file:/var/log/queries.fstrm"

MAX_TEXT: Final = 255
"""Octets of identity and version, which go with every message."""

MAX_SOCKET: Final = 107
"""Octets of a Unix socket's path, the system's bound."""

_PART: Final = re.compile(r"1/([1-9][0-9]{0,8})", re.ASCII)


def _sample(value: Any) -> float:
    """How likely a query is logged: `1/100`, or a number."""
    if isinstance(value, str) and (match := _PART.fullmatch(value)):
        return 1 / int(match[1])
    number = isinstance(value, int | float) and not isinstance(value, bool)
    if not number or not 1e-9 <= value <= 1:
        raise wrong("must be a part such as 1/100, or a number above 0 and up to 1")
    return float(value)


Sample = Annotated[
    float,
    Rule(
        _sample,
        {
            "anyOf": [
                {"type": "number", "exclusiveMinimum": 0, "maximum": 1},
                {"type": "string", "pattern": "^1/[1-9][0-9]*$"},
            ]
        },
    ),
]


class DnstapShape(Shape):
    """The query log, in dnstap's format."""

    to: Text | None = Field(
        default=None,
        description="unix:PATH or tcp:ADDRESS:PORT, where a reader listens, or file:PATH.",
    )
    sample: Sample | None = Field(
        default=None, description="How likely a query is logged: 1/100, or 0.01; default 1, all."
    )
    queries: Flag | None = Field(
        default=None, description="Whether queries are logged (AUTH_QUERY); default true."
    )
    responses: Flag | None = Field(
        default=None, description="Whether responses are logged (AUTH_RESPONSE); default true."
    )
    identity: Text | None = Field(
        default=None, description="Who tells; default identity.name, if there is one."
    )
    version: Text | None = Field(
        default=None, description="With which software; default identity.version, if there is one."
    )


DnstapKey = Annotated[
    Annotated[str, one_of("off"), Tag("(word)")] | Annotated[DnstapShape, Tag("(mapping)")],
    mapping_or_word,
]
"""`off`, or a mapping with all there is to say."""


def read_dnstap(
    shape: str | DnstapShape | None,
    spot: Spot,
    told: tuple[bytes | None, bytes | None],
) -> Dnstap | None:
    """What `dnstap` means; None where nothing is logged. What is wrong is reported.

    `told` is what the server tells of itself otherwise.
    """
    if shape is None or isinstance(shape, str):
        return None
    identity, version = (
        (text.encode() if text is not None else default or b"")
        for text, default in zip((shape.identity, shape.version), told, strict=True)
    )
    for key, octets in (("identity", identity), ("version", version)):
        if len(octets) > MAX_TEXT:
            spot.at(key).problem(f"takes {len(octets)} octets, {MAX_TEXT} is the most")
    queries, responses = shape.queries is not False, shape.responses is not False
    if not (queries or responses):
        spot.at("responses").problem(
            "neither queries nor responses are logged; leave one of them, or write dnstap: off"
        )
    if shape.to is None:
        spot.problem(f'needs "to", where the log goes; {FORMS}')
        return None
    kind, to = _target(shape.to, spot.at("to"))
    if kind is None or to is None:
        return None
    sample = 1.0 if shape.sample is None else shape.sample
    return Dnstap(kind, to, sample, queries, responses, identity, version)


def _target(text: str, spot: Spot) -> tuple[Any, Any]:
    """Kind and place of the target `text`; Nones for what is none, which is told."""
    kind, _, place = text.partition(":")
    if kind == "tcp":
        found = listen_of(place, default_port=0)  # which is no port to connect to
        if found is not None and found.port and not found.address.is_unspecified:
            return kind, (found.address, found.port)
    elif kind in {"unix", "file"} and place:
        path = spot.file.parent.absolute() / Path(place)
        if kind == "unix" and len(bytes(path)) > MAX_SOCKET:
            spot.problem(f"{path} has {len(bytes(path))} octets; a socket's path has {MAX_SOCKET}")
        elif not path.parent.is_dir():
            spot.problem(f"there is no folder {path.parent}; create it")
        elif path.is_dir():
            spot.problem(f"{path} is a folder")
        else:
            return kind, path
        return None, None
    spot.problem(f'"{text}" is no place to log to; {FORMS}')
    return None, None
