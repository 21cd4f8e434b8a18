"""PowerDNS: static records from its packet cache, its backend GeoIP, and its records in Lua."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from servers import NAME, ORIGIN, TTL, WEIGHTS, Server, write_zone

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

    from servers import At

__all__ = ["countries", "geoip", "pickwhashed", "pickwrandom", "static"]

UNCACHED: Final = "cache-ttl=0\nquery-cache-ttl=0\nnegquery-cache-ttl=0\n"
"""What decides anew for each query: a cached answer is no decision."""


def static(master: Path) -> Server:
    """Static records from a master file; answers stay in the packet cache for a minute."""

    def backend(folder: Path) -> str:
        return _bind(folder, master) + "cache-ttl=60\nquery-cache-ttl=60\nnegquery-cache-ttl=60\n"

    return _server("static records, packet cache", backend, "bind")


def geoip(weights: Mapping[str, int] = WEIGHTS) -> Server:
    """The backend GeoIP by weights."""
    records = "".join(
        f"      - a: {{content: {address}, weight: {weight}}}\n"
        for address, weight in weights.items()
    )

    def backend(folder: Path) -> str:
        (folder / "zones.yaml").write_text(_zones(f"    {NAME}:\n{records}", TTL))
        return f"launch=geoip\ngeoip-zones-file={folder}/zones.yaml\n{UNCACHED}"

    return _server("backend GeoIP, weighted", backend, "geoip")


def countries(by_country: Mapping[str, str], otherwise: str, ttl: int, database: Path) -> Server:
    """The backend GeoIP by the client's country."""
    records = "".join(
        f"    {code.lower()}.geo.{ORIGIN}:\n      - a: {address}\n"
        for code, address in {**by_country, "rest": otherwise}.items()
    )

    def backend(folder: Path) -> str:
        (folder / "zones.yaml").write_text(
            _zones(records, ttl)
            + f"  services:\n    {NAME}: ['%cc.geo.{ORIGIN}', 'rest.geo.{ORIGIN}']\n"
        )
        return (
            f"launch=geoip\ngeoip-zones-file={folder}/zones.yaml\n"
            f"geoip-database-files=mmdb:{database}\n{UNCACHED}"
        )

    return _server("backend GeoIP, countries", backend, "geoip")


def pickwrandom() -> Server:
    """A choice by weight in Lua."""
    return _lua("pickwrandom")


def pickwhashed() -> Server:
    """A choice by weight and by the client in Lua."""
    return _lua("pickwhashed")


def _lua(function: str) -> Server:
    choices = ", ".join(f"{{{weight}, '{address}'}}" for address, weight in WEIGHTS.items())

    def backend(folder: Path) -> str:
        master = write_zone(folder / "zone", f'www LUA A "{function}({{{choices}}})"\n')
        return _bind(folder, master) + UNCACHED + "enable-lua-records=yes\n"

    return _server(f"Lua, {function}", backend, "bind", "pdns-lua")


def _zones(records: str, ttl: int) -> str:
    return f"""\
domains:
- domain: {ORIGIN}
  ttl: {ttl}
  records:
    {ORIGIN}:
      - soa: ns1.{ORIGIN}. hostmaster.{ORIGIN}. 1 3600 600 86400 60
      - ns: ns1.{ORIGIN}.
    ns1.{ORIGIN}:
      - a: 192.0.2.53
{records}"""


def _bind(folder: Path, master: Path) -> str:
    (folder / "named.conf").write_text(f'zone "{ORIGIN}" {{ type master; file "{master}"; }};\n')
    return f"launch=bind\nbind-config={folder}/named.conf\n"


def _server(about: str, backend: Callable[[Path], str], library: str, name: str = "pdns") -> Server:
    def prepare(folder: Path, at: At) -> list[str]:
        (folder / "pdns.conf").write_text(f"""\
{backend(folder)}
local-address={at.address}
local-port={at.port}
receiver-threads={at.workers}
distributor-threads=1
max-tcp-connections=16384
reuseport={"yes" if at.workers > 1 else "no"}
socket-dir={folder}
daemon=no
guardian=no
write-pid=no
loglevel=3
zone-cache-refresh-interval=0
edns-subnet-processing=yes
""")
        return ["pdns_server", f"--config-dir={folder}"]

    return Server(
        name,
        about,
        "pdns_server",
        prepare,
        f"pdns-server pdns-backend-{library}",
        ("pdns_server", "--version"),
        f"*/pdns/lib{library}backend.so",
        said_before="PowerDNS ",
    )
