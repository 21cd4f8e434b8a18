"""Which files are read, and what is said of those that cannot be."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from configs import NS, ZONE, good, lines, look, warned, write

from dnslb.config.load import examine, load
from dnslb.config.problem import Problem
from dnslb.errors import ConfigError

PLAIN = "@ 300 IN SOA ns.example.org. host 7 1h 15m 2w 60\n@ 300 NS ns.example.org.\n"


@pytest.fixture(autouse=True)
def _inside(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


def told(path: str = "dnslb.yaml") -> list[str]:
    return [str(problem) for problem in examine(Path(path)).problems]


def test_a_missing_file():
    (line,) = told()
    assert line.startswith("dnslb.yaml:1:1: no such file; create it")
    assert "dnslb demo" in line


def test_a_folder_instead_of_a_file(tmp_path):
    (tmp_path / "dnslb.yaml").mkdir()
    assert told() == ["dnslb.yaml:1:1: is a folder; name a file"]


def test_a_file_below_a_file(tmp_path):
    (tmp_path / "x").write_text("")
    assert told("x/dnslb.yaml") == [
        "x/dnslb.yaml:1:1: no such file; a part of its path is no folder"
    ]


def test_a_link_to_itself(tmp_path):
    (tmp_path / "dnslb.yaml").symlink_to("dnslb.yaml")
    assert told() == ["dnslb.yaml:1:1: is a symbolic link that leads to itself"]


def test_a_file_that_may_not_be_read(tmp_path):
    path = write(tmp_path, {ZONE: NS})
    path.chmod(0)
    # root may read everything unless its capabilities are taken away
    without = [] if os.geteuid() else ["setpriv", "--bounding-set=-all"]
    command = [*without, sys.executable, "-m", "dnslb", "check", str(path)]
    result = subprocess.run(command, capture_output=True, text=True, check=False, cwd=tmp_path)
    assert result.returncode == 2
    assert result.stdout.splitlines()[0] == (
        "dnslb.yaml:1:1: may not be read; give this user the permission to read it"
    )


def test_not_utf8(tmp_path):
    path = write(tmp_path, {ZONE: NS})
    (tmp_path / ZONE).write_bytes(b"ttl: 5\n# caf\xc3\xa9 caf\xe9\n")
    assert told() == [f"{ZONE}:2:11: is not UTF-8 text (octet 0xe9); save it as UTF-8"]
    path.write_bytes(b"\xff\xfe")
    assert told()[0].startswith("dnslb.yaml:1:1: is not UTF-8 text")


def test_a_byte_order_mark_is_no_matter(tmp_path):
    path = write(tmp_path, {})
    (tmp_path / "zones").mkdir()
    (tmp_path / ZONE).write_bytes(b"\xef\xbb\xbf" + NS.encode())
    assert list(load(path)[0].zones) == ["example.com."]


@pytest.mark.parametrize(
    ("server", "files", "expected"),
    [
        ("", {}, ("dnslb.yaml:1:1: there is no folder zones; create it and put a zone there, as in "
         "zones/example.com.yaml")),
        ("zones: z\n", {}, ("dnslb.yaml:1:8: zones: there is no folder z; create it and put a zone "
         "there, as in z/example.com.yaml")),
        ("", {"zones/schema.json": "{}", "zones/.x.yaml": ""},
         "dnslb.yaml:1:1: no zones in zones; a zone is a file such as zones/example.com.yaml"),
        ("zones: [a.yaml]\n", {},
         "dnslb.yaml:1:9: zones[0]: there is no file a.yaml; the path is relative to dnslb.yaml"),
        ("zones: a.txt\n", {"a.txt": ""},
         "dnslb.yaml:1:8: zones: a.txt is no zone file; they end in .yaml, .yml, .json or .zone"),
        ("", {"zones/a..b.yaml": NS}, ("zones/a..b.yaml:1:1: a zone file is named by its origin, "
         "and a..b is no domain name: a label is empty")),
        ("", {ZONE: NS, "zones/Example.COM.yml": NS},
         "zones/example.com.yaml:1:1: zone example.com. stands already in zones/Example.COM.yml"),
        ("", {"zones/example.com.yaml/x": ""}, f"{ZONE}:1:1: is a folder; name a file"),
    ],
    ids=["no-folder", "no-folder-named", "empty", "no-file", "suffix", "no-name", "twice", "folder"],
)  # fmt: skip
def test_zones_that_cannot_be_read(tmp_path, server, files, expected):
    write(tmp_path, {"dnslb.yaml": server, **files})
    assert told() == [expected]


def test_zones_from_folders_and_files(tmp_path):
    files = {
        "dnslb.yaml": "zones: [here, there/example.net.yaml, more.example.zone]\n",
        "here/Example.COM.yaml": NS,
        "here/example.org.yml": NS,
        "there/example.net.yaml": "nameservers: [ns.example.com.]\n",
        "there/other.net.yaml": "no: zone",
        "more.example.zone": PLAIN,
    }
    config, _ = load(write(tmp_path, files))
    assert list(config.zones) == ["example.com.", "example.org.", "example.net.", "more.example."]
    assert config.path == tmp_path / "dnslb.yaml"


def test_included_files_are_no_zones(tmp_path):
    zone = f"{NS}include: [legacy.zone, ../other/part.zone]\n"
    files = {ZONE: zone, "zones/legacy.zone": "old A 192.0.2.1\n", "other/part.zone": "x TXT y\n"}
    config, warnings = load(write(tmp_path, files))
    assert list(config.zones) == ["example.com."]
    assert warnings == ()
    owners = [rrset.owner for rrset in config.zones["example.com."].rrsets]
    assert b"\x03old\x07example\x03com\x00" in owners
    assert b"\x01x\x07example\x03com\x00" in owners


def test_problems_of_included_files_have_their_places(tmp_path):
    text = (
        "a A 192.0.2\n@ SOA a b 1 2 3 4 5\n@ NS x.\nb.example.org. A 192.0.2.1\nc 5 A 192.0.2.1\n"
    )
    zone = f"{NS}include: part.zone\nrecords: {{c: {{A: 192.0.2.2}}}}\n"
    examined = look(tmp_path, zone, **{"zones/part.zone": text})
    assert lines(examined, "zones/part.zone") == [
        '1:3: "192.0.2" is no A rdata: "192.0.2" is no IPv4 address',
        '2:1: the SOA record is made from the key "soa"; remove it here',
        '3:1: the zone\'s own NS records are made from "nameservers"; remove them here',
        "4:1: b.example.org. lies outside of the zone example.com.",
        (
            "5:1: c A has TTL 300 elsewhere and 5 here; records of one name and type share one TTL "
            "(RFC 2181 section 5.2)"
        ),
    ]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", ["1:1: needs NS records at its origin", "1:1: needs an SOA record"]),
        (PLAIN + "@ SOA a b 1 2 3 4 5\n", ["3:1: a zone has one SOA record"]),
        (PLAIN + "x 300 SOA a b 1 2 3 4 5\n",
         ["3:1: an SOA record stands at the origin, plain."]),
        (PLAIN + "a DNAME b.\n", []),
        (PLAIN + '$INCLUDE x\na TXT "b\n', [
            "3:10: there is no file x; the path is relative to this file's folder",
            '4:7: " is never closed in its line',
        ]),
        (PLAIN.replace("ns.example.org.", "ns"),
         ["2:1: ns.plain. has no address; add it, as in: ns A 192.0.2.53"]),
    ],
    ids=["empty", "two-soas", "soa-elsewhere", "dname", "syntax", "nameserver"],
)  # fmt: skip
def test_plain_zone_files(tmp_path, text, expected):
    write(tmp_path, {"zones/plain.zone": text})
    assert lines(examine(tmp_path / "dnslb.yaml"), "zones/plain.zone") == expected


def test_a_file_that_another_includes_is_no_zone(tmp_path):
    files = {
        "zones/a.zone": "www A 192.0.2.1\n",
        "zones/plain.zone": PLAIN + "$INCLUDE a.zone\n$INCLUDE ../part\n",
        "part": "x A 192.0.2\n",
    }
    write(tmp_path, files)
    examined = examine(tmp_path / "dnslb.yaml")
    assert [str(problem) for problem in examined.problems] == [
        'zones/../part:1:3: "192.0.2" is no A rdata: "192.0.2" is no IPv4 address'
    ]
    (tmp_path / "part").write_text("x A 192.0.2.2\n")
    config, warnings = load(tmp_path / "dnslb.yaml")
    assert list(config.zones) == ["plain."]
    assert warnings == ()


def test_thousands_of_problems_are_counted(tmp_path):
    wrong = "".join(f"a{n} CNAME b.\na{n} TXT x\nc{n} CNAME nowhere\n" for n in range(1500))
    write(tmp_path, {"zones/plain.zone": PLAIN + wrong})
    examined = examine(tmp_path / "dnslb.yaml")
    told = lines(examined, "zones/plain.zone")
    assert len(told) == 1001
    assert told[0] == "1:1: there are 500 more problems with its records than are told here"
    assert warned(examined, "zones/plain.zone")[0] == (
        "1:1: there are 500 more warnings of its records than are told here"
    )


def test_a_plain_zone_keeps_its_serial(tmp_path):
    config, _ = load(write(tmp_path, {"zones/plain.zone": PLAIN}))
    (soa,) = [rrset for rrset in config.zones["plain."].rrsets if rrset.type == 6]
    assert soa.rdatas[0].endswith(bytes([0, 0, 0, 7, 0, 0, 14, 16]) + bytes.fromhex("00000384") +
                                  bytes.fromhex("001275000000003c"))  # fmt: skip
    assert soa.ttl == 300


def test_names_below_another_zone_are_warned_of(tmp_path):
    zone = (
        f"{NS}records:\n"
        "  sub: {NS: ns.sub}\n"
        "  ns.sub: {A: 192.0.2.1}\n"
        "  lost.sub: {A: 192.0.2.1}\n"
        "  gone.other: {TXT: x}\n"
    )
    examined = look(
        tmp_path, zone, **{"zones/sub.example.com.yaml": NS, "zones/other.example.com.yaml": NS}
    )
    assert lines(examined) == []
    assert warned(examined) == [
        (
            "6:21: records.gone.other.TXT: gone.other.example.com. belongs to the zone in "
            "zones/other.example.com.yaml, so it is never answered from here"
        )
    ]


def test_all_problems_of_all_files_in_order(tmp_path):
    path = write(
        tmp_path,
        {"dnslb.yaml": "wrkers: 1\nlog: {level: x}\n", ZONE: "ttl: x\n", "zones/a.yaml": "b: c\n"},
    )
    with pytest.raises(ConfigError) as caught:
        load(path)
    assert [problem.where for problem in caught.value.problems] == [
        "dnslb.yaml:1:1",
        "dnslb.yaml:2:14",
        "zones/a.yaml:1:1",
        "zones/a.yaml:1:1",
        f"{ZONE}:1:1",
        f"{ZONE}:1:6",
    ]
    assert str(caught.value).count("\n") == 5


def test_a_path_elsewhere_is_shown_in_full(tmp_path, monkeypatch):
    problem = Problem(tmp_path / "a.yaml", 3, 4, "is wrong", "x.y")
    assert str(problem) == "a.yaml:3:4: x.y: is wrong"
    (tmp_path / "sub").mkdir()
    monkeypatch.chdir(tmp_path / "sub")
    assert str(problem) == f"{tmp_path}/a.yaml:3:4: x.y: is wrong"


def test_everything_has_a_default(tmp_path):
    config = good(tmp_path, NS)
    assert config.workers is None
    assert config.state == tmp_path / ".dnslb"
    assert [str(listen) for listen in config.listen] == ["0.0.0.0:53", "[::]:53"]
