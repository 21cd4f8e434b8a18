"""Text that means an address, a host or a domain name; what does not is reported at its spot."""

from __future__ import annotations

import re
from ipaddress import AddressValueError, IPv4Address, IPv6Address, ip_address
from typing import TYPE_CHECKING, Final

from dnslb.config.values import items
from dnslb.zone.names import from_text, is_within, looks_absolute, lower, to_text

if TYPE_CHECKING:
    from dnslb.config.model import Address
    from dnslb.config.spot import Spot

__all__ = ["read_address", "read_addresses", "read_host", "read_name", "read_owner"]

_HOST: Final = re.compile(r"[A-Za-z0-9_]([A-Za-z0-9_.-]{0,252})", re.ASCII)


def read_address(text: str, spot: Spot) -> Address | None:
    """An IP address."""
    try:
        return IPv6Address(_without_zone(text)) if ":" in text else IPv4Address(text)
    except AddressValueError:
        spot.problem(f'"{text}" is no IP address')
        return None


def read_addresses(texts: list[str], spot: Spot) -> tuple[Address, ...]:
    """The IP addresses in a list, each once."""
    if len(texts) == 1:  # as most have it
        ((_, text),) = items(texts) or [(0, "")]
        address = read_address(text, spot.at(0)) if text else None
        return () if address is None else (address,)
    found: dict[Address, None] = {}
    for index, text in items(texts):
        address = read_address(text, spot.at(index))
        if address in found:
            spot.at(index).problem(f"{address} stands twice")
        elif address is not None:
            found[address] = None
    return tuple(found)


def _without_zone(text: str) -> str:
    if "%" in text:
        raise AddressValueError
    return text


def read_host(text: str, spot: Spot) -> str | None:
    """An IP address or a host name, as text."""
    try:
        return str(ip_address(text))
    except ValueError:
        if _HOST.fullmatch(text) and not text.replace(".", "").isdecimal():
            return text
    spot.problem(f'"{text}" is neither an IP address nor a host name')
    return None


def read_name(text: str, spot: Spot, origin: bytes) -> bytes | None:
    """A domain name in lower case, relative to `origin` unless it ends in a dot."""
    try:
        name = from_text(text, origin)
    except ValueError as error:
        spot.problem(f'"{text}" is no domain name: {error}')
        return None
    if looks_absolute(text, origin):
        spot.warning(f'"{text}" is relative and means {to_text(name)}; end it with a dot')
    return lower(name)


def read_owner(text: str, spot: Spot, origin: bytes) -> bytes | None:
    """An owner name in lower case, which lies in the zone `origin`; `spot` is at its key."""
    name = read_name(text, spot, origin)
    if name is None or is_within(name, origin):
        return name
    spot.problem(f"{to_text(name)} lies outside of the zone {to_text(origin)}")
    return None
