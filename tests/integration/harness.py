"""A real daemon on loopback, real web servers that flip, real clients."""

from __future__ import annotations

import contextlib
import os
import queue
import socket
import struct
import subprocess
import sys
import threading
import time
from collections import Counter
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from dnslib import EDNS0, QTYPE, DNSQuestion, DNSRecord, EDNSOption

from dnslb.engine import new_engine
from dnslb.errors import EngineMissingError

if TYPE_CHECKING:
    from collections.abc import Callable
    from signal import Signals

ROOT = Path(__file__).parents[2]
PATIENCE = 30.0  # seconds until something that is due counts as missing


def need_engine() -> None:
    """Skip the module that calls this where the engine is not built; in CI it fails."""
    try:
        new_engine()
    except EngineMissingError as error:
        if os.environ.get("CI"):
            raise
        pytest.skip(str(error), allow_module_level=True)


class Daemon:
    """A running `dnslb serve`."""

    def __init__(self, config: Path, *arguments: str, cwd: Path | None = None) -> None:
        self.lines: list[str] = []
        self._queue: queue.Queue[str | None] = queue.Queue()
        self.process = subprocess.Popen(
            [sys.executable, "-m", "dnslb", "serve", str(config), *arguments],
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            cwd=cwd,
        )
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()
        self.port = 0
        self.api = 0  # the API's port, 0 without one
        self.killed = False

    def _read(self) -> None:
        assert self.process.stdout
        for line in self.process.stdout:
            self._queue.put(line.rstrip("\n"))
        self._queue.put(None)

    def wait_for(self, text: str, seconds: float = PATIENCE) -> str:
        """The next line that holds `text`."""
        deadline = time.monotonic() + seconds
        while True:
            try:
                line = self._queue.get(timeout=max(0.0, deadline - time.monotonic()))
            except queue.Empty:
                line = None
            if line is None:
                seen = "\n".join(self.lines)
                pytest.fail(f"the daemon never said {text!r}; it said:\n{seen}")
            self.lines.append(line)
            if text in line:
                return line

    def said(self, text: str) -> str:
        """A line that holds `text`, whether it came before or is still to come."""
        return next((line for line in self.lines if text in line), None) or self.wait_for(text)

    def ready(self) -> Daemon:
        line = self.wait_for("ready: ")
        self.port = int(line.split(": ")[1].split(", ")[0].rpartition(":")[2])
        self.api = next(
            (int(line.rpartition(":")[2]) for line in self.lines if " api: http://" in line), 0
        )
        return self

    def signal(self, number: Signals) -> None:
        self.process.send_signal(number)

    def kill(self) -> None:
        """End it as a crash would."""
        self.killed = True
        self.process.kill()
        self.process.wait(PATIENCE)

    def end(self) -> int:
        """SIGTERM, and the exit code."""
        if self.process.poll() is None:
            self.process.terminate()
        try:
            code = self.process.wait(PATIENCE)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
            raise
        self._reader.join()
        while not self._queue.empty():
            self.lines += filter(None, [self._queue.get()])
        assert self.process.stdout
        self.process.stdout.close()
        return code

    def ask(self, name: str, qtype: str = "A", **options: object) -> DNSRecord:
        return ask(self.port, name, qtype, **options)

    def addresses(self, name: str, qtype: str = "A", **options: object) -> list[str]:
        """The rdata of the answer section, as text."""
        return [str(record.rdata) for record in self.ask(name, qtype, **options).rr]

    def settled(self, name: str, address: str, *, seen: bool) -> None:
        """Wait until what a log line announced shows: `address` is in answers, or in none."""
        deadline = time.monotonic() + PATIENCE
        while time.monotonic() < deadline:
            met = {self.addresses(name, subnet=f"10.{number}.0.0/16")[0] for number in range(256)}
            if (address in met) is seen:
                return
        pytest.fail(f"{address} is {'not yet' if seen else 'still'} in answers")

    def count(self, name: str, queries: int, qtype: str = "A") -> Counter[str]:
        """How often each first address came."""
        counts: Counter[str] = Counter()
        with client(self.port) as sock:
            packet = DNSRecord(q=DNSQuestion(name, number(qtype))).pack()
            for _ in range(queries):
                sock.send(packet)
                counts[str(DNSRecord.parse(sock.recv(4096)).rr[0].rdata)] += 1
        return counts


def client(port: int, patience: float = PATIENCE) -> socket.socket:
    sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    sock.settimeout(patience)
    sock.connect(("127.0.0.1", port))
    return sock


def number(qtype: str) -> int:
    """The number of a record type: of its name, or of `TYPE123`."""
    return int(qtype[4:]) if qtype.startswith("TYPE") else getattr(QTYPE, qtype)


def ecs(subnet: str) -> EDNSOption:
    """The client-subnet option of RFC 7871 for an IPv4 or IPv6 prefix."""
    text, _, length = subnet.partition("/")
    family, size = (2, 16) if ":" in text else (1, 4)
    packed = socket.inet_pton(socket.AF_INET6 if family == 2 else socket.AF_INET, text)
    kept = (int(length) + 7) // 8
    assert kept <= size
    return EDNSOption(8, struct.pack("!HBB", family, int(length), 0) + packed[:kept])


def ask(
    port: int,
    name: str,
    qtype: str = "A",
    *,
    subnet: str | None = None,
    tcp: bool = False,
    source: str = "127.0.0.1",
    patience: float = PATIENCE,
) -> DNSRecord:
    """One question over UDP or TCP, and the parsed response, which has `patience` seconds."""
    question = DNSRecord(q=DNSQuestion(name, number(qtype)))
    if subnet:
        question.add_ar(EDNS0(udp_len=1232, opts=[ecs(subnet)]))
    if tcp:
        server = ("127.0.0.1", port)
        with socket.create_connection(server, patience, (source, 0)) as sock:
            packet = question.pack()
            sock.sendall(struct.pack("!H", len(packet)) + packet)
            stream = sock.makefile("rb")
            with stream:
                return DNSRecord.parse(stream.read(struct.unpack("!H", stream.read(2))[0]))
    with client(port, patience) as sock:
        sock.send(question.pack())
        reply = DNSRecord.parse(sock.recv(4096))
    if not reply.header.qr:
        # where nobody listens yet, the system may give a client that very port, and it hears itself
        raise ConnectionRefusedError
    return reply


def until(condition: Callable[[], bool]) -> None:
    """What a log line announces is published within milliseconds; ask until it shows."""
    event = threading.Event()
    for _ in range(int(PATIENCE / 0.01)):
        if condition():
            return
        event.wait(0.01)
    pytest.fail("it never came true")


def threads(pid: int, file: str) -> dict[int, str]:
    """What `/proc` tells in `file` of each thread of a process, by the thread's number."""
    told = {}
    for task in Path(f"/proc/{pid}/task").iterdir():
        # a thread may end while the others are looked at
        with contextlib.suppress(FileNotFoundError, ProcessLookupError):
            told[int(task.name)] = (task / file).read_text()
    return told


class Web:
    """A web server on a loopback address of its own; it can die, come back, and say its load."""

    def __init__(self, host: str) -> None:
        self.host = host
        self.port = 0
        self.status = 200
        self.load: str | None = None
        self.hits = 0
        self._server: ThreadingHTTPServer | None = None
        self._thread: threading.Thread | None = None
        self.start()

    def start(self) -> None:
        web = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                web.hits += 1
                self.send_response(web.status)
                if web.load is not None:
                    self.send_header("endpoint-load-metrics", web.load)
                self.send_header("Content-Length", "3")
                self.end_headers()
                self.wfile.write(b"ok\n")

            def log_message(self, *_: object) -> None:
                pass

        self._server = ThreadingHTTPServer((self.host, self.port), Handler)
        self.port = self._server.server_port
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.01,))
        self._thread.start()

    def stop(self) -> None:
        if self._server and self._thread:
            self._server.shutdown()
            self._server.server_close()
            self._thread.join()
            self._server = self._thread = None
