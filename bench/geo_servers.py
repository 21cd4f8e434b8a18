"""The servers of `geo.py`: dnslb, gdnsd and Knot, deciding alike by the same database.

By country: 12 countries have a site each, everybody else another one. By distance: the nearest of
the 12 sites. gdnsd's lists end after as many sites as its documentation advises; here nothing is
ever down, so the first decides. Knot knows no distances.
"""

from __future__ import annotations

import sys
from functools import partial
from pathlib import Path
from typing import Final

from policies import REST, SITES, TTL
from servers import SERVERS, Server, zone

__all__ = ["PEERS", "Databases", "dnslb", "gdnsd", "knot"]

POLICIES: Final = str(Path(__file__).parent / "policies.py")

Databases = tuple[Path, Path]
"""The city file and the ASN file."""

PEERS: Final = {server.name: server for server in SERVERS}


def dnslb(policy: str, databases: Databases) -> Server:
    """dnslb with one of `policies.POLICIES`."""
    peer = PEERS["dnslb"]
    return Server(peer.name, policy, peer.program, partial(_dnslb, policy, databases))


def gdnsd(policy: str, databases: Databases) -> Server:
    """gdnsd with the plugin geoip: `countries` or `nearest`; or with the plugin weighted."""
    peer = PEERS["gdnsd"]
    prepare = peer.prepare if policy == "weighted" else partial(_gdnsd, policy, databases[0])
    return Server(peer.name, policy, peer.program, prepare, peer.package, peer.version)


def knot(policy: str, databases: Databases) -> Server:
    """Knot with the module geoip, mode geodb: `countries`."""
    peer = PEERS["knot"]
    prepare = partial(_knot, databases[0])
    return Server(peer.name, policy, peer.program, prepare, peer.package, peer.version)


def _dnslb(policy: str, databases: Databases, _folder: Path, port: int) -> list[str]:
    return [sys.executable, POLICIES, policy, str(port), *map(str, databases)]


def _gdnsd(policy: str, city: Path, folder: Path, port: int) -> list[str]:
    (folder / "zones").mkdir()
    zone(folder / "zones" / "example.com", f"www {TTL} DYNA geoip!www\n")
    sites = SITES if policy == "nearest" else (*SITES, REST)
    # the first decides where nothing is known: dnslb's last member
    names = ", ".join(of.name for of in (sites[-1], *sites[:-1]))
    rule = _coordinates() if policy == "nearest" else _map()
    addresses = "\n".join(f"        {site.name} => {site.address}" for site in sites)
    (folder / "config").write_text(f"""\
options => {{
  listen => 127.0.0.1
  dns_port => {port}
  udp_threads => 1
  tcp_threads => 1
  run_dir => {folder}/run
  state_dir => {folder}/state
}}
plugins => {{
  geoip => {{
    maps => {{
      www => {{
        geoip2_db => {city}
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
  }}
}}
""")
    return ["gdnsd", "-c", str(folder), "start"]


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


def _knot(city: Path, folder: Path, port: int) -> list[str]:
    # the record of the zone is for those whom nothing in the module's file is about
    zone(folder / "example.com.zone", f"www {TTL} A {REST.address}\n")
    entries = "".join(f"  - geo: {of.country}\n    A: [{of.address}]\n" for of in SITES)
    (folder / "geo.conf").write_text(f"www.example.com:\n{entries}")
    (folder / "knot.conf").write_text(f"""\
server:
    rundir: {folder}
    listen: 127.0.0.1@{port}
    udp-workers: 1
    tcp-workers: 1
    background-workers: 1
    edns-client-subnet: on
database:
    storage: {folder}
log:
  - target: stderr
    any: warning
mod-geoip:
  - id: countries
    config-file: {folder}/geo.conf
    ttl: {TTL}
    mode: geodb
    geodb-file: {city}
    geodb-key: country/iso_code
zone:
  - domain: example.com
    file: {folder}/example.com.zone
    journal-content: none
    zonefile-load: whole
    module: mod-geoip/countries
""")
    return ["knotd", "-c", str(folder / "knot.conf")]
