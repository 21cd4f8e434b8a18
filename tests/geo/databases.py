"""Databases of locations, written as vendors lay them out."""

from __future__ import annotations

from ipaddress import ip_network
from typing import TYPE_CHECKING
from unittest.mock import patch

from mmdb_writer import MMDBWriter
from netaddr import IPSet

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

BUILT = 1_700_000_000
"""When they say that they were built."""


def write(
    path: Path,
    networks: Mapping[str, object],
    kind: str = "GeoLite2-City",
    *,
    version: int = 6,
    built: int = BUILT,
) -> Path:
    """Write the data records of `networks` to a file; later ones lie within earlier ones."""
    writer = MMDBWriter(version, kind, languages=["en"], ipv4_compatible=version == 6)
    for network, record in networks.items():
        writer.insert_network(IPSet([network]), record)
    with patch("mmdb_writer.time.time", lambda: built):
        writer.to_db_file(str(path))
    return path


def city(
    country: str,
    continent: str,
    *,
    subdivision: str = "",
    name: str = "",
    at: tuple[float, float] | None = None,
    geoname: int | None = None,
) -> dict[str, object]:
    """A record as GeoIP2 City and GeoLite2 City have it."""
    record: dict[str, object] = {
        "continent": {"code": continent, "names": {"en": continent}},
        "country": {"iso_code": country, "names": {"de": "falsch", "en": country}},
    }
    if subdivision:
        record["subdivisions"] = [{"iso_code": subdivision, "names": {"en": subdivision}}]
    if name:
        record["city"] = {"names": {"en": name}} | ({"geoname_id": geoname} if geoname else {})
    if at:
        record["location"] = {"latitude": at[0], "longitude": at[1], "time_zone": "UTC"}
    return record


def asn(number: int, organization: str = "Example") -> dict[str, object]:
    """A record as GeoLite2 ASN has it."""
    return {
        "autonomous_system_number": number,
        "autonomous_system_organization": organization,
    }


def within(network: str, offset: int = 1) -> str:
    """An address in a network."""
    return str(ip_network(network)[offset])
