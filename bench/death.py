"""A backend dies under load and comes back: how long it stays in answers, and what that costs.

Three web servers, `dnslb serve` in front of them, `dnsperf` at a fixed rate. One server is stopped
and later started again while a client looks at an answer every millisecond. Goals: gone within
interval * fall + 1 s, no query lost, no SERVFAIL, back after `rise` passes.
"""

from __future__ import annotations

import argparse
import re
import shutil
import socket
import subprocess
import sys
import tempfile
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Final, NamedTuple

from dnslib import DNSRecord
from measure import number
from report import grid, verdict

INTERVAL: Final = 1.0
RISE: Final = 2
FALL: Final = 3
NAME: Final = "www.example.com"


class Web:
    """A web server that can be stopped and started on its port."""

    def __init__(self, host: str) -> None:
        self.host = host
        self.port = 0
        self.start()

    def start(self) -> None:
        self._server = ThreadingHTTPServer((self.host, self.port), Handler)
        self.port = self._server.server_port
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.01,))
        self._thread.start()

    def stop(self) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


class Handler(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        self.send_response(204)
        self.end_headers()

    def log_message(self, *_: object) -> None:
        pass


class Watch(threading.Thread):
    """Asks every millisecond, and notes when each address was last and first answered."""

    def __init__(self, port: int) -> None:
        super().__init__(daemon=True)
        self.seen: dict[str, list[float]] = {}
        self.bad = 0
        self.ended = threading.Event()
        self._port = port

    def run(self) -> None:
        packet = DNSRecord.question(NAME).pack()
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as client:
            client.settimeout(1)
            client.connect(("127.0.0.1", self._port))
            while not self.ended.wait(0.001):
                client.send(packet)
                reply = DNSRecord.parse(client.recv(512))
                if reply.header.rcode or not reply.rr:
                    self.bad += 1
                for record in reply.rr:
                    self.seen.setdefault(str(record.rdata), []).append(time.monotonic())


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rate", type=int, default=20_000, help="queries a second")
    parser.add_argument("--rounds", type=int, default=3)
    options = parser.parse_args()
    if shutil.which("dnsperf") is None:
        print("dnsperf is missing: apt-get install dnsperf", file=sys.stderr)
        return 2
    limit = INTERVAL * FALL + 1
    deaths = [play(options.rate) for _ in range(options.rounds)]
    head = ["round", "gone after", "back after its start", "sent", "lost", "not NOERROR"]
    rows = [
        [number, f"{of.gone:.2f} s", f"{of.back:.2f} s", f"{of.sent:,}", of.lost, of.wrong]
        for number, of in enumerate(deaths, 1)
    ]
    print(f"Checks every {INTERVAL:g} s, fall {FALL}, rise {RISE}; {options.rate:,} queries/s\n")
    print(grid(head, rows), end="\n\n")
    lines = [
        verdict(f"gone after at most {limit:g} s", [max(of.gone for of in deaths)], most=limit),
        verdict("no query lost", [sum(of.lost for of in deaths)], most=0, form=".0f"),
        verdict("all are NOERROR", [sum(of.wrong for of in deaths)], most=0, form=".0f"),
    ]
    print(*(f"- {line}" for line in lines), sep="\n")
    return int(any("missed" in line for line in lines))


class Death(NamedTuple):
    """What one death and return came to."""

    gone: float  # seconds after its end until it is in no answer
    back: float  # seconds after its start
    sent: int
    lost: int
    wrong: int  # answers that are not NOERROR, or hold no address


def play(rate: int) -> Death:
    """One death and return."""
    webs = [Web(f"127.0.0.{number}") for number in (21, 22, 23)]
    with tempfile.TemporaryDirectory() as folder:
        daemon = serve(Path(folder), webs)
        try:
            assert daemon.stdout
            port = int(re.search(r":(\d+)", daemon.stdout.readline())[1])  # type: ignore[index] # ready
            watch = Watch(port)
            watch.start()
            queries = Path(folder, "queries")
            queries.write_text(f"{NAME} A\n")
            load = subprocess.Popen(
                ["dnsperf", "-s", "127.0.0.1", "-p", str(port), "-d", str(queries),
                 "-Q", str(rate), "-l", "12", "-c", "4"],
                stdout=subprocess.PIPE,
                text=True,
            )  # fmt: skip
            time.sleep(2)
            webs[0].stop()
            died = time.monotonic()
            time.sleep(INTERVAL * FALL + 2)
            webs[0].start()
            rose = time.monotonic()
            output, _ = load.communicate(timeout=60)
            watch.ended.set()
            watch.join()
        finally:
            daemon.terminate()
            daemon.wait(10)
            for web in webs:
                web.stop()
    times = watch.seen[webs[0].host]
    gone = max(moment for moment in times if moment < rose) - died
    back = min(moment for moment in times if moment > rose) - rose
    sent, lost, answered = (
        int(number(rf"Queries {what}:\s+(\d+)", output)) for what in ("sent", "lost", "completed")
    )
    good = int(number(r"NOERROR (\d+) ", output))
    return Death(max(gone, 0.0), back, sent, lost, answered - good + watch.bad)


def serve(folder: Path, webs: list[Web]) -> subprocess.Popen[str]:
    members = "".join(
        f"      - {{name: w{index}, address: {web.host}, check: {{port: {web.port}}}}}\n"
        for index, web in enumerate(webs)
    )
    (folder / "zones").mkdir()
    (folder / "zones" / "example.com.yaml").write_text(
        f"""nameservers: [ns.example.net.]
checks:
  web: {{type: http, interval: {INTERVAL:g}s, timeout: 900ms, rise: {RISE}, fall: {FALL}}}
services:
  www:
    strategy: weighted
    check: web
    members:
{members}"""
    )
    (folder / "dnslb.yaml").write_text('listen: ["127.0.0.1:0"]\n')
    return subprocess.Popen(
        [sys.executable, "-m", "dnslb", "serve", str(folder / "dnslb.yaml")],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )


if __name__ == "__main__":
    sys.exit(main())
