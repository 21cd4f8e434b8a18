"""Master files, as the engine reads them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from plain_master import parse_master

from dnslb.config.files import why_unreadable
from dnslb.engine import new_records
from dnslb.zone.master import Meaning
from dnslb.zone.names import from_text, relative
from dnslb.zone.rdata import rdata_text
from dnslb.zone.types import NAMES, type_name

if TYPE_CHECKING:
    from pathlib import Path

    from dnslb._engine import Records

ORIGIN = from_text("example.com.")
TTL = 7
"""Seconds of a record without a TTL."""


def parse(path: Path) -> tuple[Records, list[str]]:
    """The records in a file and what is wrong with it, of the file itself without its number."""
    records = new_records(ORIGIN)
    files, problems, _ = records.read(path, TTL, Meaning(why_unreadable), [])
    names = ["", *("" if file == path else f"{file.name}:" for file in files)]
    return records, [
        f"{names[file]}{line}:{column} {text}" for (file, line, column), text in problems
    ]


def shown(records: Records) -> list[str]:
    return [
        f"{relative(rrset.owner, ORIGIN)} {rrset.ttl} {type_name(rrset.type)} "
        f"{rdata_text(rrset.type, rdata)}"
        for rrset in records
        for rdata in rrset.rdatas
    ]


@pytest.fixture
def file(tmp_path):
    return tmp_path / "example.zone"


def read(file: Path, text: str) -> list[str]:
    file.write_text(text, "utf-8")
    records, problems = parse(file)
    assert problems == []
    return shown(records)


def wrong(file: Path, text: str) -> list[str]:
    file.write_text(text, "utf-8")
    return parse(file)[1]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("a A 192.0.2.1", ["a 7 A 192.0.2.1"]),
        ("a 60 A 192.0.2.1", ["a 60 A 192.0.2.1"]),
        ("a 1h30m A 192.0.2.1", ["a 5400 A 192.0.2.1"]),
        ("a IN 60 A 192.0.2.1", ["a 60 A 192.0.2.1"]),
        ("a 60 IN A 192.0.2.1", ["a 60 A 192.0.2.1"]),
        ("a in a 192.0.2.1", ["a 7 A 192.0.2.1"]),
        ("@ MX 10 mail", ["@ 7 MX 10 mail.example.com."]),
        ("A.Example.COM. A 192.0.2.1", ["a 7 A 192.0.2.1"]),
        ("a A 192.0.2.1\n  TXT x\n\n ; y\n\tMX 1 b.", [
            "a 7 A 192.0.2.1", 'a 7 TXT "x"', "a 7 MX 1 b.",
        ]),
        ("$TTL 1h\na A 192.0.2.1\nb 5 A 192.0.2.1", ["a 3600 A 192.0.2.1", "b 5 A 192.0.2.1"]),
        ("a A 192.0.2.1\n$TTL 5\nb A 192.0.2.1", ["a 7 A 192.0.2.1", "b 5 A 192.0.2.1"]),
        # without $TTL the last one that was stated (RFC 1035 section 5.1)
        ("a 5 A 192.0.2.1\nb A 192.0.2.1", ["a 5 A 192.0.2.1", "b 5 A 192.0.2.1"]),
        ("$TTL 9\na 5 A 192.0.2.1\nb A 192.0.2.1", ["a 5 A 192.0.2.1", "b 9 A 192.0.2.1"]),
        ("a CLASS1 5 A 192.0.2.1\nb 5 class1 A 192.0.2.1", [
            "a 5 A 192.0.2.1", "b 5 A 192.0.2.1",
        ]),
        ("a 5 TXT x\n$GENERATE 1-1 h$ A 192.0.2.$\n TXT y", [
            'a 5 TXT "x"', 'a 5 TXT "y"', "h1 5 A 192.0.2.1",
        ]),
        ('$GENERATE 1-2 h$ MX "10 mail$"', [
            "h1 7 MX 10 mail1.example.com.", "h2 7 MX 10 mail2.example.com.",
        ]),
        ('$GENERATE 1-1 h$ TXT "a $"', ['h1 7 TXT "a 1"']),
        ("$ORIGIN sub\na MX 1 b\n$ORIGIN x\na TXT t\n", [
            "a.sub 7 MX 1 b.sub.example.com.", 'a.x.sub 7 TXT "t"',
        ]),
        ("$ORIGIN sub.example.com.\n@ TXT t\n", ['sub 7 TXT "t"']),
        ("@ SOA ns host (\n 1 ; serial\n 2h\n 15m 2w 60 )", [
            "@ 7 SOA ns.example.com. host.example.com. 1 7200 900 1209600 60",
        ]),
        ('a TXT "b ; c" d ; e', ['a 7 TXT "b ; c" "d"']),
        ('a TXT ""', ['a 7 TXT ""']),
        ('a TXT "ä" \\195\\164', ['a 7 TXT "\\195\\164" "\\195\\164"']),
        ("a TYPE731 \\# 3 ab cdef", ["a 7 TYPE731 \\# 3 ABCDEF"]),
        ("a A \\# 4 C0000201", ["a 7 A 192.0.2.1"]),
        ("a TXT 300", ['a 7 TXT "300"']),
        ("a TXT in", ['a 7 TXT "in"']),
        ("10 PTR x.", ["10 7 PTR x."]),
        ("*.w A 192.0.2.1", ["*.w 7 A 192.0.2.1"]),
        ("a\\.b CNAME c\\032d.", ["a\\.b 7 CNAME c\\032d."]),
        ('a HTTPS 1 . alpn="h2,h3" port=8443', ["a 7 HTTPS 1 . alpn=h2,h3 port=8443"]),
        ("a DNAME b.", ["a 7 DNAME b."]),
        ("\ufeffa A 192.0.2.1\r\n", ["a 7 A 192.0.2.1"]),
    ],
)  # fmt: skip
def test_records(file, text, expected):
    assert read(file, text) == expected


def test_records_that_come_late_join_those_of_their_name(file):
    text = "a A 192.0.2.1\nb A 192.0.2.2\na A 192.0.2.3\nb TXT x\na TXT y\na A 192.0.2.4\n"
    file.write_text(text, "utf-8")
    records, problems = parse(file)
    assert (problems, records.check()) == ([], ([], [], 0, 0))
    assert shown(records) == [
        "a 7 A 192.0.2.1",
        "a 7 A 192.0.2.3",
        "a 7 A 192.0.2.4",
        'a 7 TXT "y"',
        "b 7 A 192.0.2.2",
        'b 7 TXT "x"',
    ]
    a = from_text("a", ORIGIN)
    assert records.places(a, 1) == [(1, 1, 1), (1, 3, 1), (1, 6, 1)]
    assert records.places(a, 16) == [(1, 5, 1)]


def test_places(file):
    file.write_text("; x\na A 192.0.2.1\n   A 192.0.2.2\n", "utf-8")
    records, _ = parse(file)
    assert records.places(from_text("a", ORIGIN), 1) == [(1, 2, 1), (1, 3, 4)]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (" A 192.0.2.1", ["1:2 no owner name stands here or before"]),
        ("a", ["1:1 the record's type is missing"]),
        ("a 60 IN", ["1:6 the record's type is missing"]),
        ("a FOO x", ['1:3 "FOO" is no type of records']),
        ("a CLASS4 TXT x", ["1:3 class CLASS4 is not served, only IN"]),
        ("a ANY x", ['1:3 "ANY" is no type of records']),
        ("a 60 60 A 192.0.2.1", ['1:6 "60" is no type of records']),
        ("a 9999999999 A 192.0.2.1",
         ['1:3 "9999999999" is no TTL such as 300 or 5m, up to 2147483647']),
        ("a 1x A 192.0.2.1", ['1:3 "1x" is no TTL such as 300 or 5m, up to 2147483647']),
        ("a CH TXT x", ["1:3 class CH is not served, only IN"]),
        ("a..b A 192.0.2.1", ['1:1 "a..b" is no name: a label is empty']),
        ("ä A 192.0.2.1",
         ['1:1 "ä" is no name: names are ASCII; write other letters in their xn-- form']),
        ("a A", ['1:3 "" is no A rdata: the address is missing']),
        ("a MX 10 b c", ['1:3 "10 b c" is no MX rdata: "c" is one field too many']),
        ("a TYPE731 x", [
            '1:3 "x" is no TYPE731 rdata: write this type as \\# <octets> <hexadecimal digits>'
        ]),
        ("$TTL", ["1:1 $TTL takes one value"]),
        ("$TTL 1 2", ["1:8 $TTL takes one value"]),
        ("$TTL x", ['1:6 "x" is no TTL such as 300 or 5m, up to 2147483647']),
        ("$ORIGIN a..b", ['1:9 "a..b" is no name: a label is empty']),
        ("$DATE x", [
            "1:1 $DATE has no meaning here; there are $ORIGIN, $TTL, $INCLUDE and $GENERATE",
        ]),
        ("a A 1\nb A 2\nc A 192.0.2.1\nd A (", [
            '1:3 "1" is no A rdata: "1" is no IPv4 address',
            '2:3 "2" is no A rdata: "2" is no IPv4 address',
            "4:5 ( is never closed",
        ]),
        ("a A 192.0.2.1\nb..c A 192.0.2.1\n  TXT x", [
            '2:1 "b..c" is no name: a label is empty',
            "3:3 no owner name stands here or before",
        ]),
        ('a TXT "b\nc A x', [
            '1:7 " is never closed in its line', '2:3 "x" is no A rdata: "x" is no IPv4 address',
        ]),
        ("a A )", ["1:5 ) without a ("]),
    ],
)  # fmt: skip
def test_errors(file, text, expected):
    assert wrong(file, text) == expected


def test_reading_goes_on_behind_a_wrong_entry(file):
    file.write_text("a A x\nb A 192.0.2.1\n", "utf-8")
    records, problems = parse(file)
    assert len(problems) == 1
    assert shown(records) == ["b 7 A 192.0.2.1"]


def test_a_flood_of_problems_is_dammed(file):
    problems = wrong(file, "a A x\n" * 5000)
    assert len(problems) == 1000
    assert problems[-1] == "1000:3 1000 problems so far; the rest is not read"


def test_other_encodings(file):
    file.write_bytes("a TXT ö\nb TXT äö".encode() + b"\xe4\nc A x\n")
    _, problems = parse(file)
    assert problems == ["2:9 is not UTF-8 text (octet 0xe4); save it as UTF-8"]


def test_comments_in_other_encodings(file):
    file.write_bytes(
        b'a A 192.0.2.1 ; f\xfcr\n; \xe4\nb TXT "\\";" "c;" ; \xe4 " (\nc A 192.0.2.2 ; \xf6'
    )
    records, problems = parse(file)
    assert problems == []
    assert [record.split(maxsplit=1)[0] for record in shown(records)] == ["a", "b", "c"]


@pytest.mark.parametrize("name", ["nothing.zone", "."])
def test_files_that_cannot_be_read(tmp_path, name):
    records = new_records(ORIGIN)
    _, ((place, told),), _ = records.read(tmp_path / name, TTL, Meaning(why_unreadable), [])
    assert place == (1, 1, 1)
    assert told in {"no such file; create it, or correct its name", "is a folder; name a file"}


def test_an_included_file_has_its_own_origin_and_owner(file, tmp_path):
    (tmp_path / "sub").mkdir()
    (tmp_path / "sub" / "one").write_text(
        "a A 192.0.2.1\n$ORIGIN deep\nb A 192.0.2.2\n$TTL 9\n$INCLUDE two\n"
    )
    (tmp_path / "sub" / "two").write_text("c A 192.0.2.3\n")
    text = "w A 192.0.2.4\n$INCLUDE sub/one x\n  TXT w\nd A 192.0.2.5\n$INCLUDE sub/two\n"
    assert sorted(read(file, text)) == [
        "a.x 7 A 192.0.2.1",
        "b.deep.x 7 A 192.0.2.2",
        "c 9 A 192.0.2.3",
        "c.deep.x 9 A 192.0.2.3",
        "d 9 A 192.0.2.5",
        "w 7 A 192.0.2.4",
        'w 9 TXT "w"',
    ]


def test_what_is_wrong_with_included_files_has_its_place(file, tmp_path):
    (tmp_path / "one").write_text("a A x\n$INCLUDE example.zone\n$INCLUDE one\n")
    text = "$INCLUDE\n$INCLUDE a b c\n$INCLUDE none\n$INCLUDE .\n$INCLUDE one a..b\n$INCLUDE one\n"
    relative_to = "the path is relative to this file's folder"
    assert wrong(file, text) == [
        "1:1 $INCLUDE takes a file and, if need be, an origin",
        "2:14 $INCLUDE takes a file and, if need be, an origin",
        f"3:10 there is no file none; {relative_to}",
        f"4:10 there is no file .; {relative_to}",
        '5:14 "a..b" is no name: a label is empty',
        'one:1:3 "x" is no A rdata: "x" is no IPv4 address',
        "one:2:10 example.zone includes itself",
        "one:3:10 one includes itself",
    ]


def test_files_include_each_other_to_a_bound(file, tmp_path):
    for number in range(20):
        (tmp_path / f"f{number}").write_text(f"a{number} A 192.0.2.1\n$INCLUDE f{number + 1}\n")
    assert wrong(file, "$INCLUDE f0\n") == ["f14:2:10 files include each other 16 deep at the most"]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("$GENERATE 1-3 h$ A 192.0.2.$", [f"h{n} 7 A 192.0.2.{n}" for n in (1, 2, 3)]),
        ("$GENERATE 0-4/2 $ 60 IN PTR h-${1,3,d}", [
            f"{n} 60 PTR h-{n + 1:03}.example.com." for n in (0, 2, 4)
        ]),
        ("$GENERATE 10-11 h${-10} AAAA 2001:db8::${0,0,x}", [
            "h0 7 AAAA 2001:db8::a", "h1 7 AAAA 2001:db8::b",
        ]),
        ('$GENERATE 1-1 a TXT "$ \\$ $$" ${0,4,o} ${0,2,X}',
         ['a 7 TXT "1 $ $" "0001" "01"']),
        ("$GENERATE 171-171 ${0,3,n}.x PTR ${0,0,N}.", ["b.a.x 7 PTR B.A."]),
        ("x A 192.0.2.1\n$GENERATE 2-2 y TXT z\n  TXT last", [
            "x 7 A 192.0.2.1", 'x 7 TXT "last"', 'y 7 TXT "z"',
        ]),
    ],
)  # fmt: skip
def test_generated_records(file, text, expected):
    assert read(file, text) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("$GENERATE 1-2 a", "1:1 $GENERATE takes a range, an owner name, a type and rdata"),
        ("$GENERATE x a A b", '1:11 "x" is no range such as 1-254 or 0-62/2'),
        ("$GENERATE 3-1 a A b", '1:11 "3-1" is no range such as 1-254 or 0-62/2'),
        ("$GENERATE 0-9999999 a A b", '1:11 the range "0-9999999" has more than 1000000 numbers; split it'),
        ("$GENERATE 1-2 a${x} A b", '1:15 "a${x}" has no modifier such as ${0} or ${-1,3,d}'),
        ("$GENERATE 1-2 a${-2} A b", "1:15 the offset -2 makes a number below 0"),
        ("$GENERATE 254-999 a A 192.0.2.$", '1:1 for 256: "192.0.2.256" is no A rdata: "192.0.2.256" is no IPv4 address'),
    ],
)  # fmt: skip
def test_what_cannot_be_generated(file, text, expected):
    assert wrong(file, text) == [expected]


WORDS = st.sampled_from([
    *sorted(NAMES),
    *["a", "b.c", "@", "*", "A.Example.COM.", "x\\.y", "é", "1", "300", "1h", "IN", "in", "CH", "(",
     ")", ";", '"', '"q r"', "192.0.2.1", "192.0.2.01", "2001:db8::1", "::ffff:1.2.3.4", "10", "65536",
     "a..b", "-", "\\# 4 C0000201", "TYPE1", "$TTL", "$ORIGIN", 'k="v w"', "\\", "é" * 3, "abcd"],
])  # fmt: skip
ENTRIES = st.lists(
    st.tuples(st.lists(WORDS, max_size=8), st.sampled_from(["\n", "\n ", "\n\t", "\r\n", " "])),
    max_size=8,
)


@pytest.fixture(scope="module")
def scratch(tmp_path_factory):
    return tmp_path_factory.mktemp("master") / "scratch.zone"


@given(ENTRIES)
@example([(["a", "A", "192.0.2.1"], "\n"), (["a", "60", "A", "192.0.2.2"], "\n")])
def test_the_engine_reads_what_the_plain_reader_reads(scratch, entries):
    text = "".join(" ".join(words) + end for words, end in entries)
    expected = parse_master(text, ORIGIN)
    scratch.write_bytes(text.encode())
    records, problems = parse(scratch)
    told = [f"{error.line}:{error.column} {error}" for error in expected.errors]
    stopped = any("(" in one or '" is never' in one for one in told)
    if stopped or any("has no meaning" in one for one in problems):
        # the plain reader stops there; the engine goes on
        assert problems
        return
    assert problems == told
    _, warnings, _, _ = records.check()
    twice = [finding for finding in warnings if finding[0] == "twice"]
    owned = [record for record in expected.records if record.owner.endswith(ORIGIN)]
    found = {
        (rrset.owner, rrset.type, rdata, place)
        for rrset in records
        for rdata, place in zip(rrset.rdatas, records.places(rrset.owner, rrset.type), strict=True)
    }
    wanted = {}
    for record in owned:
        key = record.owner, record.type, record.rdata
        wanted.setdefault(key, (1, record.line, record.column))
    assert found == {(*key, place) for key, place in wanted.items()}
    assert len(twice) == len(owned) - len(wanted)


FIELDS = st.sampled_from(
    ["a", "b.c.", "@", ".", "1", "65535", "65536", "007", "0", "255", "256", "192.0.2.1", "1.2.3",
     "01.2.3.4", "2001:DB8::1", "::", "1::2::3", "fe80::1%1", "::1.2.3.4", "ab", "ABCD", "abc", "xy",
     '"q"', '""', "\\065", "x" * 300, "é", "a" * 63, "a" * 64, "+1", "1_0", "٣"]
)  # fmt: skip


@given(st.sampled_from(sorted(NAMES)), st.lists(FIELDS, max_size=6))
def test_rdata_is_read_as_python_defines_it(scratch, kind, fields):
    text = f"a {kind} {' '.join(fields)}\n"
    expected = parse_master(text, ORIGIN)
    scratch.write_bytes(text.encode())
    records, problems = parse(scratch)
    assert problems == [f"{error.line}:{error.column} {error}" for error in expected.errors]
    assert [rdata for rrset in records for rdata in rrset.rdatas] == [
        record.rdata for record in expected.records
    ]
