"""gdnsd, which does the same job."""

from __future__ import annotations

from typing import TYPE_CHECKING

from peers import ORIGIN, WEIGHTS, Server, write_zone

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

    from peers import At

__all__ = ["server", "static", "weighted"]


def static(master: Path) -> Server:
    """Static records from a master file."""
    return server("static records", lambda path: path.symlink_to(master))


def weighted(weights: Mapping[str, int] = WEIGHTS) -> Server:
    """The plugin weighted."""
    lines = "\n".join(
        f"      b{number} = [ {address}, {weight} ]"
        for number, (address, weight) in enumerate(weights.items())
    )
    return server(
        "plugin weighted",
        lambda path: write_zone(path, "www DYNA weighted!www\n"),
        f"weighted => {{\n    www => {{\n{lines}\n    }}\n  }}",
    )


def server(about: str, zone: Callable[[Path], object], plugins: str = "") -> Server:
    """Served is what `zone` writes to a path; with what `plugins` says."""

    def prepare(folder: Path, at: At) -> list[str]:
        (folder / "zones").mkdir()
        zone(folder / "zones" / ORIGIN)
        (folder / "config").write_text(f"""\
options => {{
  listen => {at.address}
  dns_port => {at.port}
  udp_threads => {at.workers}
  tcp_threads => 1
  tcp_clients_per_thread => 16384
  run_dir => {folder}/run
  state_dir => {folder}/state
}}
{f"plugins => {{ {plugins} }}" if plugins else ""}
""")
        return ["gdnsd", "-c", str(folder), "start"]

    return Server("gdnsd", about, "gdnsd", prepare, "gdnsd", ("gdnsd", "-h"))
