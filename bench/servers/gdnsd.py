"""gdnsd, which does the same job."""

from __future__ import annotations

from typing import TYPE_CHECKING

from servers import ORIGIN, WEIGHTS, Server, v6, write_zone

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from pathlib import Path

    from servers import At

__all__ = ["all_of", "server", "static", "typed", "weighted"]


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


def all_of(addresses: Sequence[str]) -> Server:
    """The plugin multifo."""
    lines = "\n".join(f"      b{number} => {address}" for number, address in enumerate(addresses))
    return server(
        "plugin multifo",
        lambda path: write_zone(path, "www DYNA multifo!www\n"),
        f"multifo => {{\n    www => {{\n{lines}\n    }}\n  }}",
    )


def typed(weights: Mapping[str, int] = WEIGHTS) -> Server:
    """The plugin weighted for both families, and a static HTTPS, which it knows by number only."""
    families = {"addrs_v4": weights, "addrs_v6": {v6(of): weights[of] for of in weights}}
    groups = "\n".join(
        f"      {family} => {{ "
        + ", ".join(f"b{at} = [ {of}, {weight} ]" for at, (of, weight) in enumerate(them.items()))
        + " }"
        for family, them in families.items()
    )
    rdata = "0001 00 0001 0003 026832 0004 0004 c0000201 0006 0010 20010db8" + "0" * 23 + "1"
    octets = rdata.replace(" ", "")
    records = f"www DYNA weighted!www\nwww TYPE65 \\# {len(octets) // 2} {octets}\n"
    return server(
        "plugin weighted, static HTTPS",
        lambda path: write_zone(path, records),
        f"weighted => {{\n    www => {{\n{groups}\n    }}\n  }}",
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
