"""Lists of networks; what is none, and what stands twice, is reported at its spot."""

from __future__ import annotations

from ipaddress import ip_network
from typing import TYPE_CHECKING

from dnslb.config.values import items

if TYPE_CHECKING:
    from dnslb.config.model import Network
    from dnslb.config.spot import Spot

__all__ = ["extent", "last", "read_networks"]


def read_networks(texts: list[str] | None, spot: Spot) -> tuple[Network, ...]:
    """The networks in a list, in the order written; an address is a network of its own."""
    found: dict[Network, int] = {}
    for index, text in items(texts):
        here = spot.at(index)
        try:
            network = ip_network(text, strict=False)
        except ValueError:
            here.problem(f'"{text}" is no network; write 192.0.2.0/24, 2001:db8::/32 or an address')
            continue
        if network.network_address != ip_network(text.partition("/")[0]).network_address:
            here.problem(f'"{text}" has bits beyond its prefix; write {network}')
        elif network in found:
            here.problem(f"{network} stands twice")
        found.setdefault(network, index)
    _warn_inner(found, spot)
    return tuple(found)


def _warn_inner(found: dict[Network, int], spot: Spot) -> None:
    """Warn of networks inside of others: they change nothing."""
    outer: Network | None = None
    for network in sorted(found, key=extent):
        if outer and outer.version == network.version and last(network) <= last(outer):
            spot.at(found[network]).warning(f"{network} lies within {outer}, which stands here too")
        else:
            outer = network


def extent(network: Network) -> tuple[int, int, int]:
    """Sorts networks by where they begin, those inside of others after these."""
    return network.version, int(network.network_address), network.prefixlen


def last(network: Network) -> int:
    """The last address of a network, as a number."""
    return int(network.broadcast_address)
