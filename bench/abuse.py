"""What abuse costs and what it gains: floods of random names, and floods with a forged source.

A forged source need not be forged here: the flood comes from many addresses of 127.0.0.0/24, which
is one network, and beside it stand clients of the same network who mean it.
"""

from __future__ import annotations

import argparse
import multiprocessing
import secrets
import socket
import statistics
import struct
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

from measure import TICKS, BenchError, Load, dnsperf, free_port, number, running, ticks
from servers import ORIGIN, Server

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from multiprocessing.connection import Connection
    from multiprocessing.synchronize import Event

    from servers import At

NAMES: Final = 1_000_000
"""Random names in a file: more than dnsperf asks for in a round."""

DEEP: Final = ".a" * 99

PATIENCE: Final = 5.0
"""Seconds that a client waits for an answer that has to come."""

CLIENTS: Final = 300
"""Queries of each client who means it, during a flood."""

FLOODERS: Final = 50
"""Addresses that a flood comes from."""

FLOODS: Final = {"TXT of 1,000 octets": ("big", 16), "random names": ("*", 1)}

SERVE: Final = str(Path(__file__).parent / "serve.py")


def label() -> str:
    """A label that is no one's."""
    return secrets.token_hex(6)


SORTS: Final[dict[str, tuple[str, Callable[[], str] | None]]] = {
    "hit, one name": ("NOERROR", None),
    "NXDOMAIN, one name": ("NXDOMAIN", None),
    "NXDOMAIN, random names": ("NXDOMAIN", lambda: f"{label()}.{ORIGIN}"),
    "NXDOMAIN, random names of 100 labels": ("NXDOMAIN", lambda: f"{label()}{DEEP}.{ORIGIN}"),
    "wildcard, random names": ("NOERROR", lambda: f"{label()}.wild.{ORIGIN}"),
}
FIXED: Final = {"hit, one name": f"static.{ORIGIN}", "NXDOMAIN, one name": f"none.{ORIGIN}"}


def main() -> int:
    parser = argparse.ArgumentParser(description="What abuse costs and what it gains")
    parser.add_argument("--rounds", type=int, default=5, metavar="N")
    parser.add_argument("--seconds", type=float, default=3, help="of each load")
    options = parser.parse_args()
    load = Load(options.seconds, 100)
    try:
        with tempfile.TemporaryDirectory(prefix="dnslb-bench-") as folder:
            costs = _costs(_files(Path(folder)), load, options.rounds)
        gains = [_gain(kind, mode, options.seconds) for kind in FLOODS for mode in ("off", "on")]
    except BenchError as error:
        print(error, file=sys.stderr)
        return 1
    print(_cost_table(costs, load), _gain_table(gains), sep="\n\n")
    return 0


def _server(mode: str) -> Server:
    def prepare(_folder: Path, at: At) -> list[str]:
        return [sys.executable, SERVE, str(at.port), mode]

    return Server("dnslb", f"rrl {mode}", sys.executable, prepare)


def _files(folder: Path) -> dict[str, Path]:
    """A file of queries for each sort."""
    files = {}
    for number_, (sort, (_, make)) in enumerate(SORTS.items()):
        files[sort] = folder / str(number_)
        names: Iterator[str] = iter(
            [FIXED[sort]] if make is None else (make() for _ in range(NAMES))
        )
        files[sort].write_text("".join(f"{name} A\n" for name in names))
    return files


def _costs(files: dict[str, Path], load: Load, rounds: int) -> dict[str, list[float]]:
    """CPU microseconds per answer, by sort and round."""
    costs: dict[str, list[float]] = {sort: [] for sort in SORTS}
    sorts = list(SORTS)
    for turn in range(rounds):
        start = turn % len(sorts)
        for sort in (*sorts[start:], *sorts[:start]):
            costs[sort].append(_cost(files[sort], SORTS[sort][0], load))
            print(f"round {turn + 1}: {sort} {costs[sort][-1]:.2f} µs", file=sys.stderr)
    return costs


def _cost(queries: Path, rcode: str, load: Load) -> float:
    with tempfile.TemporaryDirectory(prefix="dnslb-bench-") as folder:
        port = free_port()
        with running(_server("off"), Path(folder), port) as pid:
            before = ticks(pid)
            text = dnsperf(load, port, queries)
            after = ticks(pid)
    answered = number(r"Queries completed:\s+(\d+)", text)
    if not answered or f"{rcode} {answered:.0f} (100.00%)" not in text:
        raise BenchError(f"not every answer was {rcode}:\n{text}")
    return (sum(after) - sum(before)) / TICKS / answered * 1e6


def _cost_table(costs: dict[str, list[float]], load: Load) -> str:
    base = costs["hit, one name"]
    count = len(base)
    rows = [
        f"`{load.shown()}`, {count} rounds",
        "",
        "| queries | CPU µs per answer | least | most | / hit |",
        "| --- | --- | --- | --- | --- |",
    ]
    for sort, values in costs.items():
        ratio = statistics.median(one / hit for one, hit in zip(values, base, strict=True))
        middle = statistics.median(values)
        rows.append(
            f"| {sort} | {middle:.2f} | {min(values):.2f} | {max(values):.2f} | {ratio:.2f} |"
        )
    return "\n".join(rows)


@dataclass(frozen=True)
class Gain:
    """What came back of a flood, and how clients fared who meant it."""

    flood: str
    mode: str
    queries: int
    octets_in: int
    octets_out: int
    by_udp: int  # whole answers at the first try, of clients without a cookie
    by_tcp: int  # truncated ones, which came by TCP
    with_cookie: int
    only_tcp: int


def _gain(flood: str, mode: str, seconds: float) -> Gain:
    with tempfile.TemporaryDirectory(prefix="dnslb-bench-") as folder:
        port = free_port()
        with running(_server(mode), Path(folder), port):
            ours, theirs = multiprocessing.Pipe()
            stop = multiprocessing.Event()
            arguments = (port, FLOODS[flood], stop, theirs)
            flooding = multiprocessing.Process(target=_flood, args=arguments)
            flooding.start()
            began = time.monotonic()
            try:
                ours.recv()  # the network is beyond its rate by now
                name, qtype = FLOODS[flood]
                earnest = [_plain(port, name, qtype), *_vouched(port, name, qtype)]
                time.sleep(max(0.0, seconds - (time.monotonic() - began)))
            finally:
                stop.set()
                sums = ours.recv()
                flooding.join()
    (by_udp, by_tcp), with_cookie, only_tcp = earnest
    return Gain(flood, mode, *sums, by_udp, by_tcp, with_cookie, only_tcp)


def _flood(port: int, what: tuple[str, int], stop: Event, pipe: Connection) -> None:
    """Send as fast as one thread can, and count what comes back."""
    name, qtype = what
    sockets = []
    for last in range(1, FLOODERS + 1):
        sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        sock.bind((f"127.0.0.{last}", 0))
        sock.connect(("127.0.0.1", port))
        sock.settimeout(0.0)
        sockets.append(sock)
    queries = octets_in = octets_out = 0
    told = False
    while not stop.is_set():
        for sock in sockets:
            for _ in range(20):
                packet = query(name, qtype)
                try:
                    octets_in += sock.send(packet)
                    queries += 1
                except BlockingIOError:
                    break
        octets_out += sum(map(_received, sockets))
        if not told and queries > 10_000:
            told = True
            pipe.send(())
    time.sleep(0.2)  # what is on its way
    octets_out += sum(map(_received, sockets))
    pipe.send((queries, octets_in, octets_out))


def _received(sock: socket.socket) -> int:
    octets = 0
    try:
        while True:
            octets += len(sock.recv(4096))
    except BlockingIOError:
        return octets


def query(name: str, qtype: int, cookie: bytes = b"") -> bytes:
    """A query with EDNS; `*` is a random name."""
    labels = [label() if name == "*" else name, *ORIGIN.split(".")]
    wire = b"".join(bytes([len(one)]) + one.encode() for one in labels) + b"\0"
    option = struct.pack("!HH", 10, len(cookie)) + cookie if cookie else b""
    head = secrets.token_bytes(2) + b"\x01\x00\x00\x01\x00\x00\x00\x00\x00\x01"
    opt = struct.pack("!BHHIH", 0, 41, 1232, 0, len(option)) + option
    return head + wire + struct.pack("!HH", qtype, 1) + opt


def _plain(port: int, name: str, qtype: int) -> tuple[int, int]:
    """A client without a cookie: whole answers by UDP, and those that came by TCP instead."""
    by_udp = by_tcp = 0
    for _ in range(CLIENTS):
        answer = _ask(port, query(name, qtype), patience=0.02)
        if answer is None:
            continue
        if answer[2] & 2:
            by_tcp += _by_tcp(port, query(name, qtype))
        else:
            by_udp += 1
    return by_udp, by_tcp


def _vouched(port: int, name: str, qtype: int) -> tuple[int, int]:
    """A client with a cookie, and one by TCP."""
    client = secrets.token_bytes(8)
    cookie = client
    for _ in range(50):  # until an answer, whole or truncated, has brought the cookie
        answer = _ask(port, query(name, qtype, client), patience=0.1)
        if answer:
            at = answer.rindex(b"\x00\x0a\x00\x18" + client)
            cookie = answer[at + 4 : at + 28]
            break
    with_cookie = only_tcp = 0
    for _ in range(CLIENTS):
        answer = _ask(port, query(name, qtype, cookie), PATIENCE)
        with_cookie += answer is not None and not answer[2] & 2
        only_tcp += _by_tcp(port, query(name, qtype))
    return with_cookie, only_tcp


def _ask(port: int, packet: bytes, patience: float) -> bytes | None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.settimeout(patience)
        sock.connect(("127.0.0.1", port))
        sock.send(packet)
        try:
            return sock.recv(4096)
        except TimeoutError:
            return None


def _by_tcp(port: int, packet: bytes) -> bool:
    try:
        with socket.create_connection(("127.0.0.1", port), PATIENCE) as sock:
            sock.sendall(struct.pack("!H", len(packet)) + packet)
            return len(sock.recv(2, socket.MSG_WAITALL)) == 2
    except OSError:
        return False


def _gain_table(gains: Sequence[Gain]) -> str:
    rows = [
        f"Floods from {FLOODERS} addresses of 127.0.0.0/24; clients there ask {CLIENTS} times each",
        "",
        (
            "| flood | rrl | queries | octets in | octets out | out / in | UDP | UDP, then TCP |"
            " UDP with a cookie | TCP |"
        ),
        f"|{' --- |' * 10}",
    ]
    for gain in gains:
        cells = [
            gain.flood,
            gain.mode,
            f"{gain.queries:,}",
            f"{gain.octets_in:,}",
            f"{gain.octets_out:,}",
            f"{gain.octets_out / gain.octets_in:.2f}",
            *(
                f"{count / CLIENTS:.0%}"
                for count in (gain.by_udp, gain.by_tcp, gain.with_cookie, gain.only_tcp)
            ),
        ]
        rows.append(f"| {' | '.join(cells)} |")
    return "\n".join(rows)


if __name__ == "__main__":
    sys.exit(main())
