"""A client that asks without a pause, and wants an answer to everything."""

from __future__ import annotations

import struct
import threading

from dnslib import DNSRecord
from harness import PATIENCE, client, until
from typing_extensions import Self

__all__ = ["Asking"]


class Asking:
    """Asks for www.example.com, whose addresses have to be `right`, until it is left."""

    def __init__(self, port: int, right: set[str]) -> None:
        self.asked = 0
        self.wrong: list[str] = []
        self._right = right
        self._port = port
        self._ends = threading.Event()
        self._thread = threading.Thread(target=self._run)

    def go_on(self) -> None:
        """Let it ask for a while."""
        reached = self.asked + 100
        until(lambda: self.asked > reached)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ends.set()
        self._thread.join(PATIENCE * 2)

    def _run(self) -> None:
        packet = DNSRecord.question("www.example.com").pack()
        while not self._ends.is_set():
            # sockets of their own: the kernel spreads clients over the sockets that share a port
            with client(self._port) as sock:
                for number in range(20):
                    self.asked += 1
                    try:
                        sock.send(struct.pack("!H", number) + packet[2:])
                        reply = DNSRecord.parse(sock.recv(4096))
                    except OSError as error:
                        self.wrong.append(repr(error))
                        continue
                    answers = {str(record.rdata) for record in reply.rr}
                    if reply.header.id != number or not answers or answers - self._right:
                        self.wrong.append(str(reply))
