"""The server's own file, `dnslb.yaml`: where to listen, where the zones are, how to log."""

from __future__ import annotations

import re
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Annotated, Any, Final, Literal, cast

from pydantic import Field, Tag

from dnslb.config.api import ApiShape, read_api
from dnslb.config.dnstap import DnstapKey, read_dnstap
from dnslb.config.document import read_document
from dnslb.config.files import read_text
from dnslb.config.geo import GeoShape, age_warnings, read_atlas, read_geo
from dnslb.config.health import HealthShape, read_health
from dnslb.config.hooks import HookShape, read_hooks
from dnslb.config.listen import FORMS, listen_of
from dnslb.config.model import DEFAULT_LISTEN, Dnstap, Geo, Health, Listen, Settings, Tcp
from dnslb.config.settings import SettingsShape, read_settings
from dnslb.config.tcp import TcpShape, read_tcp
from dnslb.config.validate import read_shape
from dnslb.config.values import (
    Rule,
    Shape,
    Switch,
    Text,
    Texts,
    items,
    kept,
    mapping_or_word,
    one_of,
    wrong,
)
from dnslb.geo.atlas import EMPTY

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from dnslb.config.model import Api, Hook
    from dnslb.config.problem import Report
    from dnslb.config.spot import Spot
    from dnslb.geo.atlas import Atlas

__all__ = ["ServerRead", "ServerShape", "read_server_file"]

# as the kernel has it: 15 octets, neither spaces nor slashes
_INTERFACE: Final = re.compile(r"(?!\.{1,2}$)[^\s/:]{1,15}")


def _workers(value: Any) -> Any:
    if value != "auto" and not (type(value) is int and 1 <= value <= 1024):
        raise wrong("must be auto or a whole number, 1 to 1,024")
    return value


_WORKERS: Final = Rule(
    _workers, {"anyOf": [{"const": "auto"}, {"type": "integer", "minimum": 1, "maximum": 1024}]}
)


class LogShape(Shape):
    """What is logged, and how."""

    level: Annotated[str, one_of("debug", "info", "warning", "error")] | None = Field(
        default=None, description="Default info."
    )
    format: Annotated[str, one_of("text", "json")] | None = Field(
        default=None, description="Default text."
    )


class ServerShape(SettingsShape):
    """dnslb.yaml."""

    listen: Texts | None = Field(
        default=None,
        description="UDP and TCP: address, address:port, [v6]:port; default port 53 everywhere.",
    )
    workers: Annotated[int | str, _WORKERS] | None = Field(
        default=None, description="Threads that answer: a number, or auto for one per CPU."
    )
    xdp: Texts | None = Field(
        default=None,
        description="Interfaces whose UDP queries are taken past the kernel's sockets (AF_XDP); "
        "default none.",
    )
    zones: Texts | None = Field(
        default=None, description="Folders and files, relative to this file; default zones."
    )
    api: (
        Annotated[
            Annotated[str, one_of("off"), Tag("(word)")] | Annotated[ApiShape, Tag("(mapping)")],
            mapping_or_word,
        ]
        | None
    ) = Field(default=None, description="REST API and metrics over HTTP; default off.")
    geo: GeoShape | None = Field(
        default=None, description="Databases that tell where addresses are."
    )
    state: Text | None = Field(
        default=None,
        description="Folder of what survives a restart: verdicts, what the operator set; "
        "default .dnslb.",
    )
    user: Text | None = Field(
        default=None, description="Whom to run as once ports are taken; needs a start as root."
    )
    group: Text | None = Field(default=None, description="Default the user's own.")
    reload: Annotated[str, one_of("when-told", "on-change")] | None = Field(
        default=None, description="on-change: also when a file changes; default when-told."
    )
    health: HealthShape | None = Field(default=None, description="How checks are run.")
    hooks: list[Annotated[HookShape, kept]] | None = Field(
        default=None, description="Who is told what happens: URLs and programs."
    )
    log: LogShape | None = Field(default=None, description="Logging.")
    tcp: TcpShape | None = Field(default=None, description="What TCP clients may take.")
    dnstap: DnstapKey | None = Field(
        default=None, description="The query log, in dnstap's format; default off."
    )
    top: Switch | None = Field(
        default=None,
        description="Whether it is watched which names, networks and countries ask most; "
        "default on.",
    )


@dataclass(slots=True)
class ServerRead:
    """What the server's file says, paths resolved."""

    listen: tuple[Listen, ...] = DEFAULT_LISTEN
    workers: int | None = None
    xdp: tuple[str, ...] = ()
    state: str = ".dnslb"
    log_level: Literal["debug", "info", "warning", "error"] = "info"
    log_format: Literal["text", "json"] = "text"
    user: str | None = None
    group: str | None = None
    reload: Literal["when-told", "on-change"] = "when-told"
    zones: list[tuple[str, Spot]] = field(default_factory=list)
    settings: Settings = field(default_factory=Settings)
    tcp: Tcp = field(default_factory=Tcp)
    dnstap: Dnstap | None = None
    top: bool = True
    api: Api | None = None
    health: Health = field(default_factory=Health)
    hooks: tuple[Hook, ...] = ()
    geo: Geo = field(default_factory=Geo)
    atlas: Atlas | None = EMPTY  # None: its problem is told


def read_server_file(file: Path, report: Report) -> ServerRead | None:
    """Read `dnslb.yaml`; None when it cannot be read. What is wrong is reported."""
    missing = (
        "no such file; create it (an empty one will do: zones are read from the folder zones "
        "beside it), or see how it works with `dnslb demo`"
    )
    text = read_text(file, report, missing=missing)
    if text is None:
        return None
    spot = read_document(file, text, report)
    if spot is None:
        return None
    shaped = read_shape(ServerShape, spot, may_be_empty=frozenset())
    shape = shaped.value
    result = ServerRead()
    if shape.listen:
        result.listen = _listens(shape, spot.at("listen"))
    if isinstance(shape.workers, int):
        result.workers = shape.workers
    result.xdp = tuple(_interfaces(shape, spot.at("xdp")))
    if isinstance(shape.api, ApiShape):
        result.api = read_api(shape.api, spot.at("api"))
    result.geo = read_geo(shape.geo, spot.at("geo"))
    result.atlas = None if shaped.damaged("geo") else read_atlas(result.geo, spot.at("geo"))
    for key, warning in age_warnings(result.geo, result.atlas or EMPTY, time.time()):
        spot.at("geo", key).warning(warning)
    if shape.log:
        result.log_level = cast("Literal['info']", shape.log.level or result.log_level)
        result.log_format = cast("Literal['text']", shape.log.format or result.log_format)
    result.health = read_health(shape.health, shaped, spot.at("health"))
    result.hooks = read_hooks(shape.hooks, spot.at("hooks"))
    result.state = shape.state or result.state
    result.user, result.group = shape.user, shape.group
    result.reload = cast("Literal['when-told']", shape.reload or result.reload)
    result.settings = read_settings(shape, spot)
    if shape.tcp:
        result.tcp = read_tcp(shape.tcp, spot.at("tcp"))
    told = (result.settings.identity, result.settings.version)
    result.dnstap = read_dnstap(shape.dnstap, spot.at("dnstap"), told)
    result.top = shape.top is not False
    at_zones = spot.at("zones")
    result.zones = [(text, at_zones.at(index)) for index, text in items(shape.zones or ["zones"])]
    return result


def _listens(shape: ServerShape, spot: Spot) -> tuple[Listen, ...]:
    found: dict[Listen, None] = {}
    for index, text in items(shape.listen):
        listen = listen_of(text)
        if listen is None:
            spot.at(index).problem(f'"{text}" is no address to listen on; {FORMS}')
        elif listen in found and listen.port:
            spot.at(index).problem(f"{listen} stands twice")
        elif other := next((one for one in found if _overlap(one, listen)), None):
            spot.at(index).problem(
                f"{listen} and {other} take each other's packets; keep one of them"
            )
        else:
            found[listen] = None
    return tuple(found)


def _interfaces(shape: ServerShape, spot: Spot) -> Iterator[str]:
    found = set()
    for index, name in items(shape.xdp):
        if name in found:
            spot.at(index).problem(f"{name} stands twice")
        elif not _INTERFACE.fullmatch(name):
            spot.at(index).problem(
                f'"{name}" is no name of an interface; see those of this machine with `ip link`'
            )
        else:
            yield name
        found.add(name)


def _overlap(one: Listen, other: Listen) -> bool:
    """Whether one of the two is all addresses, and the other among them."""
    same = one.port == other.port != 0 and one.address.version == other.address.version
    return same and (one.address.is_unspecified or other.address.is_unspecified)
