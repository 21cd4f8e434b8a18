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
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

from dnslib import DNSRecord
from measure import PATIENCE, SERVER_CPU, TICKS, BenchError, free_port
from processes import family, peak
from report import spread, verdict
from servers import ORIGIN, At, dnslb, gdnsd, knot, nsd

if TYPE_CHECKING:
    from collections.abc import Iterator

    from servers import Server

GOAL_SECONDS: Final = 2.0
GOAL_MEGABYTES: Final = 200

ZONE: Final = ORIGIN

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


def servers_of(master: Path) -> list[Server]:
    return [module.static(master) for module in (dnslb, gdnsd, knot, nsd)]


def main() -> int:
    options = _options()
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # so that servers end with us
    with tempfile.TemporaryDirectory(prefix="dnslb-bench-") as name:
        folder = Path(name)
        servers = [
            server
            for server in servers_of(folder / "zone")
            if (options.only is None or server.name in options.only) and not server.missing()
        ]
        samples: dict[str, list[Sample]] = {server.name: [] for server in servers}
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
    print(f"{options.records:,} records, {size / 1e6:.0f} MB of text, {options.rounds} rounds\n")
    print(table(samples), end="\n\n")
    lines = list(_verdicts(samples))
    print(*(f"- {line}" for line in lines), sep="\n")
    return int(any("missed" in line for line in lines))


def _verdicts(samples: dict[str, list[Sample]]) -> Iterator[str]:
    own = samples.get("dnslb")
    if not own:
        return
    seconds, megabytes = [of.seconds for of in own], [of.megabytes for of in own]
    yield verdict(f"ready after at most {GOAL_SECONDS:g} s", seconds, most=GOAL_SECONDS)
    yield verdict(f"at most {GOAL_MEGABYTES} MB", megabytes, most=GOAL_MEGABYTES, form=".0f")
    if "nsd" in samples:
        pairs = zip(own, samples["nsd"], strict=True)
        ratios = [our.cpu / their.cpu for our, their in pairs]
        yield verdict("ready at least as fast as nsd (CPU time, at most 1 x nsd's)", ratios, most=1)
    if "gdnsd" in samples:
        pairs = zip(own, samples["gdnsd"], strict=True)
        ratios = [our.megabytes / their.megabytes for our, their in pairs]
        yield verdict("no more memory than gdnsd (at most 1 x gdnsd's)", ratios, most=1)


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
    command = ["taskset", "-c", str(SERVER_CPU), *server.prepare(home, At(port))]
    with (folder / "log").open("wb") as log:
        begin = time.monotonic()
        process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=log, stderr=log)
    try:
        if not _answers(process, port, question):
            text = (folder / "log").read_text(errors="replace")
            raise BenchError(f"{server.name} does not answer:\n{text}")
        seconds = time.monotonic() - begin
        processes = list(family(process.pid))
        return Sample(seconds, sum(map(_cpu, processes)), sum(map(peak, processes)) / 1e6)
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


def _cpu(pid: int) -> float:
    """Seconds of CPU time of a process, and of its children that ended."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return sum(map(int, fields[14 - 3 : 18 - 3])) / TICKS


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="a large zone: time to answer, memory")
    parser.add_argument("--records", type=int, default=1_000_000, metavar="N")
    parser.add_argument("--rounds", type=int, default=5, metavar="N")
    parser.add_argument("--only", nargs="+", choices=["dnslb", "gdnsd", "knot", "nsd"])
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
