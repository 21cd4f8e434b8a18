"""Databases of locations, written as vendors lay them out."""

from __future__ import annotations

from ipaddress import ip_network
from typing import TYPE_CHECKING

from mmdb_writer import METADATA_MAGIC, Encoder, MMDBWriter, SearchTreeNode, TreeWriter
from netaddr import IPSet

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from pathlib import Path

BUILT = 1_700_000_000
"""When they say that they were built."""

ALIASES = ("2002::/16", "2001::/32", "::ffff:0:0/96")
"""Where MaxMind's databases repeat IPv4."""


class Writer(TreeWriter):
    """Writes records of a given size: the writer's own takes the smallest that will do."""

    bits: int | None = None

    def _adjust_record_size(self):
        super()._adjust_record_size()
        self.record_size = self.bits or self.record_size


def write(
    path: Path,
    networks: Mapping[str, object],
    kind: str = "GeoLite2-City",
    *,
    version: int = 6,
    built: int = BUILT,
    bits: int | None = None,
    aliases: Iterable[str] = (),
) -> Path:
    """Write the data records of `networks` to a file; later ones lie within earlier ones.

    `bits` is the size of a child of a node, 24, 28 or 32. IPv4 is found at each of `aliases` too.
    """
    writer = MMDBWriter(version, kind, languages=["en"], ipv4_compatible=version == 6)
    for network, record in networks.items():
        writer.insert_network(IPSet([network]), record)
    for alias in aliases:
        _alias(writer.tree, alias)
    tree = Writer(writer.tree, writer._build_meta() | {"build_epoch": built})
    tree.bits = bits
    tree.write(str(path))
    return path


def _alias(root: SearchTreeNode, network: str) -> None:
    """Put the node of ::/96 in the place of a network too, if there is such a node."""
    ipv4 = root
    for _ in range(96):
        ipv4 = ipv4[0]
        if not isinstance(ipv4, SearchTreeNode):
            return
    where = ip_network(network)
    bits = [int(bit) for bit in f"{int(where[0]):0128b}"[: where.prefixlen]]
    node = root
    for bit in bits[:-1]:
        if not isinstance(node[bit], SearchTreeNode):
            node[bit] = SearchTreeNode(node[bit], node[bit])
        node = node[bit]
    node[bits[-1]] = ipv4


def raw(path: Path, nodes: Sequence[tuple[int, int]], data: bytes, **meta: object) -> Path:
    """Write a file node by node: children as they stand in it, in 24 bits each."""
    told = {
        "node_count": len(nodes),
        "record_size": 24,
        "ip_version": 6,
        "database_type": "odd",
        "languages": ["en"],
        "binary_format_major_version": 2,
        "binary_format_minor_version": 0,
        "description": {"en": "odd"},
        "build_epoch": BUILT,
    }
    tree = b"".join(child.to_bytes(3, "big") for node in nodes for child in node)
    ending = METADATA_MAGIC + Encoder(cache=False).encode_meta(told | meta)
    path.write_bytes(tree + bytes(16) + data + ending)
    return path


def city(
    country: str,
    continent: str,
    *,
    subdivision: str = "",
    name: str = "",
    at: tuple[float, float] | None = None,
    geoname: int | None = None,
) -> dict[str, object]:
    """A record as GeoIP2 City and GeoLite2 City have it."""
    record: dict[str, object] = {
        "continent": {"code": continent, "names": {"en": continent}},
        "country": {"iso_code": country, "names": {"de": "falsch", "en": country}},
    }
    if subdivision:
        record["subdivisions"] = [{"iso_code": subdivision, "names": {"en": subdivision}}]
    if name:
        record["city"] = {"names": {"en": name}} | ({"geoname_id": geoname} if geoname else {})
    if at:
        record["location"] = {"latitude": at[0], "longitude": at[1], "time_zone": "UTC"}
    return record


def asn(number: int, organization: str = "Example") -> dict[str, object]:
    """A record as GeoLite2 ASN has it."""
    return {
        "autonomous_system_number": number,
        "autonomous_system_organization": organization,
    }


def within(network: str, offset: int = 1) -> str:
    """An address in a network."""
    return str(ip_network(network)[offset])
