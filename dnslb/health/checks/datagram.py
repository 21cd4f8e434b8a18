"""What checks over datagrams share: sockets that learn of errors, and names of many addresses."""

from __future__ import annotations

import asyncio
import socket
import sys
from contextlib import contextmanager
from typing import TYPE_CHECKING, Final

from dnslb.health.checks.network import diagnose

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterator, Sequence

    from dnslb.health.checks.base import Result
    from dnslb.health.checks.network import AddressInfo, Progress

__all__ = ["BIGGEST", "connected", "first_to_pass", "report_errors"]

BIGGEST: Final = 65_535
"""Bytes of the largest datagram."""

_ERRORS: Final = {  # level and option that report ICMP errors of every kind, by family (ip(7))
    socket.AF_INET: (socket.IPPROTO_IP, 11),  # IP_RECVERR
    socket.AF_INET6: (socket.IPPROTO_IPV6, 25),  # IPV6_RECVERR
}


def report_errors(sock: socket.socket) -> None:
    """Have `sock` fail when a router says that its datagrams have no way (Linux alone)."""
    if sys.platform == "linux":
        level, option = _ERRORS[socket.AddressFamily(sock.family)]
        sock.setsockopt(level, option, 1)


@contextmanager
def connected(info: AddressInfo) -> Iterator[socket.socket]:
    """A UDP socket that hears `info`'s address alone, and the errors on the way to it.

    Raises:
        OSError: the network has no way there.
    """
    with socket.socket(info[0], socket.SOCK_DGRAM) as sock:
        sock.settimeout(0)
        report_errors(sock)
        sock.connect(info[4])
        yield sock


async def first_to_pass(
    infos: Sequence[AddressInfo],
    ask: Callable[[AddressInfo], Awaitable[Result]],
    progress: Progress,
) -> Result:
    """Ask all addresses at once: the first result that passes, else that of the first address.

    Raises:
        FailedError, OSError: from `ask`, when there is a single address.
    """
    if len(infos) == 1:
        return await ask(infos[0])
    tasks = [asyncio.ensure_future(ask(info)) for info in infos]
    try:
        for done in asyncio.as_completed(tasks):
            try:
                result = await done
            except Exception:  # noqa: BLE001, S112 - told below, should none pass
                continue
            if result.ok:
                return result
        error = tasks[0].exception()
        return diagnose(error, progress) if error else tasks[0].result()
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
