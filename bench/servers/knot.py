"""Knot DNS, whose module geoip decides."""

from __future__ import annotations

from typing import TYPE_CHECKING

from servers import NAME, ORIGIN, TTL, WEIGHTS, Server, v6, write_zone

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from servers import At

__all__ = ["geoip", "static", "typed", "weighted"]


def static(master: Path, *, cable: str | None = None) -> Server:
    """Static records from a master file.

    With a network device, its `cable`, past the network stack (AF_XDP).
    """

    def prepare(folder: Path, at: At) -> list[str]:
        xdp = "" if cable is None else f"xdp:\n    listen: {cable}@{at.port}\n"
        return _command(folder, at, master, xdp)

    name, about = ("knot", "static records") if cable is None else ("knot-xdp", "likewise, AF_XDP")
    return Server(name, about, "knotd", prepare, "knot", ("knotd", "--version"))


def weighted(weights: Mapping[str, int] = WEIGHTS) -> Server:
    """The module geoip by weights."""
    entries = "".join(f"  - weight: {of}\n    A: [{address}]\n" for address, of in weights.items())
    return geoip("weighted", f"{NAME}:\n{entries}", next(iter(weights)))


def typed(weights: Mapping[str, int] = WEIGHTS) -> Server:
    """The module geoip by weights, for both families and HTTPS."""
    entries = "".join(
        f'  - weight: {weight}\n    A: [{of}]\n    AAAA: ["{v6(of)}"]\n'
        f'    HTTPS: ["1 . alpn=h2 ipv4hint={of} ipv6hint={v6(of)}"]\n'
        for of, weight in weights.items()
    )
    return geoip("weighted", f"{NAME}:\n{entries}", next(iter(weights)))


def geoip(mode: str, entries: str, otherwise: str, ttl: int = TTL, more: str = "") -> Server:
    """The module geoip in a mode, with its file's `entries`; `more` says more of the module."""

    def prepare(folder: Path, at: At) -> list[str]:
        master = write_zone(folder / "zone", f"www {ttl} A {otherwise}\n")
        (folder / "geo.conf").write_text(entries)
        module = f"""\
mod-geoip:
  - id: www
    config-file: {folder}/geo.conf
    ttl: {ttl}
    mode: {mode}
{more}"""
        return _command(folder, at, master, module, "mod-geoip/www")

    return Server(
        "knot",
        f"mod-geoip, mode {mode}",
        "knotd",
        prepare,
        "knot knot-module-geoip",
        ("knotd", "--version"),
        "*/knot/modules-*/geoip.so",
    )


def _command(folder: Path, at: At, master: Path, more: str = "", module: str = "") -> list[str]:
    """`more` sections, and the `module` that the zone uses."""
    (folder / "knot.conf").write_text(f"""\
server:
    rundir: {folder}
    listen: {at.address}@{at.port}
    udp-workers: {at.workers}
    tcp-workers: 1
    tcp-max-clients: 16384
    tcp-idle-timeout: 74
    background-workers: 1
    edns-client-subnet: on
database:
    storage: {folder}
log:
  - target: stderr
    any: warning
{more}
zone:
  - domain: {ORIGIN}
    file: {master}
    journal-content: none
    zonefile-load: whole
    semantic-checks: off
    {f"module: {module}" if module else ""}
""")
    return ["knotd", "-c", str(folder / "knot.conf")]
