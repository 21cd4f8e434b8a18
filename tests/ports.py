"""Ports for servers that cannot be told to take one of the system's choice, or that are to have none."""

from __future__ import annotations

import secrets
import socket
from pathlib import Path

LOWEST = 10_000  # below are those of programs that the machine may run


def free_port(host: str = "127.0.0.1") -> int:
    """A port, of UDP and TCP alike, that nobody has; nor will others get it by asking for any.

    It lies below those that the system gives to whoever names none, which are given again as soon
    as they are free.
    """
    end = _first_given()
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    while True:
        port = LOWEST + secrets.randbelow(end - LOWEST)
        with (
            socket.socket(family, socket.SOCK_DGRAM) as udp,
            socket.socket(family, socket.SOCK_STREAM) as tcp,
        ):
            try:
                udp.bind((host, port))
                tcp.bind((host, port))
            except OSError:
                continue
            return port


def _first_given() -> int:
    """The first of the ports that the system gives; where it cannot be told, that of most systems."""
    try:
        first = int(Path("/proc/sys/net/ipv4/ip_local_port_range").read_text().split()[0])
    except OSError:
        first = 32_768
    return first if first > 2 * LOWEST else 32_768
