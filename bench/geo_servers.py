"""The servers of `steered.py`: deciding alike by the same database.

By country: 12 countries have a site each, everybody else another one. By distance: the nearest of
the 12 sites. gdnsd's lists end after as many sites as its documentation advises; here nothing is
ever down, so the first decides. Knot and PowerDNS know no distances.
"""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Final

from policies import REST, SITES, TTL
from servers import Server, write_zone
from servers import gdnsd as peers_gdnsd
from servers import knot as peers_knot
from servers import pdns as peers_pdns

if TYPE_CHECKING:
    from servers import At

__all__ = ["Databases", "dnslb", "gdnsd", "knot", "pdns"]

POLICIES: Final = str(Path(__file__).parent / "policies.py")

Databases = tuple[Path, Path]
"""The city file and the ASN file."""


def dnslb(policy: str, databases: Databases) -> Server:
    """dnslb with one of `policies.POLICIES`."""

    def prepare(_folder: Path, at: At) -> list[str]:
        return [sys.executable, POLICIES, policy, str(at.port), *map(str, databases)]

    return Server("dnslb", policy, sys.executable, prepare)


def gdnsd(policy: str, databases: Databases) -> Server:
    """gdnsd with the plugin geoip: `countries` or `nearest`; or with the plugin weighted."""
    if policy == "weighted":
        return replace(peers_gdnsd.weighted(), about=policy)
    sites = SITES if policy == "nearest" else (*SITES, REST)
    # the first decides where nothing is known: dnslb's last member
    names = ", ".join(of.name for of in (sites[-1], *sites[:-1]))
    rule = _coordinates() if policy == "nearest" else _map()
    addresses = "\n".join(f"          {site.name} => {site.address}" for site in sites)
    return peers_gdnsd.server(
        policy,
        lambda path: write_zone(path, f"www {TTL} DYNA geoip!www\n"),
        f"""geoip => {{
    maps => {{
      www => {{
        geoip2_db => {databases[0]}
        datacenters => [{names}]
        {rule}
      }}
    }}
    resources => {{
      www => {{
        map => www
        service_types => up
        dcmap => {{
{addresses}
        }}
      }}
    }}
  }}""",
    )


def knot(databases: Databases) -> Server:
    """Knot with the module geoip, mode geodb: `countries`."""
    entries = "".join(f"  - geo: {of.country}\n    A: [{of.address}]\n" for of in SITES)
    # the record of the zone is for those whom nothing in the module's file is about
    more = f"    geodb-file: {databases[0]}\n    geodb-key: country/iso_code\n"
    peer = peers_knot.geoip("geodb", f"www.example.com:\n{entries}", str(REST.address), TTL, more)
    return replace(peer, about="countries")


def pdns(databases: Databases) -> Server:
    """PowerDNS with the backend GeoIP: `countries`."""
    return replace(
        peers_pdns.countries(
            {of.country: str(of.address) for of in SITES}, str(REST.address), TTL, databases[0]
        ),
        about="countries",
    )


def _coordinates() -> str:
    places = (f"{of.name} => [{of.location[0]}, {of.location[1]}]" for of in SITES)
    return f"auto_dc_coords => {{ {', '.join(places)} }}"


def _map() -> str:
    continents: dict[str, list[str]] = {}
    for of in SITES:
        continents.setdefault(of.continent, []).append(f"{of.country} => [{of.name}]")
    parts = (
        f"{code} => {{ default => [{REST.name}], {', '.join(countries)} }}"
        for code, countries in continents.items()
    )
    return f"map => {{ default => [{REST.name}], {', '.join(parts)} }}"
