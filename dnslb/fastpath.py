"""Interfaces whose queries are taken past the kernel's sockets (AF_XDP)."""

from __future__ import annotations

import errno
import logging
from pathlib import Path
from typing import TYPE_CHECKING, Final

from dnslb.errors import ListenError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from dnslb._engine import Engine

__all__ = ["attach", "prepare", "vlans"]

VLANS: Final = Path("/proc/net/vlan/config")

_UNPRIVILEGED: Final = {errno.EPERM, errno.EACCES}

log = logging.getLogger("dnslb.server")


def prepare(engine: Engine, interfaces: Sequence[str]) -> None:
    """Have `engine` make ready, with the privileges of now, what it takes to have `interfaces`.

    Raises:
        ListenError: one cannot be had; none is prepared.
    """
    if not interfaces:
        return
    try:
        engine.prepare(interfaces)
    except OSError as error:
        raise ListenError(_problem(error)) from error
    carried = vlans(VLANS.read_text("utf-8")) if VLANS.exists() else {}
    for name in interfaces:
        if found := carried.get(name):
            log.warning(
                "xdp: %s carries %s: have its card leave VLAN tags in frames, so that they are "
                "passed on (ethtool -K %s rxvlan off)",
                name,
                ", ".join(found),
                name,
            )


def attach(engine: Engine) -> None:
    """Have `engine` take the queries of the interfaces that are prepared.

    Raises:
        ListenError: one cannot be had; the sockets go on to have the queries of all.
    """
    try:
        taken = engine.attach()
    except OSError as error:
        raise ListenError(_problem(error)) from error
    for name, queues, mode, copies in taken:
        log.info(
            "xdp: %s: %d queue%s, %s mode, %s",
            name,
            queues,
            "" if queues == 1 else "s",
            mode,
            "frames are copied" if copies else "no frame is copied",
        )


def vlans(table: str) -> dict[str, list[str]]:
    """The VLANs that each interface carries, by the kernel's table of them: `eth0.7 | 7 | eth0`."""
    found: dict[str, list[str]] = {}
    for line in table.splitlines():
        words = [word.strip() for word in line.split("|")]
        if len(words) == 3 and words[1].isdecimal():
            found.setdefault(words[2], []).append(words[0])
    return found


def _problem(error: OSError) -> str:
    where = f"xdp: {error.filename}: {error.strerror}"
    if error.errno in _UNPRIVILEGED:
        return (
            f"{where}; it needs privileges: run as root, or give the capabilities CAP_NET_ADMIN, "
            "CAP_NET_RAW and CAP_BPF (systemd: AmbientCapabilities=); with `user`, Linux 5.19"
        )
    if error.errno == errno.ENODEV:
        return f"{where}; see the interfaces of this machine with `ip link`, and correct `xdp`"
    if error.errno == errno.ENOBUFS:
        return (
            f"{where}; each queue needs 16 MiB of locked memory: raise the limit "
            "(systemd: LimitMEMLOCK=infinity; or `ulimit -l`), or give the capability CAP_IPC_LOCK"
        )
    if error.errno == errno.EBUSY:
        return (
            f"{where}; another program has this interface, see which with `bpftool net` or "
            "`ip link show`, or remove it from `xdp`"
        )
    return f"{where}; remove it from `xdp` to answer by sockets alone"
