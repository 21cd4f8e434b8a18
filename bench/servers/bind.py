"""BIND, which serves static records only."""

from __future__ import annotations

from typing import TYPE_CHECKING

from servers import ORIGIN, Server

if TYPE_CHECKING:
    from pathlib import Path

    from servers import At

__all__ = ["static"]


def static(master: Path) -> Server:
    """Static records from a master file, and nothing sent that was not asked for."""

    def prepare(folder: Path, at: At) -> list[str]:
        (folder / "named.conf").write_text(f"""\
options {{
    directory "{folder}";
    listen-on port {at.port} {{ {at.address}; }};
    listen-on-v6 {{ none; }};
    recursion no;
    minimal-responses yes;
    answer-cookie yes;
    no-case-compress {{ any; }};
    notify no;
    querylog no;
    tcp-clients 16384;
    pid-file none;
    lock-file none;
    session-keyfile none;
    zone-statistics none;
}};
controls {{ }};
logging {{ category default {{ null; }}; category unmatched {{ null; }}; }};
zone "{ORIGIN}" {{ type primary; file "{master}"; }};
""")
        return ["named", "-f", "-n", str(at.workers), "-c", str(folder / "named.conf")]

    return Server("bind", "static records", "named", prepare, "bind9", ("named", "-v"))
