"""The keys of dnslb.yaml."""

from __future__ import annotations

import pytest
from configs import NS, ZONE, good, lines, write

from dnslb.config.listen import listen_of
from dnslb.config.load import examine
from dnslb.config.model import Tcp


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("192.0.2.1", "192.0.2.1:53"),
        ("192.0.2.1:5353", "192.0.2.1:5353"),
        ("192.0.2.1:0", "192.0.2.1:0"),
        ("::", "[::]:53"),
        ("2001:db8::1", "[2001:db8::1]:53"),
        ("[2001:db8::1]", "[2001:db8::1]:53"),
        ("[2001:db8::1]:5353", "[2001:db8::1]:5353"),
    ],
)
def test_listen(text, expected):
    assert str(listen_of(text)) == expected


@pytest.mark.parametrize(
    "text",
    ["", "localhost", "192.0.2", "192.0.2.1:", "192.0.2.1:65536", "192.0.2.1:x", ":53", "*:53",
     "[192.0.2.1]:53", "[::1", "::1]:53", "[]:53", "1:2", "2001:db8::1::53", "192.0.2.1:\u0661"],
)  # fmt: skip
def test_no_listen(text):
    assert listen_of(text) is None


def test_all_keys(tmp_path):
    server = (
        "listen: [127.0.0.1:0, '[::1]:5353']\nworkers: 3\nzones: [zones]\napi: off\n"
        "log: {level: debug, format: json}\n"
    )
    config = good(tmp_path, NS, server)
    assert [str(listen) for listen in config.listen] == ["127.0.0.1:0", "[::1]:5353"]
    assert config.workers == 3
    assert (config.log_level, config.log_format) == ("debug", "json")


def test_interfaces_past_the_sockets(tmp_path):
    assert good(tmp_path, NS).xdp == ()
    assert good(tmp_path, NS, "xdp: eth0\n").xdp == ("eth0",)
    assert good(tmp_path, NS, "xdp: [eth0, wlan0.7]\n").xdp == ("eth0", "wlan0.7")


@pytest.mark.parametrize(
    ("names", "problem"),
    [
        ("[eth0, eth0]", "eth0 stands twice"),
        ("[a/b]", '"a/b" is no name of an interface'),
        ("[..]", '".." is no name of an interface'),
        ("['eth0 ']", '"eth0 " is no name of an interface'),
        ("[sixteen-letters-]", "is no name of an interface"),
    ],
)
def test_no_interfaces(tmp_path, names, problem):
    files = {ZONE: NS, "dnslb.yaml": f"xdp: {names}\n"}
    (found,) = examine(write(tmp_path, files)).problems
    assert problem in str(found)
    assert "dnslb.yaml:1:" in str(found)


def test_what_tcp_clients_may_take(tmp_path):
    assert good(tmp_path, NS).tcp == Tcp(None, None, 10.0, 5.0)
    server = "tcp: {connections: 99, per_client: 9, idle_timeout: 500ms, query_timeout: 1m}\n"
    assert good(tmp_path, NS, server).tcp == Tcp(99, 9, 0.5, 60.0)


@pytest.mark.parametrize(
    "server",
    [
        "workers: auto\n",
        "listen: 127.0.0.1\n",
        "api: off\n",
        "api: {}\n",
        "api: {listen: '[::1]:9000'}\n",
        "state: here\n",
        "health: {processes: 2, canary: [{type: tcp, address: 192.0.2.1, port: 53}]}\n",
        "# nothing\n",
    ],
)
def test_fine(tmp_path, server):
    good(tmp_path, NS, server)


@pytest.mark.parametrize(
    ("server", "problem"),
    [
        ("listen: []\n", "1:9: listen: must not be an empty list"),
        ("zones: []\n", "1:8: zones: must not be an empty list"),
        (
            "listen: [127.0.0.1:5300, 0.0.0.0:5300]\n",
            "1:26: listen[1]: 0.0.0.0:5300 and 127.0.0.1:5300 take each other's packets",
        ),
    ],
)
def test_lists_that_cannot_be(tmp_path, monkeypatch, server, problem):
    monkeypatch.chdir(tmp_path)
    examined = examine(write(tmp_path, {"dnslb.yaml": server, ZONE: NS}))
    assert [line.partition(";")[0] for line in lines(examined, "dnslb.yaml")] == [problem]


FORMS = "is no address to listen on; write 192.0.2.1, 192.0.2.1:53, [2001:db8::1]:53 or 2001:db8::1"


@pytest.mark.parametrize(
    ("server", "expected"),
    [
        ("listen: localhost", [f'1:9: listen: "localhost" {FORMS}']),
        ("listen: [0::1, 0::1]", ["1:16: listen[1]: [::1]:53 stands twice"]),
        (
            "listen: [::1]",
            ['1:10: not valid YAML: what begins with a colon needs quotes, as in "::1"'],
        ),
        ("listen: 53", ['1:9: listen: must be text; quote it: "53"']),
        ("workers: 0", ["1:10: workers: must be auto or a whole number, 1 to 1,024"]),
        (
            "tcp: {connections: 5, per_client: 6}",
            ["1:35: tcp.per_client: is more than all clients together may have: connections is 5"],
        ),
        (
            "tcp: {connections: 0}",
            ["1:20: tcp.connections: must be a whole number, 1 to 1,000,000"],
        ),
        ("tcp: {idle_timeout: 2h}", ["1:21: tcp.idle_timeout: must be 100ms to 1h"]),
        (
            "tcp: {query_timeout: 5}",
            ["1:22: tcp.query_timeout: must be a duration with its unit; write 5s"],
        ),
        ("workers: many", ["1:10: workers: must be auto or a whole number, 1 to 1,024"]),
        ("zone: x", ['1:1: unknown key "zone"; did you mean "zones"?']),
        ("api: on", ['1:6: api: unknown word "on"; there is off']),
        (
            "api: {port: 1}",
            ['1:7: api: unknown key "port"; there are listen, token_file, tls and hosts'],
        ),
        ("api: {listen: x}", [f'1:15: api.listen: "x" {FORMS}']),
        (
            "api: {listen: 192.0.2.1}",
            [
                (
                    "1:15: api.listen: 192.0.2.1:8053 can be reached by others, "
                    'so a "token_file" is needed'
                )
            ],
        ),
        (
            "log: {level: warn, format: xml}",
            [
                '1:14: log.level: unknown word "warn"; did you mean "warning"?',
                '1:28: log.format: unknown word "xml"; there are text and json',
            ],
        ),
        ("state:", ["1:7: state: has no value; write one, or remove the key"]),
        ("- listen", ["1:1: must be a mapping of keys to values"]),
        ("listen: [", ["2:1: not valid YAML: did not find expected node content"]),
    ],
)
def test_problems(tmp_path, monkeypatch, server, expected):
    monkeypatch.chdir(tmp_path)
    examined = examine(write(tmp_path, {"dnslb.yaml": f"{server}\n", ZONE: NS}))
    assert lines(examined, "dnslb.yaml") == expected
