"""Static records in the form that the engine takes: owner and rdata in wire format."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

__all__ = ["Finding", "RRset"]


@dataclass(frozen=True, slots=True)
class RRset:
    """All records of one owner name and type (RFC 9499); class IN throughout."""

    owner: bytes  # absolute, in lower case, uncompressed wire format with the final zero octet
    type: int
    ttl: int  # seconds
    rdatas: tuple[bytes, ...]  # uncompressed wire format, each at most 65,535 octets


class Finding(NamedTuple):
    """What the engine finds wrong with a zone; `engine/src/zones/findings.rs` has the kinds."""

    kind: str
    place: tuple[int, int, int]  # file by its number, line, column
    owner: bytes
    type: int
    rdata: bytes
    names: tuple[bytes, ...]
    types: tuple[int, ...]
    numbers: tuple[int, int]
