"""Interfaces whose queries are taken past the kernel's sockets (AF_XDP)."""

from __future__ import annotations

import errno
import logging
from typing import TYPE_CHECKING, Final

from dnslb.errors import ListenError

if TYPE_CHECKING:
    from dnslb._engine import Engine
    from dnslb.config.model import Config

__all__ = ["retake", "take"]

_UNPRIVILEGED: Final = {errno.EPERM, errno.EACCES}

log = logging.getLogger("dnslb.server")


def take(engine: Engine, config: Config) -> None:
    """Have `engine` take the interfaces of `config`.

    Raises:
        ListenError: one cannot be had; none is taken.
    """
    if not config.xdp:
        return
    try:
        taken = engine.take(config.xdp)
    except OSError as error:
        raise ListenError(_problem(error)) from error
    for name, (queues, mode, copies) in zip(config.xdp, taken, strict=True):
        log.info(
            "xdp: %s: %d queue%s, %s mode, %s",
            name,
            queues,
            "" if queues == 1 else "s",
            mode,
            "frames are copied" if copies else "no frame is copied",
        )


def retake(engine: Engine, config: Config) -> None:
    """Take the interfaces again that were released for one who did not come."""
    try:
        take(engine, config)
    except ListenError as error:
        log.warning("%s; until the next start, its queries are answered by sockets", error)


def _problem(error: OSError) -> str:
    where = f"xdp: {error.filename}: {error.strerror}"
    if error.errno in _UNPRIVILEGED:
        return (
            f"{where}; it needs privileges: run as root, or give the capabilities CAP_NET_ADMIN, "
            "CAP_NET_RAW and CAP_BPF (systemd: AmbientCapabilities=)"
        )
    if error.errno == errno.ENODEV:
        return f"{where}; see the interfaces of this machine with `ip link`, and correct `xdp`"
    if error.errno == errno.EBUSY:
        return (
            f"{where}; another program has this interface, see which with `bpftool net` or "
            "`ip link show`, or remove it from `xdp`"
        )
    return f"{where}; remove it from `xdp` to answer by sockets alone"
