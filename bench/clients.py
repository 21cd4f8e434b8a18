"""Clients of `steered.py`: which networks ask, and how they ask one by one."""

from __future__ import annotations

import random
import socket
import sys
from ipaddress import IPv4Address, IPv4Network, IPv6Network, ip_address
from typing import TYPE_CHECKING, Final, NamedTuple

from measure import PATIENCE, QUESTION, BenchError
from servers import REPOSITORY

sys.path.append(str(REPOSITORY / "tests" / "geo"))

from cityfile import FULL, REGISTRIES6, Allocation, allocations, cached

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from typing_extensions import Self

__all__ = [
    "Answer",
    "Client",
    "cached",
    "everywhere",
    "held",
    "random_networks",
    "records",
]

IPV6: Final = 0.2
"""The share of IPv6 among random networks."""

Network = IPv4Network | IPv6Network


def random_networks(count: int, seed: int) -> Iterator[Network]:
    """As Google's resolvers tell them: /24 of IPv4, /56 of IPv6; some of them nobody's."""
    dice = random.Random(seed)
    for _ in range(count):
        if dice.random() < IPV6:
            high = dice.choice(list(REGISTRIES6)) << 16 | dice.randrange(0x200, 0x2400)
            yield IPv6Network((high << 96 | dice.getrandbits(24) << 72, 56))
        else:
            yield IPv4Network((dice.randrange(1 << 16, 224 << 16) << 8, 24))


def everywhere(count: int, seed: int) -> list[IPv4Network]:
    """Networks /24 spread evenly over all address space in use."""
    return _networks(list(allocations(FULL, 32)), count, seed)


def held(count: int, holders: int, seed: int) -> list[IPv4Network]:
    """Networks /24 of a few holders of large blocks."""
    large = [block for block in allocations(FULL, 32) if block.length <= 18]
    return _networks(random.Random(seed).sample(large, holders), count, seed)


def _networks(blocks: list[Allocation], count: int, seed: int) -> list[IPv4Network]:
    dice = random.Random(seed)
    sizes = [1 << (32 - block.length) for block in blocks]
    found: set[IPv4Network] = set()
    while len(found) < count:
        (block,) = dice.choices(blocks, sizes)
        address = block.base + dice.randrange(1 << (32 - block.length))
        found.add(IPv4Network((address >> 8 << 8, 24)))
    return sorted(found)


class Answer(NamedTuple):
    """What a client is told."""

    address: IPv4Address
    scope: int | None  # None: the answer has no ECS option


class Client:
    """Asks one server for the A record, as a resolver on behalf of others."""

    def __init__(self, port: int) -> None:
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._socket.connect(("127.0.0.1", port))
        self._socket.settimeout(PATIENCE)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._socket.close()

    def ask(self, network: Network) -> Answer:
        """The answer for clients in `network`."""
        self._socket.send(query(network))
        return read(self._socket.recv(4096))

    def all(self, networks: Iterable[Network]) -> list[Answer]:
        """The answers for many, one after another."""
        return [self.ask(network) for network in networks]


def query(network: Network) -> bytes:
    """A query with RD and a CLIENT-SUBNET option (RFC 7871 section 6)."""
    octets = network.network_address.packed[: (network.prefixlen + 7) // 8]
    family = 1 if network.version == 4 else 2
    data = bytes([0, family, network.prefixlen, 0]) + octets
    option = b"\x00\x08" + len(data).to_bytes(2, "big") + data
    opt = b"\x00\x00\x29\x04\xd0\x00\x00\x00\x00" + len(option).to_bytes(2, "big") + option
    header = b"\x12\x34\x01\x00\x00\x01\x00\x00\x00\x00\x00\x01"
    return header + QUESTION[12:] + opt


def read(answer: bytes) -> Answer:
    """The first address and the scope of a NOERROR answer."""
    if answer[3] & 0x0F:
        raise BenchError(f"an answer with rcode {answer[3] & 0x0F}")
    address, scope = None, None
    for rtype, rdata, _ in records(answer):
        if rtype == 1 and address is None:
            address = ip_address(rdata)
        if rtype == 41 and rdata[:2] == b"\x00\x08":
            scope = rdata[7]
    if not isinstance(address, IPv4Address):
        raise BenchError("an answer without an address")
    return Answer(address, scope)


def records(message: bytes) -> Iterator[tuple[int, bytes, int]]:
    """Type, rdata and where these begin, of each record of a message with one question."""
    counts = (int.from_bytes(message[at : at + 2], "big") for at in (6, 8, 10))
    at = _past_name(message, 12) + 4
    for _ in range(sum(counts)):
        at = _past_name(message, at)
        rtype = int.from_bytes(message[at : at + 2], "big")
        length = int.from_bytes(message[at + 8 : at + 10], "big")
        yield rtype, message[at + 10 : at + 10 + length], at + 10
        at += 10 + length


def _past_name(message: bytes, at: int) -> int:
    while message[at] and message[at] < 0xC0:
        at += 1 + message[at]
    return at + (2 if message[at] else 1)
