"""What is known of the place of an address."""

from __future__ import annotations

from typing import NamedTuple

__all__ = ["NOWHERE", "Location"]


class Location(NamedTuple):
    """What a database says of a network; what it does not say is None."""

    continent: str | None = None  # GeoNames' code: `EU`
    country: str | None = None  # ISO 3166-1 alpha-2: `DE`
    subdivisions: tuple[str, ...] = ()  # ISO 3166-2, the largest first; names where there are none
    city: str | None = None  # in English
    city_id: int | None = None  # GeoNames'
    asn: int | None = None
    organization: str | None = None  # that the AS belongs to
    latitude: float | None = None  # degrees, north is positive
    longitude: float | None = None  # degrees, east is positive


NOWHERE = Location()
"""Nothing is known."""
