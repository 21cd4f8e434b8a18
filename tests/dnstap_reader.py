"""A reader of dnstap, for tests: Frame Streams and the protocol buffers in them."""

from __future__ import annotations

import socket
import struct
from dataclasses import dataclass
from ipaddress import ip_address
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

CONTENT = b"protobuf:dnstap.Dnstap"
ACCEPT, START, STOP, READY, FINISH = range(1, 6)
PATIENCE = 30.0


@dataclass
class Tapped:
    """A message of dnstap."""

    identity: bytes
    version: bytes
    kind: str
    protocol: str
    client: tuple[str, int]
    server: tuple[str, int]
    query_time: float | None
    response_time: float | None
    packet: bytes


def fields(data: bytes) -> dict[int, int | bytes]:
    """The fields of a protocol buffer by number."""
    found: dict[int, int | bytes] = {}
    at = 0

    def varint() -> int:
        nonlocal at
        value = shift = 0
        while True:
            octet = data[at]
            at += 1
            value |= (octet & 0x7F) << shift
            shift += 7
            if octet < 0x80:
                return value

    while at < len(data):
        key = varint()
        number, wire = key >> 3, key & 7
        assert number not in found
        if wire == 0:
            found[number] = varint()
        elif wire == 5:
            found[number] = struct.unpack_from("<I", data, at)[0]
            at += 4
        else:
            assert wire == 2
            length = varint()
            found[number] = data[at : at + length]
            at += length
    assert at == len(data)
    return found


def read(data: bytes) -> Tapped:
    """The message in a frame."""
    whole = fields(data)
    assert whole[15] == 1
    message = fields(whole[14])
    kind = {1: "AUTH_QUERY", 2: "AUTH_RESPONSE"}[message[1]]
    client, server = ip_address(message[4]), ip_address(message[5])
    assert {4: 1, 6: 2}[client.version] == message[2]
    time = [
        message[at] + message[at + 1] / 1e9 if at in message else None  # seconds, nanoseconds
        for at in (8, 12)
    ]
    return Tapped(
        identity=whole.get(1, b""),
        version=whole.get(2, b""),
        kind=kind,
        protocol={1: "udp", 2: "tcp"}[message[3]],
        client=(str(client), message[6]),
        server=(str(server), message[7]),
        query_time=time[0],
        response_time=time[1],
        packet=message[10 if kind == "AUTH_QUERY" else 14],
    )


def frames(data: bytes) -> Iterator[bytes]:
    """The frames of a whole stream, which begins and ends as it should."""
    kind, at = _control(data, 0)
    assert kind == START
    while True:
        (length,) = struct.unpack_from("!I", data, at)
        if length == 0:
            kind, at = _control(data, at)
            assert (kind, at) == (STOP, len(data))
            return
        yield data[at + 4 : at + 4 + length]
        at += 4 + length


def read_file(path: Path) -> list[Tapped]:
    """The messages of a file that is finished."""
    return [read(frame) for frame in frames(path.read_bytes())]


def _control(data: bytes, at: int) -> tuple[int, int]:
    escape, length, kind = struct.unpack_from("!III", data, at)
    assert escape == 0
    content = data[at + 12 : at + 8 + length]
    assert not content or content == struct.pack("!II", 1, len(CONTENT)) + CONTENT
    return kind, at + 8 + length


class Reader:
    """Listens on a socket; each call of `accept` takes one connection and shakes hands."""

    def __init__(self, where: Path | None = None) -> None:
        if where is not None:
            self.socket = socket.socket(socket.AF_UNIX)
            self.socket.bind(str(where))
            self.to = f"unix:{where}"
        else:
            self.socket = socket.socket()
            self.socket.bind(("127.0.0.1", 0))
            self.to = f"tcp:127.0.0.1:{self.socket.getsockname()[1]}"
        self.socket.settimeout(PATIENCE)
        self.socket.listen(5)

    def accept(self) -> Tap:
        connection, _ = self.socket.accept()
        return Tap(connection)

    def close(self) -> None:
        self.socket.close()


class Tap:
    """A connection of which messages are read."""

    def __init__(self, connection: socket.socket) -> None:
        self.connection = connection
        connection.settimeout(PATIENCE)
        self.stream = connection.makefile("rb")
        assert self._frame() == READY
        content = struct.pack("!II", 1, len(CONTENT)) + CONTENT
        connection.sendall(struct.pack("!III", 0, 4 + len(content), ACCEPT) + content)
        assert self._frame() == START

    def next(self) -> Tapped | None:
        """The next message; None once the writer says farewell, which is answered."""
        frame = self._frame()
        if isinstance(frame, bytes):
            return read(frame)
        assert frame == STOP
        self.connection.sendall(struct.pack("!III", 0, 4, FINISH))
        self.close()
        return None

    def close(self) -> None:
        self.stream.close()
        self.connection.close()

    def _frame(self) -> bytes | int:
        (length,) = struct.unpack("!I", self.stream.read(4))
        if length:
            return self.stream.read(length)
        (length,) = struct.unpack("!I", self.stream.read(4))
        body = self.stream.read(length)
        return _control(struct.pack("!II", 0, length) + body, 0)[0]
