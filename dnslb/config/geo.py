"""Databases that tell where addresses are: `geo` of the server's file."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from pydantic import Field

from dnslb.config.files import is_file, is_folder
from dnslb.config.model import Geo
from dnslb.config.problem import shown
from dnslb.config.values import MaxAge, Shape, Text

if TYPE_CHECKING:
    from pathlib import Path

    from dnslb.config.spot import Spot

__all__ = ["GeoShape", "read_geo"]


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
    """What `geo` means; what is wrong is reported. Nothing is opened yet."""
    geo = Geo()
    if shape is None:
        return geo
    if shape.max_age is not None:
        geo = replace(geo, max_age=shape.max_age)
    return replace(
        geo, city=_file(shape.city, spot.at("city")), asn=_file(shape.asn, spot.at("asn"))
    )


def _file(text: str | None, spot: Spot) -> Path | None:
    if text is None:
        return None
    file = spot.file.parent / text
    if is_folder(file):
        spot.problem(f"{text} is a folder; name a file in it")
    elif not is_file(file):
        spot.problem(f"there is no file {text}; the path is relative to {shown(spot.file)}")
    return file
