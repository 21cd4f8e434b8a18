"""Databases that tell where addresses are: `geo` of the server's file."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timezone
from typing import TYPE_CHECKING

from pydantic import Field

from dnslb.config.files import is_file, is_folder
from dnslb.config.model import Geo
from dnslb.config.problem import shown
from dnslb.config.values import MaxAge, Shape, Text
from dnslb.errors import DatabaseError
from dnslb.geo.atlas import Atlas
from dnslb.geo.database import open_database

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from dnslb.config.spot import Spot

__all__ = ["GeoShape", "age_warnings", "read_atlas", "read_geo"]


class GeoShape(Shape):
    """Databases in MaxMind's format (MMDB), of any layout under either key."""

    city: Text | None = Field(
        default=None, description="A file that tells countries, cities, coordinates."
    )
    asn: Text | None = Field(default=None, description="A file that tells AS numbers.")
    max_age: MaxAge | None = Field(
        default=None,
        description="Databases that were built longer ago are warned of, or off; default 30d.",
    )


def read_geo(shape: GeoShape | None, spot: Spot) -> Geo:
    """What `geo` means; what is wrong is reported. Nothing is opened yet: see `read_atlas`."""
    geo = Geo()
    if shape is None:
        return geo
    if shape.max_age is not None:
        geo = replace(geo, max_age=shape.max_age)
    return replace(
        geo, city=_file(shape.city, spot.at("city")), asn=_file(shape.asn, spot.at("asn"))
    )


def read_atlas(geo: Geo, spot: Spot) -> Atlas | None:
    """The databases of `geo`, which stands at `spot`; None: one cannot be used, which is told."""
    opened = {}
    for key, path in (("city", geo.city), ("asn", geo.asn)):
        if path is None:
            continue
        if not is_file(path):
            return None  # which `read_geo` told
        try:
            opened[key] = open_database(path)
        except DatabaseError as error:
            spot.at(key).problem(str(error))
            return None
    return Atlas(**opened)


def age_warnings(geo: Geo, atlas: Atlas, now: float) -> Iterator[tuple[str, str]]:
    """The databases that were built longer ago than `geo` allows: key, and what to say of it."""
    for key, opened in atlas.files.items():
        age = now - opened.database.built
        if age > geo.max_age:
            built = datetime.fromtimestamp(opened.database.built, timezone.utc)
            since = f"{built:%Y-%m-%d}, {age / 86_400:.0f} days ago"
            most = f"{geo.max_age / 86_400:.0f} days"
            yield key, f"{opened.path.name} was built on {since}; max_age is {most}"


def _file(text: str | None, spot: Spot) -> Path | None:
    if text is None:
        return None
    file = spot.file.parent / text
    if is_folder(file):
        spot.problem(f"{text} is a folder; name a file in it")
    elif not is_file(file):
        spot.problem(f"there is no file {text}; the path is relative to {shown(spot.file)}")
    return file
