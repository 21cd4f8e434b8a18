"""Other authoritative servers on loopback, and a way to ask any server thousands of questions."""

from __future__ import annotations

import selectors
import socket
import struct
import subprocess
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING

import pytest
from harness import PATIENCE, ask

from ports import free_port
from tools import tool

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from pathlib import Path

WINDOW = 128  # questions under way: few enough for the sockets' buffers


@contextmanager
def served(command: Sequence[str], port: int, known: str) -> Iterator[int]:
    """Run a server until it answers for the zone `known`, give its port, and end it."""
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    try:
        deadline = time.monotonic() + PATIENCE
        while True:
            try:
                # what comes while a server takes its sockets may get lost
                if ask(port, known, "SOA", patience=1.0).rr:
                    break
            except OSError:
                pass
            if process.poll() is not None or time.monotonic() > deadline:
                process.kill()
                pytest.fail(f"{command[0]} does not answer: {process.communicate()[0].decode()}")
        yield port
    finally:
        process.terminate()
        process.communicate(timeout=PATIENCE)


def write_zones(folder: Path, zones: Mapping[str, str]) -> None:
    """Write master files, by origin with the final dot left out."""
    folder.mkdir(exist_ok=True)
    for origin, master in zones.items():
        (folder / f"{origin}.zone").write_text(master)


@contextmanager
def nsd(folder: Path, zones: Mapping[str, str]) -> Iterator[int]:
    """Debian's NSD with `zones`; its port."""
    program = tool("nsd", "nsd")
    port = free_port()
    write_zones(folder, zones)
    patterns = "".join(f"zone:\n  name: {origin}\n  zonefile: {origin}.zone\n" for origin in zones)
    config = folder / "nsd.conf"
    config.write_text(
        f"""
server:
  ip-address: 127.0.0.1@{port}
  username: ""
  chroot: ""
  zonesdir: "{folder}"
  database: ""
  pidfile: ""
  xfrdfile: "{folder}/xfrd.state"
  zonelistfile: "{folder}/zone.list"
  cookie-secret-file: ""
  minimal-responses: yes
  ipv4-edns-size: 1232
  rrl-ratelimit: 0
  hide-version: yes
  hide-identity: yes
remote-control:
  control-enable: no
{patterns}"""
    )
    with served([program, "-d", "-c", str(config)], port, next(iter(zones))):
        yield port


@contextmanager
def knot(folder: Path, zones: Mapping[str, str]) -> Iterator[int]:
    """Debian's Knot DNS with `zones`; its port."""
    program = tool("knotd", "knot")
    port = free_port()
    write_zones(folder, zones)
    domains = "".join(f"  - domain: {origin}\n    file: {origin}.zone\n" for origin in zones)
    config = folder / "knot.conf"
    config.write_text(
        f"""
server:
  rundir: "{folder}"
  listen: 127.0.0.1@{port}
  udp-max-payload: 1232
database:
  storage: "{folder}/db"
template:
  - id: default
    storage: "{folder}"
    semantic-checks: false
    journal-content: none
    zonefile-load: whole
zone:
{domains}"""
    )
    with served([program, "-c", str(config)], port, next(iter(zones))):
        yield port


def ask_all(port: int, packets: Sequence[bytes]) -> list[bytes]:
    """The responses to `packets`, by UDP, many under way at once; their IDs are made to differ."""
    answers: list[bytes | None] = [None] * len(packets)
    with (
        socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock,
        selectors.DefaultSelector() as ready,
    ):
        sock.connect(("127.0.0.1", port))
        sock.settimeout(0)
        ready.register(sock, selectors.EVENT_READ)
        waiting: dict[int, int] = {}
        sent = 0
        while sent < len(packets) or waiting:
            while sent < len(packets) and len(waiting) < WINDOW:
                number = sent % 65_536
                sock.send(struct.pack("!H", number) + packets[sent][2:])
                waiting[number] = sent
                sent += 1
            if not ready.select(PATIENCE):
                lost = [packets[place].hex() for place in waiting.values()]
                pytest.fail(f"no answer within {PATIENCE} seconds to {lost}")
            try:
                while True:
                    answer = sock.recv(65_535)
                    place = waiting.pop(int.from_bytes(answer[:2], "big"))
                    answers[place] = packets[place][:2] + answer[2:]
            except BlockingIOError:
                pass
    return [answer for answer in answers if answer is not None]
