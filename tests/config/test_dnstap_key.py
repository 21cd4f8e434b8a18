"""The query log: `dnstap` of dnslb.yaml."""

from __future__ import annotations

from ipaddress import ip_address
from pathlib import Path

import pytest
from configs import NS, ZONE, good, lines, write

from dnslb.config.load import examine
from dnslb.config.model import Dnstap

UNIX = Dnstap("unix", Path("/run/tap"))


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("off", None),
        ("{to: 'unix:/run/tap'}", UNIX),
        ("{to: 'file:/run/q'}", Dnstap("file", Path("/run/q"))),
        ("{to: 'tcp:192.0.2.1:6000'}", Dnstap("tcp", (ip_address("192.0.2.1"), 6000))),
        ("{to: 'tcp:[2001:db8::1]:6000'}", Dnstap("tcp", (ip_address("2001:db8::1"), 6000))),
        ("{to: 'unix:/run/tap', sample: 1/100}", Dnstap("unix", Path("/run/tap"), 0.01)),
        ("{to: 'unix:/run/tap', sample: 0.5}", Dnstap("unix", Path("/run/tap"), 0.5)),
        ("{to: 'unix:/run/tap', sample: 1}", UNIX),
        ("{to: 'unix:/run/tap', queries: false}", Dnstap("unix", Path("/run/tap"), queries=False)),
        (
            "{to: 'unix:/run/tap', identity: a, version: b}",
            Dnstap("unix", Path("/run/tap"), identity=b"a", version=b"b"),
        ),
    ],
)
def test_what_it_means(tmp_path, text, expected):
    assert good(tmp_path, NS, f"dnstap: {text}\n").dnstap == expected


def test_nothing_is_logged_and_the_busiest_are_watched_unless_said(tmp_path):
    config = good(tmp_path, NS)
    assert (config.dnstap, config.top) == (None, True)
    assert not good(tmp_path, NS, "top: off\n").top


def test_paths_are_relative_to_the_file_and_who_tells_is_the_server(tmp_path):
    text = "identity: {name: ns1, version: '1'}\ndnstap: {to: 'file:q.fstrm'}\n"
    dnstap = good(tmp_path, NS, text).dnstap
    assert dnstap == Dnstap("file", tmp_path / "q.fstrm", identity=b"ns1", version=b"1")
    assert str(dnstap) == f"file:{tmp_path / 'q.fstrm'}"


FORMS = "write unix:/run/dnstap.sock, tcp:192.0.2.1:6000 or file:/var/log/queries.fstrm"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("on", 'dnstap: unknown word "on"'),
        ("{}", f'dnstap: needs "to", where the log goes; {FORMS}'),
        ("{to: /run/tap}", f'dnstap.to: "/run/tap" is no place to log to; {FORMS}'),
        ("{to: 'tcp:192.0.2.1'}", f'dnstap.to: "tcp:192.0.2.1" is no place to log to; {FORMS}'),
        ("{to: 'udp:192.0.2.1:1'}", 'dnstap.to: "udp:192.0.2.1:1" is no place to log to'),
        ("{to: 'unix:'}", 'dnstap.to: "unix:" is no place to log to'),
        ("{to: 'unix:/run/no/tap'}", "dnstap.to: there is no folder /run/no; create it"),
        ("{to: 'file:/run'}", "dnstap.to: /run is a folder"),
        (f"{{to: 'unix:/run/{'x' * 120}'}}", f"dnstap.to: /run/{'x' * 120} has 125 octets"),
        ("{to: 'unix:/run/t', sample: 0}", "dnstap.sample: must be a part such as 1/100, or"),
        ("{to: 'unix:/run/t', sample: 2/3}", "dnstap.sample: must be a part such as 1/100, or"),
        ("{to: 'unix:/run/t', sample: 1.5}", "dnstap.sample: must be a part such as 1/100, or"),
        ("{to: 'unix:/run/t', sample: [1]}", "dnstap.sample: must be a part such as 1/100, or"),
        (
            "{to: 'unix:/run/t', queries: false, responses: false}",
            "dnstap.responses: neither queries nor responses are logged",
        ),
        (
            f"{{to: 'unix:/run/t', identity: {'x' * 256}}}",
            "dnstap.identity: takes 256 octets, 255 is the most",
        ),
    ],
)
def test_problems(tmp_path, monkeypatch, text, expected):
    monkeypatch.chdir(tmp_path)
    examined = examine(write(tmp_path, {"dnslb.yaml": f"dnstap: {text}\n", ZONE: NS}))
    (problem,) = lines(examined, "dnslb.yaml")
    assert problem.partition(": ")[2].startswith(expected)
