"""The ICMP check: passes when an echo request comes back (RFC 792, RFC 4443)."""

from __future__ import annotations

import asyncio
import errno
import secrets
import socket
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Final, NamedTuple

from dnslb.health.checks.base import Check, Kept, Outcome, Result
from dnslb.health.checks.datagram import BIGGEST, first_to_pass, report_errors
from dnslb.health.checks.network import FailedError, Phase, Progress, resolve, within

if TYPE_CHECKING:
    from dnslb.health.checks.network import AddressInfo

__all__ = ["IcmpCheck"]

PAYLOAD: Final = 16
"""Random bytes of a request, by which its reply is known among those of others."""

NO_PERMISSION: Final = (
    "this process may send no ICMP: add its group to net.ipv4.ping_group_range, "
    "or give it CAP_NET_RAW"
)


class Echo(NamedTuple):
    """What an echo is called in one family."""

    protocol: int
    request: int
    reply: int


_ECHOES: Final = {
    socket.AF_INET: Echo(socket.IPPROTO_ICMP, 8, 0),
    socket.AF_INET6: Echo(socket.IPPROTO_ICMPV6, 128, 129),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class IcmpCheck(Check):
    """Sends one echo request. It may get lost: `retries` after a read-timeout are for that."""

    async def probe(self, address: str, kept: Kept) -> Result:
        """Ask once. Silence is a read-timeout."""
        del kept
        progress = Progress()
        return await within(self.timeout, progress, self._ask(address, progress))

    def where(self, address: str) -> str:
        """The address, which has no port."""
        return address.rstrip(".")

    async def _ask(self, address: str, progress: Progress) -> Result:
        infos = await resolve(address, 0)
        progress.reached = Phase.READ
        return await first_to_pass(infos, partial(_echo, progress), progress)


async def _echo(progress: Progress, info: AddressInfo) -> Result:
    echo = _ECHOES[socket.AddressFamily(info[0])]
    token = secrets.token_bytes(PAYLOAD)
    # a datagram socket's identifier is the system's choice, so the token alone tells
    body = secrets.token_bytes(2) + b"\0\1" + token
    try:
        with _open(info, echo) as sock:
            report_errors(sock)
            sock.connect(info[4])
            sock.send(_packet(echo.request, body))
            while True:
                heard = _message(await asyncio.get_running_loop().sock_recv(sock, BIGGEST))
                if heard[:2] == bytes((echo.reply, 0)) and heard[6:] == body[2:]:
                    progress.arrived(len(heard))
                    return Result(Outcome.OK)
    except OSError as error:
        # how packet filters refuse: the kernel's words would be those of a port
        if error.errno in {errno.ECONNREFUSED, errno.ENOPROTOOPT, errno.EPROTO}:
            raise FailedError(Outcome.UNREACHABLE, "a router or filter refuses it") from error
        raise


def _open(info: AddressInfo, echo: Echo) -> socket.socket:
    """A socket for echoes: one that needs no privileges, else a raw one.

    Raises:
        FailedError: neither is allowed.
    """
    for kind in (socket.SOCK_DGRAM, socket.SOCK_RAW):
        try:
            sock = socket.socket(info[0], kind, echo.protocol)
        except OSError as error:
            if error.errno not in {errno.EACCES, errno.EPERM, errno.EPROTONOSUPPORT}:
                raise
        else:
            sock.settimeout(0)
            return sock
    raise FailedError(Outcome.ERROR, NO_PERMISSION)


def _packet(kind: int, body: bytes) -> bytes:
    """A message with its checksum (RFC 1071), which the kernel makes anew where it knows better."""
    head = bytes((kind, 0))
    message = head + b"\0\0" + body
    total = sum(
        int.from_bytes(message[index : index + 2], "big") for index in range(0, len(message), 2)
    )
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return head + (~total & 0xFFFF).to_bytes(2, "big") + body


def _message(packet: bytes) -> bytes:
    """The ICMP message in what came, which over IPv4 may have its IP header before it."""
    # no ICMP message of ours begins like IPv4's version
    return packet[(packet[0] & 0xF) * 4 :] if packet and packet[0] >> 4 == 4 else packet
