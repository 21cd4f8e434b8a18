"""Addresses to listen on, as an operator writes them."""

from __future__ import annotations

import re
from ipaddress import AddressValueError, IPv4Address, IPv6Address
from typing import Final

from dnslb.config.model import Listen

__all__ = ["FORMS", "listen_of"]

FORMS: Final = "write 192.0.2.1, 192.0.2.1:53, [2001:db8::1]:53 or 2001:db8::1"

_WITH_PORT: Final = re.compile(r"(?:\[([^\]]*)\]|([^:\[\]]*))(?::([0-9]{1,5}))?", re.ASCII)


def listen_of(text: str, default_port: int = 53) -> Listen | None:
    """`address`, `address:port`, `[v6]:port` or a bare IPv6 address; None for anything else."""
    try:
        if text.count(":") > 1 and not text.startswith("["):
            return Listen(IPv6Address(text), default_port)
        match = _WITH_PORT.fullmatch(text)
        if not match:
            return None
        port = default_port if match[3] is None else int(match[3])
        v6 = match[1] is not None
        address = IPv6Address(match[1]) if v6 else IPv4Address(match[2])
    except AddressValueError:
        return None
    return Listen(address, port) if port <= 0xFFFF else None
