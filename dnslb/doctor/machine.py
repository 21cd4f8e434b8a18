"""This machine and user: privileges, limits, buffers, the state folder, the API, the version."""

from __future__ import annotations

import os
import resource
from pathlib import Path
from typing import TYPE_CHECKING, Final, NamedTuple

from dnslb.doctor.finding import error, note, ok, warning
from dnslb.health.checks.group import leaves
from dnslb.health.checks.icmp import IcmpCheck

if TYPE_CHECKING:
    from collections.abc import Iterator

    from dnslb.config.model import Config
    from dnslb.doctor.finding import Finding

__all__ = ["Facts", "api", "gather", "privileges", "state"]

SUBJECT: Final = "this machine"

NET_BIND_SERVICE: Final = 10
NET_RAW: Final = 13
"""Capabilities by their numbers (capabilities(7))."""

FEW_FILES: Final = 4_096
"""Files below which a busy server runs out: TCP clients and probes take one each."""

SMALL_BUFFER: Final = 212_992
"""Octets of Linux's own default: some hundred queries."""


class Facts(NamedTuple):
    """What the system says; None where it does not tell."""

    user: int  # 0: root
    capabilities: int  # effective, as a bit mask
    first_port: int | None = None  # that needs no privilege
    ping_groups: tuple[int, int] | None = None  # whose members may send ICMP echoes
    groups: frozenset[int] = frozenset()
    files: int | None = None  # hard limit; None: without limit
    buffer: int | None = None  # octets of a socket's receive buffer
    lost: int | None = None  # queries (and other datagrams) lost to full buffers since the boot

    def can(self, capability: int) -> bool:
        """Whether the process has it."""
        return bool(self.capabilities >> capability & 1)


def gather(proc: Path = Path("/proc")) -> Facts:
    """The facts of this process and machine."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    sysctl = proc / "sys" / "net"
    groups = _numbers(sysctl / "ipv4" / "ping_group_range")
    return Facts(
        user=os.geteuid(),
        capabilities=_capabilities(proc),
        first_port=next(iter(_numbers(sysctl / "ipv4" / "ip_unprivileged_port_start")), None),
        ping_groups=(groups[0], groups[1]) if len(groups) == 2 else None,
        groups=frozenset({os.getegid(), *os.getgroups()}),
        files=None if hard == resource.RLIM_INFINITY else hard,
        buffer=next(iter(_numbers(sysctl / "core" / "rmem_default")), None),
        lost=_lost(proc),
    )


def privileges(config: Config, facts: Facts) -> Iterator[Finding]:
    """Whether the user who asks could run the server."""
    low = [one for one in config.listen if 0 < one.port < (facts.first_port or 1024)]
    looked = f"ports below {facts.first_port or 1024}"
    if low and not facts.can(NET_BIND_SERVICE):
        yield warning(
            SUBJECT,
            looked,
            f"this user may not listen on {low[0]}",
            "run the server by the systemd unit, or give it CAP_NET_BIND_SERVICE "
            "(AmbientCapabilities=)",
        )
    elif low:
        who = "root" if facts.user == 0 else "CAP_NET_BIND_SERVICE"
        yield ok(SUBJECT, looked, f"may be taken ({who})")
    pinged = any(
        isinstance(check, IcmpCheck)
        for zone in config.services()
        for backend in zone.backends()
        for check in leaves(backend.check)
    )
    if pinged:
        yield _ping(facts)
    yield from _limits(facts)


def _ping(facts: Facts) -> Finding:
    looked = "ICMP checks"
    low, high = facts.ping_groups or (1, 0)
    if any(low <= group <= high for group in facts.groups):
        return ok(SUBJECT, looked, "this user's group may send echo requests")
    if facts.can(NET_RAW):
        return ok(SUBJECT, looked, "this user has CAP_NET_RAW")
    return error(
        SUBJECT,
        looked,
        "this user may send no echo requests, so every ICMP check ends in `error`",
        "sysctl net.ipv4.ping_group_range='0 2147483647', or give CAP_NET_RAW "
        "(systemd: AmbientCapabilities=)",
    )


def _limits(facts: Facts) -> Iterator[Finding]:
    if facts.files is not None and facts.files < FEW_FILES:
        yield warning(
            SUBJECT,
            "open files",
            f"{facts.files:,} at the most: TCP clients and checks take one each",
            "raise the limit: LimitNOFILE=65536 in systemd's unit, or ulimit -Hn",
        )
    else:
        most = "any number" if facts.files is None else f"{facts.files:,}"
        yield ok(SUBJECT, "open files", f"{most} (hard limit)")
    if facts.lost:
        yield note(
            SUBJECT,
            "receive buffers",
            f"{facts.lost:,} datagrams were lost to full buffers since the machine started "
            "(any program's)",
            f"sysctl net.core.rmem_default=4194304, now {facts.buffer or 0:,}, and restart",
        )
    elif facts.buffer is not None and facts.buffer < SMALL_BUFFER:
        yield warning(
            SUBJECT,
            "receive buffers",
            f"{facts.buffer:,} octets: a burst of queries does not fit",
            "sysctl net.core.rmem_default=4194304, and restart the server",
        )
    elif facts.buffer is not None:
        lost = "" if facts.lost is None else "; none has overflowed since the machine started"
        yield ok(SUBJECT, "receive buffers", f"{facts.buffer:,} octets{lost}")


def state(config: Config) -> Finding:
    """Whether verdicts and operator states can be kept."""
    looked = f"state folder {config.state}"
    folder = config.state
    if folder.exists():
        if not folder.is_dir():
            return error(SUBJECT, looked, "it is no folder", "name another under `state`")
        if os.access(folder, os.W_OK | os.X_OK):
            return ok(SUBJECT, looked, "can be written")
    else:
        above = next(parent for parent in folder.absolute().parents if parent.exists())
        if os.access(above, os.W_OK | os.X_OK):
            return ok(SUBJECT, looked, "is not there yet, and can be made")
    return warning(
        SUBJECT,
        looked,
        "this user cannot write it: verdicts and drains are forgotten at a restart",
        "give it to the server's user: chown, or StateDirectory= in systemd's unit",
    )


def api(config: Config) -> Iterator[Finding]:
    """Whom the API lets in."""
    looked = "API"
    if config.api is None:
        found = "off: no metrics, no drain, no live explanations"
        yield note(SUBJECT, looked, found, "write `api: {}` to have it on loopback")
        return
    listen = config.api.listen
    if not config.api.tokens:
        # the configuration refuses any other address without tokens
        found = f"{listen}: every program of this machine may read and drain"
        yield note(SUBJECT, looked, found, "set api.token_file where others have accounts here")
    elif not listen.address.is_loopback and config.api.tls is None:
        yield warning(
            SUBJECT,
            looked,
            f"{listen} is open to the network without TLS: tokens can be read on the way",
            "set api.tls, or listen on loopback and reach it by SSH or a proxy with TLS",
        )
    else:
        yield ok(SUBJECT, looked, f"{listen}, with tokens")


def _numbers(file: Path) -> list[int]:
    try:
        return [int(word) for word in file.read_text().split()]
    except (OSError, ValueError):
        return []


def _capabilities(proc: Path) -> int:
    try:
        lines = (proc / "self" / "status").read_text().splitlines()
    except OSError:
        return 0
    return next((int(line.split()[1], 16) for line in lines if line.startswith("CapEff:")), 0)


def _lost(proc: Path) -> int | None:
    """`RcvbufErrors` of UDP, both families."""
    try:
        words = [
            line.split()[1:]
            for line in (proc / "net" / "snmp").read_text().splitlines()
            if line.startswith("Udp:")
        ]
        four = int(dict(zip(words[0], words[1], strict=True))["RcvbufErrors"])
    except (OSError, KeyError, IndexError, ValueError):
        return None
    try:
        lines = (proc / "net" / "snmp6").read_text().splitlines()
    except OSError:
        lines = []
    return four + sum(int(line.split()[1]) for line in lines if "Udp6RcvbufErrors" in line)
