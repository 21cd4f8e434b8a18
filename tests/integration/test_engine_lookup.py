"""The engine answers as the reference does: whole responses, for generated zones and queries."""

from __future__ import annotations

import time

from harness import need_engine
from hypothesis import given, settings
from hypothesis import strategies as st
from published import engine_of

from dnslb.engine import new_engine
from reference import generate
from reference.generate import CLIENT
from reference.judge import difference
from reference.names import text
from reference.server import Server, Settings
from reference.zone import Zone

need_engine()


def told(zones, packet, transport, wrong):
    lines = [f"{transport} {packet.hex()}", wrong]
    for zone in zones:
        lines.append(f"zone {text(zone.origin)}")
        lines += [f"  {text(owner)} {node}" for owner, node in zone.nodes.items()]
    return "\n".join(lines)


def agree(engine, server, zones, packet, transport):
    before = int(time.time())
    got = engine.answer(packet, CLIENT, transport)
    moments = {before, int(time.time())}  # a cookie tells which second it is
    wrongs = [
        difference(server.respond(packet, CLIENT, transport, now), got) for now in sorted(moments)
    ]
    wrong = None if None in wrongs else wrongs[0]
    assert wrong is None, told(zones, packet, transport, wrong)


transports = st.sampled_from(["udp", "tcp"])


@settings(max_examples=250)
@given(st.data())
def test_the_engine_agrees(data):
    zones = data.draw(generate.zones())
    decided = data.draw(generate.all_settings)
    engine, server = engine_of(zones, decided), Server(zones, decided)
    for packet in data.draw(st.lists(generate.queries(zones), min_size=1, max_size=30)):
        agree(engine, server, zones, packet, data.draw(transports))


@settings(max_examples=150)
@given(st.data())
def test_the_engine_agrees_on_damaged_queries(data):
    zones = data.draw(generate.zones())
    decided = data.draw(generate.all_settings)
    engine, server = engine_of(zones, decided), Server(zones, decided)
    for query in data.draw(st.lists(generate.queries(zones), min_size=1, max_size=10)):
        agree(engine, server, zones, generate.damaged(data.draw, query), data.draw(transports))


@given(st.binary(max_size=60), transports)
def test_the_engine_agrees_on_noise(packet, transport):
    engine = new_engine()
    agree(engine, Server(None), [], packet, transport)


def test_the_engine_agrees_where_answers_just_fit():
    nodes = {generate.Z: generate.apex(generate.Z, 1, 60, [generate.Z])}
    for count in range(25, 80):
        nodes[(b"n%d" % count, *generate.Z)] = generate.node(f"brim:{count}", [generate.Z])
    zones = [Zone(generate.Z, nodes)]
    decided = Settings(identity=b"ns1.example")
    engine, server = engine_of(zones, decided), Server(zones, decided)
    nsid = [(3, b"")]
    extras = [b"", *(generate.opt(size, 0, 0, 0, nsid) for size in (512, 600, 1232, 4096))]
    for owner in nodes:
        for extra in extras:
            agree(engine, server, zones, generate.question(owner, 1, extra=extra), "udp")
