"""Writing configurations and reading what is said of them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from dnslb.config.load import examine, load
from geo.databases import asn, city
from geo.databases import write as write_database

if TYPE_CHECKING:
    from pathlib import Path

    from dnslb.config.load import Examined
    from dnslb.config.model import Config, Zone
    from dnslb.health.checks.base import Check
    from dnslb.health.checks.group import Group

NS = "nameservers: [ns.example.net.]\n"
ZONE = "zones/example.com.yaml"


def write(folder: Path, files: dict[str, str]) -> Path:
    """Write `files` below `folder`; returns the path of dnslb.yaml, made when it is missing."""
    for name, text in {"dnslb.yaml": "", **files}.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, "utf-8")
    return folder / "dnslb.yaml"


def look(folder: Path, zone: str, **files: str) -> Examined:
    """Examine a configuration whose zone example.com is `zone`."""
    return examine(write(folder, {ZONE: zone, **files}))


def databases(folder: Path) -> str:
    """The text of a dnslb.yaml that names databases, which are put into `folder`."""
    place = city("DE", "EU", subdivision="BE", name="Berlin", at=(52.5, 13.4), geoname=2950159)
    write_database(folder / "city.mmdb", {"198.51.100.0/24": place})
    write_database(folder / "asn.mmdb", {"198.51.100.0/24": asn(64496)}, "GeoLite2-ASN")
    return "geo: {city: city.mmdb, asn: asn.mmdb, max_age: off}\n"


def lines(examined: Examined, file: str = ZONE) -> list[str]:
    """What is wrong with one file, without the file's name."""
    start = f"{file}:"
    return [
        str(problem).removeprefix(start)
        for problem in examined.problems
        if str(problem).startswith(start)
    ]


def warned(examined: Examined, file: str = ZONE) -> list[str]:
    """What is warned of in one file, without the file's name."""
    start = f"{file}:"
    return [
        str(warning).removeprefix(start)
        for warning in examined.warnings
        if str(warning).startswith(start)
    ]


def good(folder: Path, zone: str, server: str = "") -> Config:
    """A configuration that has to be fine, without a warning."""
    config, warnings = load(write(folder, {"dnslb.yaml": server, ZONE: zone}))
    assert [warning.as_warning() for warning in warnings] == []
    return config


def good_zone(folder: Path, zone: str, server: str = "") -> Zone:
    """The zone example.com, which has to be fine."""
    return good(folder, zone, server).zones["example.com."]


def checked(check: str) -> str:
    """The text of a zone whose one backend has the check `check`."""
    return (
        f"{NS}checks: {{c: {{{check}}}}}\n"
        "pools: {p: {check: c, members: [{address: 192.0.2.1}]}}\nservices: {www: {pool: p}}\n"
    )


def built(folder: Path, check: str) -> Check | Group | None:
    """The check that `check`, which has to be fine, becomes."""
    return next(iter(good_zone(folder, checked(check)).pools["p"].backends())).check
