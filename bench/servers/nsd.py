"""NSD, which serves static records only."""

from __future__ import annotations

from typing import TYPE_CHECKING

from servers import ORIGIN, Server

if TYPE_CHECKING:
    from pathlib import Path

    from servers import At

__all__ = ["static"]


def static(master: Path) -> Server:
    """Static records from a master file."""

    def prepare(folder: Path, at: At) -> list[str]:
        (folder / "nsd.conf").write_text(f"""\
server:
    ip-address: {at.address}@{at.port}
    server-count: {at.workers}
    reuseport: {"yes" if at.workers > 1 else "no"}
    tcp-count: 1000
    tcp-timeout: 74
    minimal-responses: yes
    answer-cookie: yes
    rrl-ratelimit: 0
    rrl-whitelist-ratelimit: 0
    username: ""
    chroot: ""
    database: ""
    zonesdir: "{folder}"
    pidfile: "{folder}/pid"
    xfrdfile: "{folder}/xfrd"
    xfrdir: "{folder}"
    zonelistfile: "{folder}/list"
    cookie-secret-file: "{folder}/cookies"
remote-control:
    control-enable: no
zone:
    name: {ORIGIN}
    zonefile: {master}
""")
        return ["nsd", "-d", "-c", str(folder / "nsd.conf")]

    return Server("nsd", "static records", "nsd", prepare, "nsd", ("nsd", "-v"))
