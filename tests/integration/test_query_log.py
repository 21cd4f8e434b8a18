"""The query log, read by real readers, while they hang, go away and come back."""

from __future__ import annotations

import json
import re
import signal
import subprocess
import urllib.request

import pytest
from dnslib import DNSRecord
from harness import PATIENCE, ask, client, need_engine, until

from dnstap_reader import Reader, read_file
from ports import free_port
from tools import tool

need_engine()

ZONE = """\
nameservers: [ns1.example.com.]
records: {ns1: {A: 127.0.0.1}}
services:
  www: {members: [{address: 192.0.2.1, name: a}]}
"""
SERVER = 'listen: ["127.0.0.1:0", "[::1]:0"]\napi: {listen: "127.0.0.1:0"}\n'


def metrics(daemon):
    """The figures of the query log: frames, whether it is open, and what was dropped."""
    with urllib.request.urlopen(f"http://127.0.0.1:{daemon.api}/metrics") as response:
        text = response.read().decode()
    found = re.findall(
        r'^dnslb_dnstap_(\w+?)(?:_total)?(?:\{reason="(\w+)"\})? ([0-9.]+)', text, re.MULTILINE
    )
    return {reason or name: float(value) for name, reason, value in found}


@pytest.fixture
def reader(tmp_path):
    made = Reader(tmp_path / "tap")
    yield made
    made.close()


@pytest.fixture
def logging_to(serve, write):
    """A daemon that logs as the text says."""

    def start(text):
        return serve(write(f"{SERVER}dnstap: {text}\n", example_com=ZONE)).ready()

    return start


def dig(port, *arguments):
    command = [tool("dig", "bind9-dnsutils"), "-p", str(port), "+tries=1", *arguments]
    done = subprocess.run(command, capture_output=True, text=True, timeout=PATIENCE, check=True)
    return done.stdout


def v6_port(daemon):
    line = next(line for line in daemon.lines if "ready: " in line)
    return int(re.search(r"\[::1\]:(\d+)", line)[1])


def test_every_field_is_what_dig_sent(logging_to, reader):
    daemon = logging_to(f"{{to: '{reader.to}', identity: here, version: dnslb 0}}")
    tap = reader.accept()
    for place, port, options, protocol in (
        ("127.0.0.1", daemon.port, ["+notcp"], "udp"),
        ("127.0.0.1", daemon.port, ["+tcp"], "tcp"),
        ("::1", v6_port(daemon), ["+notcp"], "udp"),
        ("::1", v6_port(daemon), ["+tcp"], "tcp"),
    ):
        own = free_port(place)
        said = dig(port, f"@{place}", "-b", f"{place}#{own}", *options, "www.example.com")
        number = int(re.search(r"id: (\d+)", said)[1])
        for kind in ("AUTH_QUERY", "AUTH_RESPONSE"):
            told = tap.next()
            assert (told.kind, told.protocol) == (kind, protocol)
            assert (told.identity, told.version) == (b"here", b"dnslb 0")
            assert (told.client, told.server) == ((place, own), (place, port))
            message = DNSRecord.parse(told.packet)
            assert message.header.id == number
            assert message.header.qr == (kind == "AUTH_RESPONSE")
            assert str(message.q.qname) == "www.example.com."
            assert [str(one.rdata) for one in message.rr] == ["192.0.2.1"] * message.header.qr
            if message.header.qr:
                assert told.query_time <= told.response_time < told.query_time + PATIENCE
            else:
                assert told.response_time is None
    daemon.signal(signal.SIGTERM)
    assert tap.next() is None  # a farewell


def test_fstrm_capture_takes_it(serve, write, tmp_path):
    place, captured = tmp_path / "tap", tmp_path / "captured"
    capture = subprocess.Popen(
        [
            tool("fstrm_capture", "fstrm-bin"),
            *("-t", "protobuf:dnstap.Dnstap", "-u", str(place), "-w", str(captured), "-dddd"),
        ],
        stderr=subprocess.PIPE,
        text=True,
    )
    until(place.exists)
    try:
        text = f"{SERVER}dnstap: {{to: 'unix:{place}'}}\n"
        daemon = serve(write(text, example_com=ZONE)).ready()
        until(lambda: metrics(daemon)["open"] == 1)
        for _ in range(50):
            ask(daemon.port, "www.example.com")
        until(lambda: metrics(daemon)["frames"] == 100)
        assert daemon.end() == 0
    finally:
        capture.send_signal(signal.SIGTERM)
        capture.communicate(timeout=PATIENCE)
    assert len(read_file(captured)) == 100
    shown = subprocess.run(
        [tool("dnstap-ldns", "dnstap-ldns"), "-r", str(captured), "-q"],
        capture_output=True,
        text=True,
        timeout=PATIENCE,
        check=True,
    ).stdout.splitlines()
    assert len(shown) == 100
    assert sum(" AQ 127.0.0.1 UDP " in line for line in shown) == 50
    assert (
        sum(" AR 127.0.0.1 UDP " in line and '"www.example.com." IN A' in line for line in shown)
        == 50
    )


def test_by_tcp_and_only_what_is_wanted(logging_to):
    reader = Reader()
    try:
        daemon = logging_to(f"{{to: '{reader.to}', queries: false}}")
        tap = reader.accept()
        for _ in range(3):
            ask(daemon.port, "www.example.com")
        assert [tap.next().kind for _ in range(3)] == ["AUTH_RESPONSE"] * 3
        tap.close()
    finally:
        reader.close()


def test_a_reader_that_hangs_holds_up_no_answer(logging_to, reader):
    daemon = logging_to(f"{{to: '{reader.to}'}}")
    tap = reader.accept()  # and reads no more
    packet = DNSRecord.question("www.example.com").pack()
    with client(daemon.port) as sock:

        def dropped():
            for _ in range(500):
                sock.send(packet)
                sock.recv(512)
            return metrics(daemon)["full"] > 0

        until(dropped)
        # and answers go on
        for _ in range(500):
            sock.send(packet)
            assert DNSRecord.parse(sock.recv(512)).rr
    tap.close()


def test_a_reader_that_goes_away_is_found_again(logging_to, reader, tmp_path):
    daemon = logging_to(f"{{to: '{reader.to}'}}")
    reader.accept().close()
    reader.close()
    daemon.wait_for("cannot be logged to unix:")
    (tmp_path / "tap").unlink()
    ask(daemon.port, "www.example.com")
    until(lambda: metrics(daemon)["unconnected"] == 1)
    assert metrics(daemon)["open"] == 0
    again = Reader(tmp_path / "tap")
    tap = again.accept()
    until(lambda: metrics(daemon)["open"] == 1)
    ask(daemon.port, "ns1.example.com")
    told = tap.next()
    assert str(DNSRecord.parse(told.packet).q.qname) == "ns1.example.com."
    tap.close()
    again.close()


def test_who_speaks_something_else_is_told(logging_to, reader):
    daemon = logging_to(f"{{to: '{reader.to}'}}")
    connection, _ = reader.socket.accept()
    with connection:
        connection.sendall(b"HTTP/1.1 400 Bad Request\r\n\r\n")
        daemon.wait_for("the reader does not speak Frame Streams")
    assert ask(daemon.port, "www.example.com").rr


def test_a_file_is_rotated_by_moving_it_and_reloading(logging_to, tmp_path):
    file = tmp_path / "log.fstrm"
    file.write_bytes(b"from an earlier run")
    daemon = logging_to(f"{{to: 'file:{file}'}}")
    until(lambda: metrics(daemon)["open"] == 1)
    aside = list(tmp_path.glob("log.fstrm.*"))
    assert [path.read_bytes() for path in aside] == [b"from an earlier run"]
    moved = tmp_path / "moved"
    asked = {file: 3, moved: 5}
    for _ in range(asked[moved]):
        ask(daemon.port, "www.example.com")
    until(lambda: metrics(daemon)["frames"] == 2 * asked[moved])
    file.rename(moved)
    daemon.signal(signal.SIGHUP)
    until(file.exists)
    daemon.wait_for("reloaded")
    for _ in range(asked[file]):
        ask(daemon.port, "www.example.com")
    until(lambda: metrics(daemon)["frames"] == 2 * sum(asked.values()))
    daemon.signal(signal.SIGHUP)  # nothing was moved, so nothing changes
    daemon.wait_for("reloaded")
    assert daemon.end() == 0
    for path, count in asked.items():
        assert len(read_file(path)) == 2 * count


def test_a_reload_changes_where_and_how(serve, write, tmp_path):
    first, second = Reader(tmp_path / "first"), Reader(tmp_path / "second")
    daemon = serve(write(f"{SERVER}dnstap: {{to: '{first.to}'}}\n", example_com=ZONE)).ready()
    old = first.accept()
    write(f"{SERVER}dnstap: {{to: '{second.to}', responses: false}}\n")
    daemon.signal(signal.SIGHUP)
    assert old.next() is None
    new = second.accept()
    daemon.wait_for("reloaded")
    ask(daemon.port, "www.example.com")
    assert new.next().kind == "AUTH_QUERY"
    write(SERVER)
    daemon.signal(signal.SIGHUP)
    assert new.next() is None
    daemon.wait_for("reloaded")
    first.close()
    second.close()


def test_who_asks_most_is_told(serve, write):
    daemon = serve(write(SERVER, example_com=ZONE)).ready()
    # what was asked longer ago counts for less, so these take turns however long all of it takes
    for _ in range(20):
        for name in (
            "www.example.com",
            "WWW.example.com",
            "www.example.com",
            "ns1.example.com",
            "www.example.com",
        ):
            ask(daemon.port, name)

    def top():
        with urllib.request.urlopen(f"http://127.0.0.1:{daemon.api}/api/v1/top") as response:
            return json.load(response)

    until(lambda: top()["sampled"] == 100)
    shown = top()
    assert [(one["name"], one["type"]) for one in shown["names"]] == [
        ("www.example.com.", "A"),
        ("ns1.example.com.", "A"),
    ]
    assert [one["share"] for one in shown["names"]] == [
        pytest.approx(0.8, 0.01),
        pytest.approx(0.2, 0.01),
    ]
    assert [one["name"] for one in shown["networks"]] == ["127.0.0.0/24"]
    assert [one["name"] for one in shown["countries"]] == ["unknown"]
    assert shown["window"] == 60
