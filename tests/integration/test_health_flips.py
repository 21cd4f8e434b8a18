"""Verdicts change answers, on a daemon whose backends are real web servers."""

from __future__ import annotations

import signal
import threading
from collections import Counter

import pytest
from dnslib import DNSRecord
from harness import ask, client, until

CHECK = "{type: http, path: /healthz, interval: 1s, timeout: 900ms, rise: 2, fall: 2}"


def zone(webs, *, strategy="round-robin", service="", check=CHECK):
    members = "".join(
        f"      - {{name: b{index}, address: {web.host}, check: {{port: {web.port}}}}}\n"
        for index, web in enumerate(webs)
    )
    return (
        "nameservers: [ns.example.net.]\n"
        f"checks:\n  web: {check}\n"
        f"pools:\n  p:\n    strategy: {strategy}\n    check: web\n    members:\n{members}"
        f"services:\n  www: {{pool: p{service}}}\n"
    )


def answers(daemon, queries=20):
    return set(daemon.count("www.example.com", queries))


def test_no_client_meets_an_unchecked_backend(serve, write, webs):
    alive, dead = webs(2)
    dead.stop()
    daemon = serve(write(example_com=zone([alive, dead]))).ready()
    assert answers(daemon) == {alive.host}


def test_a_backend_goes_and_comes_back(serve, write, webs):
    stays, flips = webs(2)
    daemon = serve(write(example_com=zone([stays, flips]))).ready()
    assert answers(daemon) == {stays.host, flips.host}
    flips.stop()
    line = daemon.wait_for("backend p/b1 down")
    assert "refused" in line
    until(lambda: answers(daemon) == {stays.host})
    flips.start()
    daemon.wait_for("backend p/b1 up")
    until(lambda: answers(daemon) == {stays.host, flips.host})


def test_the_verdict_says_why(serve, write, webs):
    stays, fails = webs(2)
    daemon = serve(write(example_com=zone([stays, fails]))).ready()
    fails.status = 503
    assert "503" in daemon.wait_for("backend p/b1 down")


@pytest.mark.parametrize(
    ("when_down", "rcode", "expected"),
    [
        ("", "NOERROR", {"127.0.0.11", "127.0.0.12"}),
        (", when_down: serve-all", "NOERROR", {"127.0.0.11", "127.0.0.12"}),
        (", when_down: nodata", "NOERROR", set()),
        (", when_down: servfail", "SERVFAIL", set()),
        (", when_down: {address: 192.0.2.99}", "NOERROR", {"192.0.2.99"}),
        (", when_down: {target: sorry.example.net.}", "NOERROR", {"sorry.example.net."}),
    ],
    ids=["default", "serve-all", "nodata", "servfail", "address", "target"],
)
def test_when_everything_is_down(serve, write, webs, when_down, rcode, expected):
    dead = webs(2)
    for web in dead:
        web.stop()
    daemon = serve(write(example_com=zone(dead, service=when_down))).ready()
    replies = [daemon.ask("www.example.com") for _ in range(4)]
    assert {str(record.rdata) for reply in replies for record in reply.rr} == expected
    assert {reply.header.get_rcode() for reply in replies} == {0 if rcode == "NOERROR" else 2}
    if when_down.endswith("nodata"):
        assert {record.rtype for reply in replies for record in reply.auth} == {6}


def test_load_steers(serve, write, webs):
    made = webs(3)
    for web, load in zip(made, (0.2, 0.5, 0.8), strict=True):
        web.load = f"TEXT application_utilization={load}"
    check = CHECK.replace("}", ", load: orca}")
    daemon = serve(write(example_com=zone(made, strategy="least-load", check=check))).ready()
    until(
        lambda: (
            daemon.count("www.example.com", 150)
            == {made[0].host: 80, made[1].host: 50, made[2].host: 20}
        )
    )


def test_a_death_under_load_costs_no_query(serve, write, webs):
    stays, dies = webs(2)
    daemon = serve(write(example_com=zone([stays, dies]))).ready()
    packet = DNSRecord.question("www.example.com").pack()
    stop = threading.Event()
    sent: Counter[str] = Counter()

    def load() -> None:
        with client(daemon.port) as sock:
            while not stop.is_set():
                sock.send(packet)
                reply = DNSRecord.parse(sock.recv(512))
                sent[str(reply.rr[0].rdata) if reply.rr else f"rcode {reply.header.rcode}"] += 1

    thread = threading.Thread(target=load)
    thread.start()
    dies.stop()
    daemon.wait_for("backend p/b1 down")
    until(lambda: answers(daemon, 4) == {stays.host})
    dies.start()
    daemon.wait_for("backend p/b1 up")
    stop.set()
    thread.join()
    assert set(sent) == {stays.host, dies.host}


def test_reload_keeps_verdicts_and_serves_the_new_zone(serve, write, webs):
    stays, dead = webs(2)
    dead.stop()
    config = write(example_com=zone([stays, dead]))
    daemon = serve(config).ready()
    write(example_com=zone([stays, dead]).replace("services:\n", "services:\n  api: {pool: p}\n"))
    daemon.signal(signal.SIGHUP)
    daemon.wait_for("reloaded")
    reply = ask(daemon.port, "api.example.com")
    assert [str(record.rdata) for record in reply.rr] == [stays.host]
    assert answers(daemon) == {stays.host}
    # a verdict that was lost would be found, and told, anew
    assert sum("backend p/b1 down" in line for line in daemon.lines) == 1


def test_a_bad_reload_changes_nothing(serve, write, webs):
    (web,) = webs(1)
    config = write(example_com=zone([web]))
    daemon = serve(config).ready()
    write(example_com=zone([web]).replace("strategy: round-robin", "strategy: round-robbin"))
    daemon.signal(signal.SIGHUP)
    assert "zones/example.com.yaml:6:15" in daemon.wait_for("round-robbin")
    daemon.wait_for("nothing changes")
    assert answers(daemon) == {web.host}


def test_a_service_that_is_down_is_told(serve, write, webs):
    (web,) = webs(1)
    daemon = serve(write(example_com=zone([web], service=", when_down: nodata"))).ready()
    web.stop()
    daemon.wait_for("service www.example.com. down: everything under it is; when_down nodata")
    web.start()
    daemon.wait_for("service www.example.com. up")
