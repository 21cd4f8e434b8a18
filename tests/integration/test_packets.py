"""Odd packets, kept in tests/packets: each has its answer, and none does harm."""

from __future__ import annotations

import re
import socket
import struct
import time
from contextlib import contextmanager
from pathlib import Path

import pytest
from harness import PATIENCE, need_engine
from published import engine_of

from reference.generate import SECRETS, apex, node, question
from reference.judge import difference
from reference.message import read
from reference.server import Server, Settings
from reference.zone import Zone

need_engine()

FOLDER = Path(__file__).parents[1] / "packets"
RCODES = {
    "NOERROR": 0, "FORMERR": 1, "NXDOMAIN": 3, "NOTIMP": 4, "REFUSED": 5, "BADVERS": 16,
    "BADCOOKIE": 23,
}  # fmt: skip
SHORT = {
    "Q": "0161 017A 07 6578616D706C65 00 0001 0001",
    "OPT": "00 0029 04D0 00000000 0000",
}
CLIENT = "192.0.2.77"
PLAIN = question((b"a", b"z", b"example"), 1)
LARGEST_DATAGRAM = 65_507  # octets of payload that IPv4 carries

ORIGIN = (b"z", b"example")
ZONES = [
    Zone(ORIGIN, {ORIGIN: apex(ORIGIN, 1, 60, [ORIGIN]), (b"a", *ORIGIN): node("A TXT", [ORIGIN])})
]


def octets(text):
    """The octets that the lines of a case write."""
    packet = b""
    for line in text.splitlines():
        for word in line.partition("#")[0].split():
            for part in SHORT.get(word, word).split():
                digits, _, times = part.partition("*")
                packet += bytes.fromhex(digits) * int(times or 1)
    return packet


def cases():
    for file in sorted(FOLDER.glob("*.txt")):
        for case in re.split(r"^=== ", file.read_text(), flags=re.MULTILINE)[1:]:
            name, _, body = case.partition("\n")
            lines = body.splitlines()
            expected = {}
            for line in lines:
                if line.startswith("=>"):
                    words = line[2:].split()
                    transports = [words.pop(0)] if words[0] in {"udp", "tcp"} else ["udp", "tcp"]
                    expected.update(dict.fromkeys(transports, words))
            packet = octets("\n".join(line for line in lines if not line.startswith("=>")))
            for transport, words in expected.items():
                yield pytest.param(packet, transport, words, id=f"{file.stem}-{name}-{transport}")


CASES = list(cases())
PACKETS = list(dict.fromkeys(case.values[0] for case in CASES))
SETTINGS = Settings(identity=b"here", cookie_secrets=SECRETS[:1])


@pytest.fixture(scope="module")
def engine():
    return engine_of(ZONES, SETTINGS)


def is_there(response):
    parts = ["question", "answer", "authority", "additional", "opt"]
    return {part for part in parts if getattr(response, part)}


@pytest.mark.parametrize(("packet", "transport", "words"), CASES)
def test_each_packet_has_its_answer(engine, packet, transport, words):
    before = int(time.time())
    got = engine.answer(packet, CLIENT, transport)
    moments = {before, int(time.time())}
    server = Server(ZONES, SETTINGS)
    wrongs = [difference(server.respond(packet, CLIENT, transport, now), got) for now in moments]
    assert None in wrongs, wrongs[0]
    if words == ["silence"]:
        assert got is None
        return
    assert got is not None
    response = read(got)
    assert (response.rcode, is_there(response)) == (RCODES[words[0]], set(words[1:]))


@contextmanager
def running():
    """An engine that answers on loopback, and its port."""
    engine = engine_of(ZONES, SETTINGS)
    port = engine.bind([("127.0.0.1", 0)], 1)[0][1]
    engine.start()
    try:
        yield port
    finally:
        engine.stop()


def answered(sock):
    """Put a plain query and read on until its answer comes."""
    wanted = struct.pack("!H", 0x5AFE)
    sock.send(wanted + PLAIN[2:])
    while True:
        got = sock.recv(LARGEST_DATAGRAM)
        if got[:2] == wanted:
            return read(got).rcode == 0


def noise():
    """Datagrams of every size there is, as good as random, queries and responses."""
    for size in [*range(64), *range(64, 4096, 61), 8192, 16_384, 32_768, 65_000, LARGEST_DATAGRAM]:
        for head in (b"\x12\x34\x01\x00\x00\x01", b"\x12\x34\x81\x80\x00\x01", b"\0" * 6):
            body = bytes((size * 31 + place * 7) & 0xFF for place in range(size))
            yield (head + body)[:size]


def test_datagrams_of_all_sizes_leave_the_server_answering():
    with running() as port, socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.settimeout(PATIENCE)
        sock.connect(("127.0.0.1", port))
        for packet in [*PACKETS, *noise()]:
            sock.send(packet[:LARGEST_DATAGRAM])
            assert answered(sock), packet[:64].hex()


def test_messages_of_all_sizes_leave_the_connection_answering():
    with running() as port:
        server = Server(ZONES, SETTINGS)
        for packet in PACKETS:
            with socket.create_connection(("127.0.0.1", port), PATIENCE) as sock:
                framed = [packet, b"\x5a\xfe" + PLAIN[2:]]
                sock.sendall(b"".join(struct.pack("!H", len(one)) + one for one in framed))
                got = b""
                while got[:2] != b"\x5a\xfe":
                    got = message(sock)
                    if got is None:
                        break
                silent = server.respond(packet, "127.0.0.1", "tcp", 0) is None
                assert got is not None or silent, packet[:64].hex()


def message(sock):
    """The next message of a connection; None where it ends."""
    head = sock.recv(2, socket.MSG_WAITALL)
    if len(head) < 2:
        return None
    return sock.recv(int.from_bytes(head, "big"), socket.MSG_WAITALL)
