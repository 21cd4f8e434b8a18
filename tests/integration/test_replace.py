"""A new process takes over from the one that runs: sockets, verdicts, operator state, counters."""

from __future__ import annotations

import json
import os
import signal
import socket
import struct
import urllib.request

import pytest
from asking import Asking
from dnslib import DNSRecord
from harness import PATIENCE, need_engine

need_engine()

SERVER = 'listen: ["127.0.0.1:0"]\nworkers: {workers}\napi: {{listen: "127.0.0.1:0"}}\n'
ZONE = """\
nameservers: [ns1.example.com.]
records: {ns1: {A: 127.0.0.1}}
pools:
  web: {members: [{name: a, address: 192.0.2.1}, {name: b, address: 192.0.2.2}]}
services:
  www: {pool: web}
"""


def stats(port):
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=PATIENCE) as response:
        text = response.read().decode()
    return sum(
        float(line.split()[-1])
        for line in text.splitlines()
        if line.startswith("dnslb_queries_total{")
    )


def put_state(port, backend, state):
    request = urllib.request.Request(
        f"http://127.0.0.1:{port}/api/v1/backends/{backend}/state",
        json.dumps({"state": state, "reason": "test"}).encode(),
        {"Content-Type": "application/json"},
        method="PUT",
    )
    with urllib.request.urlopen(request, timeout=PATIENCE) as response:  # noqa: S310 - ours
        assert response.status == 200


@pytest.mark.parametrize("workers", [(2, 2), (1, 3), (3, 1)], ids=["same", "more", "fewer"])
def test_no_query_is_lost(serve, write, workers):
    first, then = workers
    config = write(SERVER.format(workers=first), example_com=ZONE)
    daemon = serve(config).ready()
    put_state(daemon.api, "web/b", "drain")
    daemon.settled("www.example.com", "192.0.2.2", seen=False)
    port = daemon.port
    with Asking(port, {"192.0.2.1"}) as asking:
        for workers_now in (then, first, then):
            asking.go_on()
            config.write_text(SERVER.format(workers=workers_now))
            new = serve(config, "--replace").ready()
            assert (new.port, new.api) == (port, daemon.api)
            assert daemon.process.wait(PATIENCE) == 0
            daemon = new
            asking.go_on()
    assert not asking.wrong
    # 256 queries of `settled` and more, whose count is nobody's business here
    assert stats(daemon.api) >= asking.asked


def test_by_signal(serve, write):
    daemon = serve(write(SERVER.format(workers=1), example_com=ZONE)).ready()
    port = daemon.port
    with Asking(port, {"192.0.2.1", "192.0.2.2"}) as asking:
        daemon.signal(signal.SIGUSR2)
        line = daemon.wait_for("is to take over")
        pid = int(line.split("process ")[1].split()[0])
        daemon.wait_for("ready: ")
        assert daemon.process.wait(PATIENCE) == 0
        asking.go_on()
    assert not asking.wrong
    os.kill(pid, signal.SIGTERM)
    daemon.wait_for("stopping")


def test_a_connection_is_served_until_its_client_goes(serve, write):
    config = write(SERVER.format(workers=1), example_com=ZONE)
    old = serve(config).ready()
    packet = DNSRecord.question("www.example.com").pack()

    def ask(sock):
        sock.sendall(struct.pack("!H", len(packet)) + packet)
        with sock.makefile("rb") as stream:
            (length,) = struct.unpack("!H", stream.read(2))
            assert DNSRecord.parse(stream.read(length)).rr

    with socket.create_connection(("127.0.0.1", old.port), PATIENCE) as sock:
        ask(sock)
        serve(config, "--replace").ready()
        old.wait_for("replaced; TCP clients")
        ask(sock)
        assert old.process.poll() is None
    assert old.process.wait(PATIENCE) == 0


@pytest.mark.parametrize(
    ("server", "zone"),
    [
        (SERVER.format(workers=1), ZONE.replace("pool: web", "pool: none")),
        ('listen: ["127.0.0.1:0", "192.0.2.77:5300"]\nworkers: 1\n', ZONE),
    ],
    ids=["configuration", "address"],
)
def test_one_that_does_not_start_changes_nothing(serve, write, server, zone):
    old = serve(write(SERVER.format(workers=1), example_com=ZONE)).ready()
    with Asking(old.port, {"192.0.2.1", "192.0.2.2"}) as asking:
        new = serve(write(server, example_com=zone), "--replace")
        assert new.process.wait(PATIENCE) in {1, 2}
        serve(write(SERVER.format(workers=1), example_com=ZONE), "--replace").ready()
        assert old.process.wait(PATIENCE) == 0
    assert not asking.wrong


def test_one_that_dies_before_it_answers_changes_nothing(serve, write):
    old = serve(write(SERVER.format(workers=1), example_com=ZONE)).ready()
    with socket.create_server(("127.0.0.1", 0)) as hangs:  # accepts, and never answers
        check = (
            f"check: {{type: http, port: {hangs.getsockname()[1]}, timeout: 20s, interval: 30s}}"
        )
        zone = ZONE.replace("{members", f"{{{check}, members").replace("192.0.2.1", "127.0.0.1")
        with Asking(old.port, {"192.0.2.1", "192.0.2.2"}) as asking:
            new = serve(write(SERVER.format(workers=3), example_com=zone), "--replace")
            connection, _ = hangs.accept()  # it has the sockets, and is in its first round
            asking.go_on()
            new.kill()
            connection.close()
            old.wait_for("has not taken over")
            asking.go_on()
    assert not asking.wrong
    write(example_com=ZONE.replace("nameservers", "ttl: 77\nnameservers"))
    old.signal(signal.SIGHUP)
    old.wait_for("reloaded")


def test_nobody_to_replace(serve, write):
    daemon = serve(write(example_com=ZONE), "--replace").ready()
    assert any("nothing to replace" in line for line in daemon.lines)
