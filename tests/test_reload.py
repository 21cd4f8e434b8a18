"""What a reload says is different."""

from __future__ import annotations

from dataclasses import replace

import pytest

from dnslb.config.load import load
from dnslb.config.model import Cookies
from dnslb.reload import MOST_LOGGED, Change, Reloaded, changes

SERVER = 'listen: ["127.0.0.1:5300"]\n'
ZONE = """\
nameservers: [ns1]
records: {ns1: {A: 127.0.0.1}}
checks:
  web: {type: http, port: 80, interval: 10s}
pools:
  europe:
    strategy: weighted
    check: web
    members: [{name: fra1, address: 192.0.2.1}, {name: ams1, address: 192.0.2.2}]
services:
  www: {pool: europe}
"""


@pytest.fixture
def configured(tmp_path):
    def configured(server, **zones):
        folder = tmp_path / "zones"
        folder.mkdir(exist_ok=True)
        for file in folder.iterdir():
            file.unlink()
        for name, text in zones.items():
            (folder / f"{name.replace('_', '.')}.yaml").write_text(text)
        path = tmp_path / "dnslb.yaml"
        path.write_text(server)
        return load(path)[0]

    return configured


@pytest.mark.parametrize(
    ("server", "zone", "expected"),
    [
        (SERVER, ZONE, []),
        (SERVER + "workers: 2\n", ZONE, ["setting changed: workers: none → 2"]),
        (SERVER + "log: {level: debug}\n", ZONE, ["setting changed: log.level: info → debug"]),
        (
            SERVER + "tcp: {idle_timeout: 5s}\n",
            ZONE,
            ["setting changed: tcp.idle_timeout: 10 → 5"],
        ),
        (
            SERVER,
            ZONE.replace("A: 127.0.0.1", "A: 127.0.0.2"),
            ["zone changed: example.com.: static records"],
        ),
        (
            SERVER,
            ZONE.replace("{pool: europe}", "{pool: europe, ttl: 5}\n  api: {pool: europe}"),
            [
                "service added: example.com. api",
                "service changed: example.com. www: ttl 30 → 5",
            ],
        ),
        (
            SERVER,
            ZONE.replace("strategy: weighted", "strategy: least-load\n    min_up: 2"),
            ["pool changed: example.com. europe: strategy weighted → least-load, min_up 1 → 2"],
        ),
        (
            SERVER,
            ZONE.replace("{name: ams1", "{name: waw1").replace("fra1,", "fra1, weight: 3,"),
            [
                (
                    "pool changed: example.com. europe: member ams1 removed, member waw1 added, "
                    "member fra1 weight 1 → 3"
                ),
                "backend removed: example.com. europe/ams1",
                "backend added: example.com. europe/waw1",
            ],
        ),
        (
            SERVER,
            ZONE.replace("192.0.2.2", "192.0.2.3"),
            ["backend changed: example.com. europe/ams1: addresses 192.0.2.2 → 192.0.2.3"],
        ),
        (
            SERVER,
            ZONE.replace("10s", "5s"),
            [
                "check changed: example.com. europe/ams1: interval 10 → 5",
                "check changed: example.com. europe/fra1: interval 10 → 5",
            ],
        ),
    ],
    ids=[
        "nothing",
        "worker",
        "log",
        "tcp",
        "records",
        "service",
        "pool",
        "members",
        "address",
        "check",
    ],
)
def test_changes(configured, server, zone, expected):
    old = configured(SERVER, example_com=ZONE)
    new = configured(server, example_com=zone)
    assert [str(change) for change in changes(old, new)] == expected


def test_zones_that_come_and_go(configured):
    old = configured(SERVER, example_com=ZONE)
    new = configured(SERVER, example_net=ZONE)
    assert changes(old, new) == (
        Change("zone", "removed", "example.com."),
        Change("zone", "added", "example.net."),
    )


def test_no_secret_is_told(configured):
    old = configured(SERVER, example_com=ZONE)
    cookies = Cookies(secrets=(b"0123456789abcdef",))
    new = replace(old, settings=replace(old.settings, cookies=cookies))
    (change,) = changes(old, new)
    assert str(change) == "setting changed: cookies.secrets: is another"


def test_the_log_has_a_few_lines():
    told = tuple(Change("zone", "added", f"{number}.example.") for number in range(1_000))
    lines = [*Reloaded(ok=True, changes=told).lines()]
    assert len(lines) == MOST_LOGGED + 1
    assert lines[-1] == f"and {1_000 - MOST_LOGGED} more changes"
    assert Reloaded(ok=True)
    assert not Reloaded(ok=False, problems=("bad",))
