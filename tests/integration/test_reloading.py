"""Reloads while clients ask: every query is answered, before, meanwhile and afterwards."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys

import pytest
from asking import Asking
from harness import PATIENCE, ask, need_engine

need_engine()

SERVER = 'listen: ["127.0.0.1:0"]\nworkers: 2\n'
ZONE = """\
nameservers: [ns1.example.com.]
records: {{ns1: {{A: 127.0.0.1}}}}
services:
  www: {{ttl: {ttl}, members: [{{name: a, address: 192.0.2.1}}]}}
"""


def test_no_query_is_lost(serve, write):
    daemon = serve(write(SERVER, example_com=ZONE.format(ttl=1))).ready()
    with Asking(daemon.port, {"192.0.2.1"}) as asking:
        for ttl in range(2, 12):
            write(SERVER, example_com=ZONE.format(ttl=ttl))
            daemon.signal(signal.SIGHUP)
            daemon.wait_for(f"service changed: example.com. www: ttl {ttl - 1} → {ttl}")
            daemon.wait_for("reloaded")
            assert daemon.ask("www.example.com").rr[0].ttl == ttl
            asking.go_on()
    assert not asking.wrong


def test_when_files_change(serve, write):
    server = SERVER + "reload: on-change\n"
    daemon = serve(write(server, example_com=ZONE.format(ttl=1))).ready()
    write(server, example_com="services: [")
    daemon.wait_for("so nothing changes")
    write(server, example_com=ZONE.format(ttl=1), example_net=ZONE.format(ttl=9))
    daemon.wait_for("zone added: example.net.")
    daemon.wait_for("reloaded")
    write(SERVER, example_com=ZONE.format(ttl=1))
    daemon.wait_for("setting changed: reload: on-change → when-told")


@pytest.fixture
def manager():
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sock:
        sock.bind(f"\0dnslb-reloading-{os.getpid()}")
        sock.settimeout(PATIENCE)
        yield sock


def test_the_service_manager_hears_of_it(write, manager):
    config = write(SERVER, example_com=ZONE.format(ttl=1))
    environment = {
        **os.environ,
        "NOTIFY_SOCKET": f"@dnslb-reloading-{os.getpid()}",
        "WATCHDOG_USEC": "300000",
    }
    command = [sys.executable, "-m", "dnslb", "serve", str(config)]
    heard: list[str] = []

    def hear(word):
        while not any(word in line for line in heard):
            heard.append(manager.recv(4096).decode())
        found = next(line for line in heard if word in line)
        heard.clear()
        return found

    def start(*arguments):
        return subprocess.Popen(
            [*command, *arguments], env=environment, stdout=subprocess.DEVNULL, stderr=-3
        )

    first = start()
    try:
        assert hear("READY=1").startswith("READY=1\nSTATUS=1 zone, 1 service")
        hear("WATCHDOG=1")
        first.send_signal(signal.SIGHUP)
        assert "MONOTONIC_USEC=" in hear("RELOADING=1")
        hear("READY=1")
        second = start("--replace")
        try:
            assert hear("MAINPID=") == f"MAINPID={second.pid}"
            hear("READY=1")
            assert first.wait(PATIENCE) == 0
            second.terminate()
            hear("STOPPING=1")
            assert second.wait(PATIENCE) == 0
        finally:
            second.kill()
            second.wait()
    finally:
        first.kill()
        first.wait()


def test_sockets_of_the_service_manager(write):
    """As systemd passes them: from file 3 on, with the number of the process."""
    with (
        socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as udp,
        socket.socket(socket.AF_INET, socket.SOCK_STREAM) as tcp,
    ):
        udp.bind(("127.0.0.1", 0))
        port = udp.getsockname()[1]
        tcp.bind(("127.0.0.1", port))
        tcp.listen()
        config = write(
            f'listen: ["127.0.0.1:{port}"]\nworkers: 2\n', example_com=ZONE.format(ttl=1)
        )
        shell = (
            f'exec 3<&{udp.fileno()} 4<&{tcp.fileno()}; LISTEN_PID=$$ LISTEN_FDS=2 exec "$0" '
            '-m dnslb serve "$1"'
        )
        process = subprocess.Popen(
            ["bash", "-c", shell, sys.executable, str(config)],
            pass_fds=(udp.fileno(), tcp.fileno()),
            stdout=subprocess.PIPE,
            text=True,
        )
        try:
            with Asking(port, {"192.0.2.1"}) as asking:  # the first queries wait for the server
                assert process.stdout
                assert f"127.0.0.1:{port}" in process.stdout.readline()
                asking.go_on()
            # before the first round of checks there is no address in the answers
            assert len(asking.wrong) < asking.asked
            assert ask(port, "www.example.com", tcp=True).rr
            process.terminate()
            assert process.wait(PATIENCE) == 0
        finally:
            process.kill()
            process.wait()
            process.stdout.close()
