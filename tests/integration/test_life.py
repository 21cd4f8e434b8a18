"""Start, stop, and what is said when it cannot start."""

from __future__ import annotations

import os
import platform
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest
from dnslib import DNSRecord
from harness import PATIENCE, ask, client, threads

from dnslb.priority import CALLS, NICE, OWN
from ports import free_port
from tools import tool

ZONE = """\
nameservers: [ns1.example.com.]
records: {ns1: {A: 127.0.0.1}}
services:
  www: {members: [{name: a, address: 192.0.2.1}, {name: b, address: 192.0.2.2}]}
"""


def run(*arguments, cwd=None, prefix=()):
    return subprocess.run(
        [*prefix, sys.executable, "-m", "dnslb", *arguments],
        capture_output=True,
        text=True,
        timeout=PATIENCE,
        check=False,
        cwd=cwd,
    )


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT], ids=["term", "int"])
def test_signals_end_it_cleanly(serve, write, number):
    daemon = serve(write(example_com=ZONE)).ready()
    assert daemon.addresses("www.example.com") == ["192.0.2.1"]
    daemon.signal(number)
    assert daemon.process.wait(PATIENCE) == 0


def test_tcp_and_udp_share_the_port(serve, write):
    daemon = serve(write(example_com=ZONE)).ready()
    over_udp = daemon.addresses("www.example.com")
    over_tcp = daemon.addresses("www.example.com", tcp=True)
    assert {*over_udp, *over_tcp} == {"192.0.2.1", "192.0.2.2"}


@pytest.mark.parametrize("kind", [socket.SOCK_DGRAM, socket.SOCK_STREAM], ids=["udp", "tcp"])
def test_a_port_in_use_is_told_in_one_line(write, kind):
    with socket.socket(socket.AF_INET, kind) as taken:
        taken.bind(("127.0.0.1", 0))
        if kind == socket.SOCK_STREAM:
            taken.listen()
        port = taken.getsockname()[1]
        config = write(f'listen: ["127.0.0.1:{port}"]\n', example_com=ZONE)
        result = run("serve", str(config))
    assert result.returncode == 1
    assert result.stdout == ""
    (line,) = result.stderr.splitlines()
    assert line.startswith(f"dnslb: cannot listen on 127.0.0.1:{port}: another program has")
    assert "ss -lnptu" in line


def test_a_missing_privilege_is_told_in_one_line(write):
    first = Path("/proc/sys/net/ipv4/ip_unprivileged_port_start")
    if int(first.read_text()) <= 53:
        pytest.skip("this system gives low ports to everybody")
    config = write('listen: ["127.0.0.1:53"]\n', example_com=ZONE)
    without = [] if os.geteuid() else [tool("setpriv", "util-linux"), "--bounding-set=-all"]
    result = run("serve", str(config), prefix=without)
    assert result.returncode == 1
    (line,) = result.stderr.splitlines()
    assert line.startswith(
        "dnslb: cannot listen on 127.0.0.1:53: ports below 1024 need a privilege"
    )
    assert "CAP_NET_BIND_SERVICE" in line


def test_a_missing_configuration_is_told_in_one_line(tmp_path):
    result = run("serve", cwd=tmp_path)
    assert result.returncode == 2
    assert result.stderr.startswith("dnslb.yaml:")
    assert "Traceback" not in result.stderr


def test_a_bad_configuration_prints_all_its_problems_and_starts_nothing(write):
    config = write(example_com=ZONE.replace("address", "adress"), example_net="ttl: soon\n")
    result = run("serve", str(config))
    assert result.returncode == 2
    assert result.stdout == ""
    assert result.stderr.count("adress") >= 2
    assert "example.net.yaml:1:6" in result.stderr


def test_an_address_that_is_not_ours(write):
    config = write('listen: ["192.0.2.1:5300"]\n', example_com=ZONE)
    result = run("serve", str(config))
    assert result.returncode == 1
    assert "no such address" in result.stderr


def test_a_hangup_while_it_starts_reloads_afterwards(serve, write):
    hangs = socket.create_server(("127.0.0.1", 0))  # accepts, and never answers
    port = hangs.getsockname()[1]
    slow = f"{{type: http, port: {port}, timeout: 1s, interval: 2s}}"
    config = write(
        example_com=ZONE.replace("{members", f"{{check: {slow}, members").replace(
            "192.0.2.1", "127.0.0.1"
        )
    )
    daemon = serve(config)
    with hangs:
        hangs.accept()[0].close()  # the first round has begun, so the signal handlers are there
        daemon.signal(signal.SIGHUP)
        daemon.ready()
        daemon.wait_for("reloaded")


@pytest.mark.parametrize("closed", [0, 1, 2], ids=["stdin", "stdout", "stderr"])
def test_a_closed_standard_file_is_no_matter(write, closed):
    config = write('listen: ["127.0.0.1:0"]\nlog: {level: debug}\n', example_com=ZONE)
    shell = f'exec "$0" -m dnslb serve "$1" {closed}>&-'
    process = subprocess.Popen(
        ["sh", "-c", shell, sys.executable, str(config)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    reader, word = (process.stderr, "generation 1") if closed == 1 else (process.stdout, "ready")
    assert any(word in line for line in reader)
    process.terminate()
    output, errors = process.communicate(timeout=PATIENCE)
    assert (process.returncode, "Traceback" in output + errors) == (0, False)


def test_nobody_to_read_the_ready_line(write):
    port = free_port()
    config = write(f'listen: ["127.0.0.1:{port}"]\n', example_com=ZONE)
    command = [sys.executable, "-m", "dnslb", "serve", str(config)]
    with open("/dev/full", "w") as full:  # noqa: PTH123 - a device, not a path of ours
        process = subprocess.Popen(command, stdout=full, stderr=subprocess.PIPE, text=True)
    deadline = time.monotonic() + PATIENCE
    while not serves(port):
        assert process.poll() is None
        assert time.monotonic() < deadline
    process.terminate()
    errors = process.communicate(timeout=PATIENCE)[1]
    assert (process.returncode, "Traceback" in errors) == (0, False)


def serves(port):
    """Whether a daemon answers, and not that it is not ready."""
    with client(port) as sock:
        sock.settimeout(0.5)  # a query that meets the port while it is tried out gets lost
        try:
            sock.send(DNSRecord.question("example.com", "SOA").pack())
            reply = DNSRecord.parse(sock.recv(4096))
        except OSError:  # nobody listens yet
            return False
    # the system may give a client the very port that nobody has, and then it hears itself
    return bool(reply.header.qr) and reply.header.rcode == 0


def test_counters_and_answers_agree(write):
    """The engine's counters, in a server of this process."""
    import asyncio

    from dnslb.config.load import load
    from dnslb.server import Server

    async def session():
        config, _ = load(write(example_com=ZONE))
        server = Server(config)
        server.bind()
        try:
            await server.start()
            port = server.listening[0].port
            for _ in range(10):
                await asyncio.to_thread(ask, port, "www.example.com")
            await asyncio.to_thread(ask, port, "www.example.com", tcp=True)
            await asyncio.to_thread(ask, port, "none.example.com")
            await asyncio.to_thread(ask, port, "www.example.net")
            return server.stats()
        finally:
            await server.stop()

    stats = asyncio.run(session())
    assert stats["queries"]["udp", "NOERROR"] == 10
    assert stats["queries"]["tcp", "NOERROR"] == 1
    assert stats["queries"]["udp", "NXDOMAIN"] == 1
    assert stats["queries"]["udp", "REFUSED"] == 1
    per_backend = {key[3]: count for key, count in stats["answers"].items()}
    assert sorted(per_backend.values()) == [5, 6]


def test_package_and_engine_carry_one_version():
    import dnslb
    from dnslb import _engine

    assert _engine.__version__ == dnslb.__version__


@pytest.mark.skipif(
    sys.platform != "linux" or platform.machine() not in CALLS,
    reason="elsewhere threads have no priorities of their own",
)
def test_threads_that_answer_come_before_those_that_decide(serve, write):
    daemon = serve(write(example_com=ZONE)).ready()
    pid = daemon.process.pid
    nice = {}
    for tid, stat in threads(pid, "stat").items():
        # the name stands in parentheses; nice is the 19th field of all, so the 17th behind it
        name, _, fields = stat.partition("(")[2].rpartition(")")
        nice[name, tid] = int(fields.split()[16])
    answer = {
        value for (name, _), value in nice.items() if name.startswith(("dnslb-udp", "dnslb-tcp"))
    }
    assert answer == {OWN}
    assert {value for (_, tid), value in nice.items() if tid == pid} == {min(OWN + NICE, 19)}
