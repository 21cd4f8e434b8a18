"""The subnet strategy over 20,000 client networks, on a daemon whose backends really die."""

from __future__ import annotations

from collections import Counter

from dnslib import EDNS0, DNSRecord
from harness import client, ecs

NETWORKS = [f"10.{number >> 8}.{number & 255}.0/24" for number in range(20_000)]
WINDOW = 64  # queries in flight


def zone(webs):
    members = "".join(
        f"      - {{name: b{index}, address: {web.host}, check: {{port: {web.port}}}}}\n"
        for index, web in enumerate(webs)
    )
    return (
        "nameservers: [ns.example.net.]\n"
        "checks: {web: {type: http, interval: 1s, timeout: 900ms, rise: 2, fall: 2}}\n"
        f"services:\n  www:\n    strategy: subnet\n    check: web\n    members:\n{members}"
    )


def bindings(port):
    """Which backend each network gets, asked with its ECS option."""
    found = {}
    with client(port) as sock:
        for start in range(0, len(NETWORKS), WINDOW):
            batch = NETWORKS[start : start + WINDOW]
            for number, network in enumerate(batch):
                question = DNSRecord.question("www.example.com")
                question.header.id = number
                question.add_ar(EDNS0(udp_len=1232, opts=[ecs(network)]))
                sock.send(question.pack())
            for _ in batch:
                reply = DNSRecord.parse(sock.recv(512))
                found[batch[reply.header.id]] = str(reply.rr[0].rdata)
    return found


def test_networks_keep_their_backends(serve, write, webs):
    made = webs(10)
    config = write(example_com=zone(made))
    daemon = serve(config).ready()
    before = bindings(daemon.port)
    assert bindings(daemon.port) == before

    shares = Counter(before.values())
    even = len(NETWORKS) / len(made)
    assert all(abs(shares[web.host] - even) <= 0.1 * even for web in made), shares

    made[3].stop()
    daemon.wait_for("backend www/b3 down")
    daemon.settled("www.example.com", made[3].host, seen=False)
    without = bindings(daemon.port)
    moved = {network for network in NETWORKS if without[network] != before[network]}
    assert moved == {network for network in NETWORKS if before[network] == made[3].host}
    assert 0.09 <= len(moved) / len(NETWORKS) <= 0.11
    spread = Counter(without[network] for network in moved)
    assert len(spread) == 9  # the others take its clients over together

    made[3].start()
    daemon.wait_for("backend www/b3 up")
    daemon.settled("www.example.com", made[3].host, seen=True)
    assert bindings(daemon.port) == before

    daemon.end()
    assert bindings(serve(config).ready().port) == before
