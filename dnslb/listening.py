"""The sockets: taken over, given by the system, or bound."""

from __future__ import annotations

import errno
import logging
import os
import resource
import socket
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from dnslb.config.model import DEFAULT_LISTEN, Listen
from dnslb.descriptors import raise_file_limit
from dnslb.errors import ListenError

if TYPE_CHECKING:
    from collections.abc import MutableMapping, Sequence

    from dnslb._engine import Engine
    from dnslb.config.model import Api, Config, Tcp

__all__ = ["Given", "bind", "bind_api", "given_by_system"]

FIRST_GIVEN: Final = 3
"""The first file that a service manager passes (sd_listen_fds(3))."""

BACKLOG: Final = 128
"""Connections to the API that wait to be accepted."""

RESERVED_FILES: Final = 600
"""Files that TCP clients leave alone: the probes in flight (400), sockets, zones, logs."""

MAX_CONNECTIONS: Final = 16_384
"""TCP clients at a time unless the operator says otherwise."""

MIN_CONNECTIONS: Final = 16
"""TCP clients that are served however few files there are."""

PER_CLIENT: Final = 256
"""TCP connections of one client: what a busy resolver opens, and then some. It never has more than
a quarter of all."""

_NO_IPV6: Final = {errno.EAFNOSUPPORT, errno.EADDRNOTAVAIL, errno.EPROTONOSUPPORT}

log = logging.getLogger("dnslb.server")


@dataclass(slots=True)
class Given:
    """Listening sockets from elsewhere, by the numbers of their files; each is used or closed."""

    files: tuple[int, ...] = ()

    def take_api(self, listen: Listen) -> socket.socket | None:
        """The one that serves HTTP on `listen`, whose port 0 is any."""
        for number in self.files:
            sock = socket.socket(fileno=number)
            bound = sock.getsockname()
            if (
                sock.type is socket.SOCK_STREAM
                and bound[0] == str(listen.address)
                and listen.port in {0, bound[1]}
                and not self._answers(bound[1])
            ):
                self.files = tuple(other for other in self.files if other != number)
                return sock
            sock.detach()
        return None

    def close(self) -> None:
        """Close those that nobody has used."""
        for number in self.files:
            with suppress(OSError):
                os.close(number)
        self.files = ()

    def _answers(self, port: int) -> bool:
        """Whether DNS is served on `port`: then there are UDP sockets too."""
        for number in self.files:
            sock = socket.socket(fileno=number)
            is_udp = sock.type is socket.SOCK_DGRAM and sock.getsockname()[1] == port
            sock.detach()
            if is_udp:
                return True
        return False


def given_by_system(environment: MutableMapping[str, str] = os.environ) -> Given:
    """What the service manager has bound for this process (sd_listen_fds(3)).

    The variables are removed: they mean nothing to programs that this one starts.

    Raises:
        ListenError: one of the sockets cannot be used.
    """
    pid, count = environment.pop("LISTEN_PID", ""), environment.pop("LISTEN_FDS", "")
    environment.pop("LISTEN_FDNAMES", None)
    if pid != str(os.getpid()) or not count.isdecimal():
        return Given()
    given = Given(tuple(range(FIRST_GIVEN, FIRST_GIVEN + int(count))))
    for number in given.files:
        try:
            os.set_inheritable(number, False)  # noqa: FBT003 - its name says what
            sock = socket.socket(fileno=number)
        except OSError as error:
            raise ListenError(
                f"LISTEN_FDS: file {number} is no socket: {error.strerror}"
            ) from error
        try:
            if (
                sock.family is socket.AF_INET6
                and sock.getsockname()[0] == "::"
                and not sock.getsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY)
            ):
                raise ListenError(
                    "LISTEN_FDS: a socket on [::] takes IPv4 too; "
                    "give it BindIPv6Only=ipv6-only, and IPv4 a socket of its own"
                )
        finally:
            sock.detach()
    return given


def bind(engine: Engine, config: Config, given: Given) -> tuple[Listen, ...]:
    """Have `engine` take the sockets of `config`; those that are given first.

    Raises:
        ListenError: an address cannot be had; no socket is kept.
    """
    raise_file_limit()
    wanted = config.listen
    try:
        return _bind(engine, config, wanted, given)
    except OSError as error:
        # a host without IPv6 need not say so to use the default
        if wanted != DEFAULT_LISTEN or error.errno not in _NO_IPV6:
            raise ListenError(_listen_problem(error)) from error
        log.warning("IPv6 is not available here (%s): serving IPv4 only", error.strerror)
        try:
            return _bind(engine, config, wanted[:1], given)
        except OSError as second:
            raise ListenError(_listen_problem(second)) from second


def bind_api(api: Api, given: Given) -> socket.socket:
    """The socket of the API: the one that is given, or a new one.

    Raises:
        ListenError: the address cannot be had.
    """
    listen = api.listen
    if (sock := given.take_api(listen)) is not None:
        sock.settimeout(0)
        return sock
    family = socket.AF_INET6 if listen.address.version == 6 else socket.AF_INET
    try:
        sock = socket.socket(family, socket.SOCK_STREAM)
        try:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            if family == socket.AF_INET6:
                sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
            sock.bind((str(listen.address), listen.port))
            sock.listen(BACKLOG)
            sock.settimeout(0)
        except OSError:
            sock.close()
            raise
    except OSError as error:
        raise ListenError(_api_problem(listen, error)) from error
    return sock


def _bind(
    engine: Engine, config: Config, wanted: Sequence[Listen], given: Given
) -> tuple[Listen, ...]:
    addresses = [(str(item.address), item.port) for item in wanted]
    files, given.files = given.files, ()
    # copies, so that a second attempt finds them again
    spare = [os.dup(number) for number in files]
    try:
        bound = engine.bind(addresses, config.workers or _cpus(), _tcp_limits(config.tcp), files)
    except OSError:
        given.files = tuple(spare)
        raise
    for number in spare:
        os.close(number)
    return tuple(Listen(item.address, port) for item, (_, port) in zip(wanted, bound, strict=True))


def _cpus() -> int:
    """The CPUs that this process may run on."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


@dataclass(frozen=True, slots=True)
class TcpLimits:
    """What `Engine.bind` reads."""

    connections: int
    per_client: int
    query_timeout: float


def _tcp_limits(tcp: Tcp) -> TcpLimits:
    """What TCP clients may take, so that checks and files keep their share."""
    wanted = tcp.connections or MAX_CONNECTIONS
    limit, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    left = wanted if limit == resource.RLIM_INFINITY else limit - RESERVED_FILES
    connections = min(wanted, max(left, MIN_CONNECTIONS))
    if connections < wanted:
        log.warning(
            "only %d files may be open, so %s served at a time; "
            "raise the limit (systemd: LimitNOFILE=)",
            limit,
            f"{connections:,} TCP clients are",
        )
    per_client = tcp.per_client or max(1, min(PER_CLIENT, connections // 4))
    return TcpLimits(connections, per_client, tcp.query_timeout)


def _listen_problem(error: OSError) -> str:
    where = f"cannot listen on {error.filename}"
    port = str(error.filename).rpartition(":")[2]
    if error.errno == errno.EADDRINUSE:
        return (
            f"{where}: another program has this port; see which with "
            f"`ss -lnptu 'sport = :{port}'`, or choose another address or port under `listen`"
        )
    if error.errno in {errno.EACCES, errno.EPERM}:
        return (
            f"{where}: ports below 1024 need a privilege; run as root, give the capability "
            "CAP_NET_BIND_SERVICE (systemd: AmbientCapabilities=), "
            "or choose a higher port under `listen`"
        )
    if error.errno in _NO_IPV6:
        return (
            f"{where}: this machine has no such address; see those it has with `ip address`, "
            "and correct `listen`"
        )
    return f"{where}: {error.strerror}"


def _api_problem(listen: Listen, error: OSError) -> str:
    where = f"cannot listen on {listen} for the API"
    if error.errno == errno.EADDRINUSE:
        return (
            f"{where}: another program has this port, perhaps another dnslb; see which with "
            f"`ss -lntp 'sport = :{listen.port}'`, or choose another under `api.listen`"
        )
    if error.errno == errno.EADDRNOTAVAIL:
        return f"{where}: this machine has no such address; correct `api.listen`"
    return f"{where}: {os.strerror(error.errno or errno.EIO).lower()}; see `api.listen`"
