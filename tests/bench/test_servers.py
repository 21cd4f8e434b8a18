"""Each server's configuration is one that it starts with, and it then answers as all others do."""

import os
import sys
from pathlib import Path

import pytest

from ports import free_port
from tools import tool

sys.path.append(str(Path(__file__).parents[2] / "bench"))

from measure import running
from queries import ask, hosts, probe, zone_of
from servers import NAME, bind, dnslb, gdnsd, knot, nsd, pdns

MODULES = (dnslb, gdnsd, knot, nsd, bind, pdns)
CHOOSING = {
    "dnslb": dnslb.weighted,
    "gdnsd": gdnsd.weighted,
    "knot": knot.weighted,
    "pdns": pdns.geoip,
    "pdns-lua": pdns.pickwrandom,
}


def need(server):
    """Skip the test where the server is not here; in CI fail."""
    tool("taskset", "util-linux")
    if missing := server.missing():
        (pytest.fail if os.environ.get("CI") else pytest.skip)(missing)


@pytest.mark.parametrize("module", MODULES, ids=lambda module: module.__name__)
def test_static(module, tmp_path):
    server = module.static(zone_of(tmp_path / "zone", 100))
    need(server)
    port = free_port()
    with running(server, tmp_path, port):
        hits = ask(tmp_path / "hits", hosts(100))
        others = ask(tmp_path / "others", ["none.example.com A"], rcode="NXDOMAIN", records=0)
        assert not probe(hits, "127.0.0.1", port)
        assert not probe(others, "127.0.0.1", port)
        assert "not NXDOMAIN" in probe(
            ask(tmp_path / "wrong", hosts(1), rcode="NXDOMAIN"), "127.0.0.1", port
        )


@pytest.mark.parametrize("make", CHOOSING.values(), ids=CHOOSING)
def test_weighted(make, tmp_path):
    server = make()
    need(server)
    port = free_port()
    with running(server, tmp_path, port):
        assert not probe(ask(tmp_path / "queries", [f"{NAME} A"]), "127.0.0.1", port)
