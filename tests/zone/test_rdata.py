"""Rdata of every type: from text to wire, and back through dnslib's own decoder."""

from __future__ import annotations

import dnslib
import pytest
from dnslib.label import DNSBuffer
from hypothesis import given
from hypothesis import strategies as st

from dnslb.zone.names import ROOT, from_text
from dnslb.zone.rdata import RdataError, parse_rdata, rdata_text, target_of
from dnslb.zone.readers import ALIKE, READERS
from dnslb.zone.tokens import TextError, words
from dnslb.zone.types import NAMES, is_meta, type_name, type_number

ORIGIN = from_text("example.com.")

GOOD = {
    "A": ["192.0.2.1", "0.0.0.0", "255.255.255.255"],
    "AAAA": ["2001:db8::1", "::", "::ffff:192.0.2.1", "1:2:3:4:5:6:7:8"],
    "AFSDB": ["1 db"],
    "CAA": ['0 issue "ca.example.net; x=y"', '128 iodef "mailto:a@b"', '0 issue ";"'],
    "CDNSKEY": ["0 3 0 AA=="],
    "CDS": ["0 0 0 00"],
    "CNAME": ["www", "@", "a.b.", "."],
    "DLV": ["1 8 2 00ff"],
    "DNAME": ["x.y."],
    "DNSKEY": ["257 3 13 AAAA BBBB", "256 3 8 AwEAAQ=="],
    "DS": ["12345 13 2 00FF 00ff", "1 8 1 " + "ab" * 20],
    "HINFO": ['"CPU" "OS"', "a b"],
    "HTTPS": ["0 www", "1 .", '1 . alpn="h2,h3" port=8443', "1 a ipv4hint=192.0.2.1,192.0.2.2"],
    "KX": ["10 kx"],
    "LOC": ["52 22 23 N 4 53 32 E 0m"],
    "MX": ["10 mail", "0 .", "65535 @"],
    "NAPTR": ['100 50 "s" "http+I2R" "" _http._tcp', '1 1 "" "" "!^.*$!sip:a@b!" .'],
    "NS": ["ns", "ns.other."],
    "NSEC": ["b A NS TYPE1234", "@ A"],
    "OPENPGPKEY": ["AAAA"],
    "PTR": ["host"],
    "RP": ["admin txt", ". ."],
    "RRSIG": ["A 13 2 300 20260101000000 20250101000000 1 @ AAAA", "TYPE731 8 0 1h 0 1 2 . AA=="],
    "SMIMEA": ["3 1 1 00"],
    "SOA": ["ns host 1 2 3 4 5", "ns host 4294967295 1w 1d 1h30m 60"],
    "SPF": ['"v=spf1 -all"'],
    "SRV": ["1 2 443 host", "0 0 0 ."],
    "SSHFP": ["4 2 00ff"],
    "SVCB": ["1 . dohpath=/q{?dns} key65000=x"],
    "TLSA": ["3 1 1 00ff 00ff"],
    "TXT": ['"a"', "a b c", '""', '"\\195\\164\\000"', f'"{"x" * 600}"', '"a\\"b\\\\c"'],
    "URI": ['10 1 "https://example.com/"'],
}  # fmt: skip


def wire(kind: str, text: str, origin: bytes = ORIGIN) -> bytes:
    number = type_number(kind)
    assert number is not None
    return parse_rdata(number, words(text), origin)


def test_every_type_that_dnslib_encodes_is_read():
    assert set(dnslib.RDMAP) <= set(READERS)
    assert set(GOOD) == set(READERS)


@pytest.mark.parametrize(
    ("kind", "text"),
    [pytest.param(kind, text, id=f"{kind}-{at}") for kind, texts in GOOD.items()
     for at, text in enumerate(texts)],
)  # fmt: skip
def test_round_trip(kind, text):
    rdata = wire(kind, text)
    number = type_number(kind)
    shown = rdata_text(number, rdata)
    assert parse_rdata(number, words(shown), ROOT) == rdata
    cls = dnslib.RDMAP.get(ALIKE.get(kind, kind))
    if cls is not None:
        decoded = cls.parse(DNSBuffer(rdata), len(rdata))
        buffer = DNSBuffer()
        buffer.encode_name = buffer.encode_name_nocompress
        decoded.pack(buffer)
        assert bytes(buffer.data) == rdata
    generic = f"\\# {len(rdata)} {rdata.hex()}"
    assert parse_rdata(number, words(generic), ROOT) == rdata


@pytest.mark.parametrize(
    ("kind", "text", "expected"),
    [
        ("A", "192.0.2.1", "c0000201"),
        ("MX", "10 @", "000a" + ORIGIN.hex()),
        ("TXT", 'a "b c"', "0161" + "03622063"),
        ("TXT", '"' + "x" * 256 + '"', "ff" + "78" * 255 + "0178"),
        ("SRV", "1 2 3 A.", "000100020003" + "014100"),
        ("CAA", '0 issue ";"', "0005" + b"issue;".hex()),
        ("SOA", "a. b. 1 2m 3 4 5", "016100016200" + "00000001" + "00000078" + "00000003"
         + "00000004" + "00000005"),
        ("NSEC", "a. A MX RRSIG NSEC TYPE1234", "016100" + "0006400100000003" + "041b" + "00" * 26
         + "20"),
        ("CNAME", "a\\.b.c.", "03612e62016300"),
        ("DS", "60485 5 1 2BB183AF", "ec4505012bb183af"),
        ("DS", "60485 RSASHA1 1 2BB183AF", "ec4505012bb183af"),
        ("DNSKEY", "257 3 ecdsap256sha256 AAAA", "0101030d" + "000000"),
    ],
)  # fmt: skip
def test_wire(kind, text, expected):
    assert wire(kind, text).hex() == expected


@pytest.mark.parametrize(
    ("kind", "text", "reason"),
    [
        ("A", "", "the address is missing"),
        ("A", "192.0.2", "no IPv4 address"),
        ("A", "192.0.2.256", "no IPv4 address"),
        ("A", "192.0.2.01", "no IPv4 address"),
        ("A", "192.0.2.1 192.0.2.2", "one field too many"),
        ("AAAA", "192.0.2.1", "no IPv6 address"),
        ("AAAA", "fe80::1%eth0", "zone index"),
        ("MX", "mail", 'preference "mail"'),
        ("MX", "65536 mail", "0 to 65535"),
        ("MX", "-1 mail", "0 to 65535"),
        ("MX", "10", "the host is missing"),
        ("MX", "10 a..b", "a label is empty"),
        ("CNAME", "a b", "one field too many"),
        ("SRV", "1 2 443", "the target is missing"),
        ("SOA", "a b 1 2 3 4", "the minimum is missing"),
        ("SOA", "a b x 2 3 4 5", 'serial "x"'),
        ("SOA", "a b 1 2x 3 4 5", 'refresh "2x"'),
        ("SOA", "a b 1 9999999999 3 4 5", "no time"),
        ("TXT", "", "the text is missing"),
        ("TXT", '"\\999"', "no escape"),
        ("HINFO", f'"{"x" * 256}" b', "256 octets, 255"),
        ("HINFO", "a", "operating system is missing"),
        ("NAPTR", '1 1 "s" "x" ""', "replacement is missing"),
        ("CAA", "256 issue x", "0 to 255"),
        ("CAA", "0 is_sue x", "letters and digits"),
        ("DS", "1 8 2 0", "hexadecimal"),
        ("DS", "1 8 2", "the data is missing"),
        ("TLSA", "3 1 1 xy", "hexadecimal"),
        ("DNSKEY", "257 3 13 A", "base64"),
        ("DNSKEY", "257 3 13 AA==!", "base64"),
        ("RRSIG", "A 13 2 300 20261301000000 20250101000000 1 @ AA==", "YYYYMMDDHHMMSS"),
        ("RRSIG", "A 13 2 300 tomorrow 20250101000000 1 @ AA==", "YYYYMMDDHHMMSS"),
        ("RRSIG", "NOTYPE 13 2 300 0 0 1 @ AA==", "no record type"),
        ("NSEC", "a", "types is missing"),
        ("NSEC", "a FOO", "no record type"),
        ("URI", '1 1 ""', "empty"),
        ("NSEC3", "1 0 0 - x", "write this type as"),
        ("TYPE731", "abc", "write this type as"),
        ("TYPE731", "\\# 1", "rdata is missing"),
        ("TYPE731", "\\# 2 ab", "says 2 octets and has 1"),
        ("TYPE731", "\\# 0 ab", "says 0 octets and has 1"),
        ("TYPE731", "\\# x ab", "number of octets"),
        ("A", "\\# 5 0102030405", "looks otherwise"),
        ("MX", "\\# 3 000a01", "looks otherwise"),
        ("CNAME", "\\# 2 c000", "looks otherwise"),
        ("DNAME", "\\# 2 c000", "looks otherwise"),
    ],
)
def test_no_rdata(kind, text, reason):
    with pytest.raises(RdataError, match=reason):
        wire(kind, text)


def test_a_quoted_marker_is_text():
    assert wire("TXT", '"\\\\#" 1 00') == b"\x02\\#\x011\x0200"


def test_an_empty_rdata():
    assert wire("TYPE731", "\\# 0") == b""
    assert rdata_text(731, b"") == "\\# 0"


@given(
    st.sampled_from(sorted(NAMES)), st.text(alphabet=st.sampled_from('a1.0 "\\#=,@'), max_size=40)
)
def test_any_text(kind, text):
    try:
        found = wire(kind, text)
    except (RdataError, TextError) as error:
        found = str(error).encode()
    assert len(found) <= 0xFFFF


@given(st.sampled_from(sorted(NAMES)), st.binary(max_size=80))
def test_any_rdata_has_a_text_that_means_it(kind, rdata):
    number = NAMES[kind]
    text = rdata_text(number, rdata)
    assert text.isprintable()
    if not text.startswith("\\#"):
        assert parse_rdata(number, words(text), ROOT) == rdata


@given(st.lists(st.binary(max_size=255), min_size=1, max_size=5))
def test_any_strings(strings):
    rdata = b"".join(bytes([len(string)]) + string for string in strings)
    assert parse_rdata(16, words(rdata_text(16, rdata)), ROOT) == rdata


@pytest.mark.parametrize(
    ("kind", "text", "target"),
    [("NS", "a.", "a."), ("CNAME", "a.", "a."), ("MX", "1 a.", "a."), ("SRV", "1 2 3 a.", "a.")],
)
def test_targets(kind, text, target):
    assert target_of(type_number(kind), wire(kind, text)) == from_text(target)


def test_most_types_have_no_target():
    assert target_of(1, wire("A", "192.0.2.1")) is None


@pytest.mark.parametrize(
    ("text", "number"),
    [("A", 1), ("aaaa", 28), ("ANY", 255), ("TYPE1", 1), ("type65535", 65535), ("SMIMEA", 53),
     ("HIP", 55), ("TYPE65536", None), ("TYPE", None), ("TYPE-1", None), ("FOO", None), ("", None),
     ("TYPE\u0661", None)],
)  # fmt: skip
def test_type_numbers(text, number):
    assert type_number(text) == number


def test_type_names():
    assert [type_name(number) for number in (1, 53, 65, 65280)] == [
        "A",
        "SMIMEA",
        "HTTPS",
        "TYPE65280",
    ]
    assert all(type_number(type_name(number)) == number for number in range(0, 65536, 7))
    assert {name for name, number in NAMES.items() if is_meta(number)} == {
        "OPT", "TKEY", "TSIG", "IXFR", "AXFR", "ANY",
    }  # fmt: skip
