"""The same zones in NSD and in a daemon: thousands of answers compared, every difference explained.

What the reference expects is compared as well, so that whole configurations are held against it too.
Run with `-s` to see the table that stands in docs/conformance.md.
"""

from __future__ import annotations

from collections import Counter
from contextlib import ExitStack
from random import Random

import pytest
from explained import EXPLAINED, Case, folded
from harness import Daemon
from peers import ask_all, knot, nsd, write_zones

from reference.judge import difference
from reference.message import comparable, read
from reference.names import decode, text
from reference.server import Server
from reference.written import Writer, asked

ZONES = 24  # and those inside of them
QUERIES = 24_000
SEED = 2308


def daemon(folder, zones):
    """A running daemon with master files."""
    folder.mkdir()
    write_zones(folder / "zones", zones)
    config = folder / "dnslb.yaml"
    config.write_text('listen: ["127.0.0.1:0"]\nworkers: 1\n')
    return Daemon(config).ready()


def explain(case):
    """Which differences there are, and whether that is all."""
    names = []
    theirs = case.theirs
    for kind in EXPLAINED:
        if comparable(case.ours) == comparable(theirs):
            break
        agreed = kind.agree(Case(case.packet, case.name, case.type, case.ours, theirs, case.server))
        if agreed is not None:
            names.append(kind.name)
            theirs = agreed
    return names, comparable(case.ours) == comparable(theirs)


def same(one, other):
    """Whether two responses say the same, as far as a resolver looks."""
    ours, theirs = comparable(folded(read(one))), comparable(folded(read(other)))
    tc = [int(str(each["flags"]), 16) & 0x200 for each in (ours, theirs)]
    return tc[0] == tc[1] and all(ours[key] == theirs[key] for key in ("rcode", "answer"))


@pytest.fixture(scope="module")
def compared(tmp_path_factory):
    random = Random(SEED)
    written = Writer(random).world(ZONES)
    zones = {text(zone.origin)[:-1]: zone.master() for zone in written}
    queries = [asked(random, written) for _ in range(QUERIES)]
    folder = tmp_path_factory.mktemp("nsd")
    with ExitStack() as stack:
        ours = daemon(folder / "dnslb", zones)
        stack.callback(ours.end)
        theirs = stack.enter_context(nsd(folder / "nsd", zones))
        third = stack.enter_context(knot(folder / "knot", zones))
        yield (
            Server([zone.zone() for zone in written]),
            written,
            queries,
            *(ask_all(port, queries) for port in (ours.port, theirs, third)),
        )


def test_as_the_reference_does(compared):
    server, _, queries, ours, _, _ = compared
    for query, answer in zip(queries, ours, strict=True):
        wrong = difference(server.respond(query, "127.0.0.1", "udp", 0), answer)
        assert wrong is None, f"{query.hex()}\n{wrong}"


def test_as_nsd_does_but_for_what_is_explained(compared):
    server, written, queries, ours, theirs, third = compared
    counts = Counter()
    sides = {kind.name: Counter() for kind in EXPLAINED}
    unexplained = []
    for query, mine, other, arbiter in zip(queries, ours, theirs, third, strict=True):
        name, at = decode(query, 12)
        qtype = int.from_bytes(query[at : at + 2], "big")
        case = Case(query, name, qtype, folded(read(mine)), folded(read(other)), server)
        kinds, all_explained = explain(case)
        if not all_explained:
            unexplained.append(f"{text(name)} {qtype}\n  {case.ours}\n  {case.theirs}")
        counts["differ" if kinds else "equal"] += 1
        for kind in kinds:
            counts[kind] += 1
            if kind == "CD" and len(kinds) > 1:
                continue  # so that Knot's word is about the other difference
            side = "we" if same(mine, arbiter) else "NSD" if same(other, arbiter) else "-"
            sides[kind][side] += 1
    tell(queries, written, counts, sides, len(unexplained))
    assert not unexplained, "\n".join([f"{len(unexplained)} unexplained", *unexplained[:10]])
    idle = [kind.name for kind in EXPLAINED if not counts[kind.name]]
    assert not idle, "explained, but met nowhere"


def tell(queries, written, counts, sides, unexplained):
    """The table of docs/conformance.md."""
    zones = [zone.zone() for zone in written]
    sets = [
        rrset for zone in zones for node in zone.nodes.values() for rrset in node.rrsets.values()
    ]
    records = sum(len(rrset.rdatas) for rrset in sets)
    print(
        f"\n{len(queries):,} queries, {len(written)} zones of {records:,} records: "
        f"{counts['equal']:,} answers equal, {counts['differ']:,} explained, {unexplained} unexplained\n"
    )
    print("| difference | answers | right | Knot: as we, as NSD, otherwise | why |")
    print("| --- | --: | --- | --: | --- |")
    for kind in EXPLAINED:
        knot_says = ", ".join(str(sides[kind.name][side]) for side in ("we", "NSD", "-"))
        print(f"| {kind.name} | {counts[kind.name]} | {kind.right} | {knot_says} | {kind.reason} |")
