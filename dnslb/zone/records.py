"""Static records in the form that the engine takes: owner and rdata in wire format."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["RRset"]


@dataclass(frozen=True, slots=True)
class RRset:
    """All records of one owner name and type (RFC 9499); class IN throughout."""

    owner: bytes  # absolute, in lower case, uncompressed wire format with the final zero octet
    type: int
    ttl: int  # seconds
    rdatas: tuple[bytes, ...]  # uncompressed wire format, each at most 65,535 octets
