"""Master files."""

from __future__ import annotations

import pytest

from dnslb.zone.master import parse_master
from dnslb.zone.names import from_text, relative
from dnslb.zone.rdata import rdata_text
from dnslb.zone.types import type_name

ORIGIN = from_text("example.com.")


def read(text: str) -> list[str]:
    parsed = parse_master(text, ORIGIN)
    assert [str(error) for error in parsed.errors] == []
    return [
        f"{relative(record.owner, ORIGIN)} {record.ttl} {type_name(record.type)} "
        f"{rdata_text(record.type, record.rdata)}"
        for record in parsed.records
    ]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("a A 192.0.2.1", ["a None A 192.0.2.1"]),
        ("a 60 A 192.0.2.1", ["a 60 A 192.0.2.1"]),
        ("a 1h30m A 192.0.2.1", ["a 5400 A 192.0.2.1"]),
        ("a IN 60 A 192.0.2.1", ["a 60 A 192.0.2.1"]),
        ("a 60 IN A 192.0.2.1", ["a 60 A 192.0.2.1"]),
        ("a in a 192.0.2.1", ["a None A 192.0.2.1"]),
        ("@ MX 10 mail", ["@ None MX 10 mail.example.com."]),
        ("A.Example.COM. A 192.0.2.1", ["a None A 192.0.2.1"]),
        ("a A 192.0.2.1\n  TXT x\n\n ; y\n\tMX 1 b.", [
            "a None A 192.0.2.1", 'a None TXT "x"', "a None MX 1 b.",
        ]),
        ("$TTL 1h\na A 192.0.2.1\nb 5 A 192.0.2.1", ["a 3600 A 192.0.2.1", "b 5 A 192.0.2.1"]),
        ("a A 192.0.2.1\n$TTL 5\nb A 192.0.2.1", ["a None A 192.0.2.1", "b 5 A 192.0.2.1"]),
        ("$ORIGIN sub\na MX 1 b\n$ORIGIN x\na TXT t\n", [
            "a.sub None MX 1 b.sub.example.com.", 'a.x.sub None TXT "t"',
        ]),
        ("$ORIGIN sub.example.com.\n@ TXT t\n", ['sub None TXT "t"']),
        ("@ SOA ns host (\n 1 ; serial\n 2h\n 15m 2w 60 )", [
            "@ None SOA ns.example.com. host.example.com. 1 7200 900 1209600 60",
        ]),
        ('a TXT "b ; c" d ; e', ['a None TXT "b ; c" "d"']),
        ("a TYPE731 \\# 3 ab cdef", ["a None TYPE731 \\# 3 ABCDEF"]),
        ("a A \\# 4 C0000201", ["a None A 192.0.2.1"]),
        ("a TXT 300", ['a None TXT "300"']),
        ("a TXT in", ['a None TXT "in"']),
        ("10 PTR x.", ["10 None PTR x."]),
        ("*.w A 192.0.2.1", ["*.w None A 192.0.2.1"]),
    ],
)  # fmt: skip
def test_records(text, expected):
    assert read(text) == expected


def test_places():
    parsed = parse_master("; x\na A 192.0.2.1\n   A 192.0.2.2\n", ORIGIN)
    assert [(record.line, record.column) for record in parsed.records] == [(2, 1), (3, 4)]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (" A 192.0.2.1", ["1:2 no owner name stands here or before"]),
        ("a", ["1:1 the record's type is missing"]),
        ("a 60 IN", ["1:6 the record's type is missing"]),
        ("a FOO x", ['1:3 "FOO" is no type of records']),
        ("a ANY x", ['1:3 "ANY" is no type of records']),
        ("a 60 60 A 192.0.2.1", ['1:6 "60" is no type of records']),
        ("a 9999999999 A 192.0.2.1",
         ['1:3 "9999999999" is no TTL such as 300 or 5m, up to 2147483647']),
        ("a 1x A 192.0.2.1", ['1:3 "1x" is no TTL such as 300 or 5m, up to 2147483647']),
        ("a CH TXT x", ["1:3 class CH is not served, only IN"]),
        ("a..b A 192.0.2.1", ['1:1 "a..b" is no name: a label is empty']),
        ("a A", ['1:3 "" is no A rdata: the address is missing']),
        ("a MX 10 b c", ['1:3 "10 b c" is no MX rdata: "c" is one field too many']),
        ("$TTL", ["1:1 $TTL takes one value"]),
        ("$TTL 1 2", ["1:8 $TTL takes one value"]),
        ("$TTL x", ['1:6 "x" is no TTL such as 300 or 5m, up to 2147483647']),
        ("$ORIGIN a..b", ['1:9 "a..b" is no name: a label is empty']),
        ("$INCLUDE x", ["1:1 $INCLUDE is not read; name the file under `include` instead"]),
        ("$GENERATE 1-9 a A 192.0.2.1",
         ["1:1 $GENERATE has no meaning here; there are $ORIGIN and $TTL"]),
        ("a A 1\nb A 2\nc A 192.0.2.1\nd A (", [
            '1:3 "1" is no A rdata: "1" is no IPv4 address',
            '2:3 "2" is no A rdata: "2" is no IPv4 address',
            "4:5 ( is never closed",
        ]),
        ("a A 192.0.2.1\nb..c A 192.0.2.1\n  TXT x", [
            '2:1 "b..c" is no name: a label is empty',
            "3:3 no owner name stands here or before",
        ]),
    ],
)  # fmt: skip
def test_errors(text, expected):
    parsed = parse_master(text, ORIGIN)
    assert [f"{error.line}:{error.column} {error}" for error in parsed.errors] == expected


def test_reading_goes_on_behind_a_wrong_entry():
    parsed = parse_master("a A x\nb A 192.0.2.1\n", ORIGIN)
    assert len(parsed.errors) == 1
    assert [relative(record.owner, ORIGIN) for record in parsed.records] == ["b"]
