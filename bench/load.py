"""From the start of a server to its first right answer from a large zone: time and memory.

Every server reads the same master file, on one CPU, one after another in each round. The mix, of
ten names: five with A, one each with AAAA, CNAME, MX and TXT, and one delegation, which has two NS
and the two A of its servers. Goals for dnslb and a million records: 2 s, 200 MB.
"""

from __future__ import annotations

import argparse
import shutil
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

from dnslib import DNSRecord
from measure import PATIENCE, SERVER_CPU, TICKS, BenchError, free_port
from report import environment, spread
from servers import Server

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

GOAL_SECONDS: Final = 2.0
GOAL_MEGABYTES: Final = 200

ZONE: Final = "example.com"

STEP: Final = 0.005
"""Seconds between two questions: how exact the times are."""


@dataclass(frozen=True)
class Sample:
    """One start of one server."""

    seconds: float  # until the first right answer
    cpu: float  # seconds that all of its processes took until then
    megabytes: float  # the peaks of all of its processes, summed


def write_zone(path: Path, count: int) -> tuple[str, str]:
    """Write a zone of at least `count` records; returns the last name with A, and its address."""
    address = ""
    with path.open("w", encoding="ascii") as out:
        out.write("$TTL 300\n@ SOA ns1 hostmaster 1 3600 600 86400 60\n@ NS ns1\n")
        out.write("ns1 A 192.0.2.53\n")
        written, tens = 3, 0
        while written < count:
            at = tens * 10
            high, middle, low = at >> 16 & 255, at >> 8 & 255, at & 255
            for host in range(5):
                address = f"10.{high}.{middle}.{low}" if host == 4 else f"10.{host}.{middle}.{low}"
                out.write(f"host{at + host} A {address}\n")
            out.write(f"v6host{at} AAAA 2001:db8::{at >> 16:x}:{at & 0xFFFF:x}\n")
            out.write(f"alias{at} CNAME host{at}\n")
            out.write(f"mail{at} MX 10 host{at}\n")
            out.write(f'text{at} TXT "v=spf1 ip4:10.0.0.0/8 -all"\n')
            out.write(f"sub{at} NS ns1.sub{at}\nsub{at} NS ns2.sub{at}\n")
            out.write(f"ns1.sub{at} A 10.8.{middle}.{low}\nns2.sub{at} A 10.9.{middle}.{low}\n")
            written += 13
            tens += 1
    return f"host{tens * 10 - 6}.{ZONE}", address


def _dnslb(folder: Path, port: int) -> list[str]:
    (folder / "zones").mkdir()
    (folder / "zones" / f"{ZONE}.zone").symlink_to(folder.parent / "zone")
    (folder / "dnslb.yaml").write_text(f'listen: ["127.0.0.1:{port}"]\nworkers: 1\n')
    return [sys.executable, "-m", "dnslb", "serve", str(folder / "dnslb.yaml")]


def _gdnsd(folder: Path, port: int) -> list[str]:
    (folder / "zones").mkdir()
    (folder / "zones" / ZONE).symlink_to(folder.parent / "zone")
    (folder / "config").write_text(
        f"options => {{ listen => 127.0.0.1, dns_port => {port}, udp_threads => 1, "
        f"tcp_threads => 1, run_dir => {folder}/run, state_dir => {folder}/state }}\n"
    )
    return ["gdnsd", "-c", str(folder), "start"]


def _knot(folder: Path, port: int) -> list[str]:
    (folder / "knot.conf").write_text(f"""\
server:
    rundir: {folder}
    listen: 127.0.0.1@{port}
    udp-workers: 1
    tcp-workers: 1
    background-workers: 1
database:
    storage: {folder}
log:
  - target: stderr
    any: warning
zone:
  - domain: {ZONE}
    file: {folder.parent}/zone
    journal-content: none
    zonefile-load: whole
    semantic-checks: off
""")
    return ["knotd", "-c", str(folder / "knot.conf")]


def _nsd(folder: Path, port: int) -> list[str]:
    (folder / "nsd.conf").write_text(f"""\
server:
    ip-address: 127.0.0.1@{port}
    server-count: 1
    username: ""
    chroot: ""
    database: ""
    zonesdir: "{folder}"
    pidfile: "{folder}/pid"
    xfrdfile: "{folder}/xfrd"
    xfrdir: "{folder}"
    zonelistfile: "{folder}/list"
remote-control:
    control-enable: no
zone:
    name: {ZONE}
    zonefile: {folder.parent}/zone
""")
    return ["nsd", "-d", "-c", str(folder / "nsd.conf")]


SERVERS: Final = (
    Server("dnslb", "a plain zone file", sys.executable, _dnslb),
    Server("gdnsd", "", "gdnsd", _gdnsd, "gdnsd", ("gdnsd", "-h")),
    Server("knot", "without semantic checks", "knotd", _knot, "knot", ("knotd", "--version")),
    Server("nsd", "", "nsd", _nsd, "nsd", ("nsd", "-v")),
)


def main() -> int:
    options = _options()
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # so that servers end with us
    servers = [server for server in SERVERS if options.only is None or server.name in options.only]
    for server in servers:
        if shutil.which(server.program) is None:
            print(f"without {server.name}: apt-get install {server.package}", file=sys.stderr)
    servers = [server for server in servers if shutil.which(server.program)]
    samples: dict[str, list[Sample]] = {server.name: [] for server in servers}
    with tempfile.TemporaryDirectory(prefix="dnslb-bench-") as name:
        folder = Path(name)
        question = write_zone(folder / "zone", options.records)
        size = (folder / "zone").stat().st_size
        try:
            for number in range(1, options.rounds + 1):
                for server in servers:
                    sample = measure(server, folder, question)
                    samples[server.name].append(sample)
                    print(f"round {number}: {server.name} {sample}", file=sys.stderr)
        except BenchError as error:
            print(error, file=sys.stderr)
            return 1
        except KeyboardInterrupt:
            return 130
    command = " ".join(["python", "bench/load.py", *sys.argv[1:]])
    print(environment(servers, command))
    print(f"\n{options.records:,} records, {size / 1e6:.0f} MB of text, {options.rounds} rounds\n")
    print(table(samples))
    own = samples.get("dnslb", [])
    missed = own and (
        statistics.median(sample.seconds for sample in own) > GOAL_SECONDS
        or max(sample.megabytes for sample in own) > GOAL_MEGABYTES
    )
    return 1 if missed else 0


def table(samples: dict[str, list[Sample]]) -> str:
    """A row for each server: medians, with the least and the most."""
    rows = [
        "| server | s to the first right answer | CPU s until then | peak MB |",
        "| --- | --- | --- | --- |",
    ]
    for name, taken in samples.items():
        seconds = spread([sample.seconds for sample in taken], ".2f")
        cpu = spread([sample.cpu for sample in taken], ".2f")
        megabytes = spread([sample.megabytes for sample in taken], ".0f")
        rows.append(f"| {name} | {seconds} | {cpu} | {megabytes} |")
    return "\n".join(rows)


def measure(server: Server, folder: Path, question: tuple[str, str]) -> Sample:
    """Start `server` and wait for its first right answer."""
    home = folder / server.name
    home.mkdir()
    port = free_port()
    command = ["taskset", "-c", str(SERVER_CPU), *server.prepare(home, port)]
    with (folder / "log").open("wb") as log:
        begin = time.monotonic()
        process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=log, stderr=log)
    try:
        if not _answers(process, port, question):
            text = (folder / "log").read_text(errors="replace")
            raise BenchError(f"{server.name} does not answer:\n{text}")
        seconds = time.monotonic() - begin
        processes = list(_family(process.pid))
        return Sample(seconds, sum(map(_cpu, processes)), sum(map(_peak, processes)) * 1024 / 1e6)
    finally:
        process.terminate()
        try:
            process.wait(PATIENCE)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        shutil.rmtree(home)


def _answers(process: subprocess.Popen[bytes], port: int, question: tuple[str, str]) -> bool:
    name, address = question
    packet = DNSRecord.question(name).pack()
    deadline = time.monotonic() + 60
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as client:
        client.connect(("127.0.0.1", port))
        while time.monotonic() < deadline and process.poll() is None:
            client.settimeout(STEP)
            try:
                client.send(packet)
                reply = DNSRecord.parse(client.recv(4096))
            except TimeoutError:
                continue
            except ConnectionRefusedError:
                time.sleep(STEP)
                continue
            if [str(record.rdata) for record in reply.rr] == [address]:
                return True
            time.sleep(STEP)
    return False


def _family(pid: int) -> Iterator[int]:
    """A process and all below it."""
    yield pid
    children: Sequence[str] = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    for child in children:
        yield from _family(int(child))


def _cpu(pid: int) -> float:
    """Seconds of CPU time of a process, and of its children that ended."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return sum(map(int, fields[14 - 3 : 18 - 3])) / TICKS


def _peak(pid: int) -> int:
    """The most memory that a process had, in KiB."""
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    (line,) = [line for line in lines if line.startswith("VmHWM")]
    return int(line.split()[1])


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="a large zone: time to answer, memory")
    parser.add_argument("--records", type=int, default=1_000_000, metavar="N")
    parser.add_argument("--rounds", type=int, default=5, metavar="N")
    parser.add_argument("--only", nargs="+", choices=[server.name for server in SERVERS])
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
