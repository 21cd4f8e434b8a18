"""Server cookies that servers of different makes share (RFC 9018 section 4)."""

from __future__ import annotations

import struct
from ipaddress import ip_address

CLIENT = 8
LIFETIME, AHEAD, RENEWAL = 3600, 300, 1800  # seconds (section 4.3)

_MASK = (1 << 64) - 1


def sign(secret: bytes, client_cookie: bytes, address: str, now: int) -> bytes:
    """Section 4: version 1, three reserved octets, the time, and the hash of all that is known."""
    head = struct.pack("!B3xI", 1, now & 0xFFFF_FFFF)
    return head + siphash(secret, client_cookie + head + ip_address(address).packed)


def judge(secrets: list[bytes], cookie: bytes, address: str, now: int) -> tuple[bool, bytes]:
    """Whether the cookie of a query is valid, and the server cookie of the response.

    The first secret signs, all of them may have signed what comes back (section 5).
    """
    client, server = cookie[:CLIENT], cookie[CLIENT:]
    fresh = sign(secrets[0], client, address, now)
    if len(server) != 16 or server[0] != 1:
        return False, fresh
    (made,) = struct.unpack("!I", server[4:8])
    head = server[:8]
    signers = [
        place
        for place, secret in enumerate(secrets)
        if siphash(secret, client + head + ip_address(address).packed) == server[8:]
    ]
    age = (now - made + 2**31) % 2**32 - 2**31  # RFC 1982: the time wraps
    if not signers or not -AHEAD <= age <= LIFETIME:
        return False, fresh
    # section 4.3: "If the Timestamp is more than half an hour in the past, generate a new one"
    keep = age < RENEWAL and signers[0] == 0
    return True, server if keep else fresh


def siphash(key: bytes, data: bytes) -> bytes:
    """SipHash-2-4 (Aumasson and Bernstein 2012) of `data`."""
    k0, k1 = struct.unpack("<2Q", key)
    v = [k0 ^ 0x736F6D6570736575, k1 ^ 0x646F72616E646F6D,
         k0 ^ 0x6C7967656E657261, k1 ^ 0x7465646279746573]  # fmt: skip
    padded = data + bytes(-(len(data) + 1) % 8) + bytes([len(data) & 0xFF])
    for (word,) in struct.iter_unpack("<Q", padded):
        v[3] ^= word
        _round(v, 2)
        v[0] ^= word
    v[2] ^= 0xFF
    _round(v, 4)
    return struct.pack("<Q", v[0] ^ v[1] ^ v[2] ^ v[3])


def _round(v: list[int], times: int) -> None:
    for _ in range(times):
        v[0] = v[0] + v[1] & _MASK
        v[1] = _left(v[1], 13) ^ v[0]
        v[0] = _left(v[0], 32)
        v[2] = v[2] + v[3] & _MASK
        v[3] = _left(v[3], 16) ^ v[2]
        v[0] = v[0] + v[3] & _MASK
        v[3] = _left(v[3], 21) ^ v[0]
        v[2] = v[2] + v[1] & _MASK
        v[1] = _left(v[1], 17) ^ v[2]
        v[2] = _left(v[2], 32)


def _left(value: int, bits: int) -> int:
    return (value << bits | value >> (64 - bits)) & _MASK
