"""The two types with a grammar of their own: SVCB and LOC."""

from __future__ import annotations

import dnslib
import pytest
from dnslib.label import DNSBuffer

from dnslb.zone.fields import Fields, seconds
from dnslb.zone.loc import location
from dnslb.zone.svcb import check_ech, parameters
from dnslb.zone.tokens import words


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("alpn=h2", {1: b"\x02h2"}),
        ("alpn=h2,h3", {1: b"\x02h2\x02h3"}),
        # the examples of RFC 9460 section A.1
        ('alpn="f\\\\\\\\oo\\\\,bar,h2"', {1: b"\x08f\\oo,bar\x02h2"}),
        ("alpn=f\\\\\\092oo\\092,bar,h2", {1: b"\x08f\\oo,bar\x02h2"}),
        ("port=8443 alpn=h2 no-default-alpn", {1: b"\x02h2", 2: b"", 3: b"\x20\xfb"}),
        ("ipv4hint=192.0.2.1,192.0.2.2", {4: bytes([192, 0, 2, 1, 192, 0, 2, 2])}),
        ("ipv6hint=2001:db8::1", {6: bytes.fromhex("20010db8000000000000000000000001")}),
        ("ech=AAEC", {5: b"\x00\x01\x02"}),
        ("dohpath=/q{?dns}", {7: b"/q{?dns}"}),
        ("ohttp", {8: b""}),
        ("key667=hello", {667: b"hello"}),
        ('key667="hello\\210qoo"', {667: b"hello\xd2qoo"}),
        ("key9", {9: b""}),
        ("mandatory=ipv4hint,alpn alpn=h2 ipv4hint=192.0.2.1",
         {0: b"\x00\x01\x00\x04", 1: b"\x02h2", 4: bytes([192, 0, 2, 1])}),
    ],
)  # fmt: skip
def test_parameters(text, expected):
    found = parameters([token.text for token in words(text)])
    assert dict(found) == expected
    assert [key for key, _ in found] == sorted(expected)


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("foo=1", "is no parameter"),
        ("key65535=1", "is no parameter"),
        ("key01=1", "is no parameter"),
        ("port=1 port=2", "twice"),
        ("port=1 key3=2", "twice"),
        ("port", "needs a value"),
        ("port=", "needs a value"),
        ("port=65536", "from 0 to 65535"),
        ("alpn=h2,,h3", "is empty"),
        ("alpn=a\\\\", "ends the list"),
        ("alpn=h2 no-default-alpn=x", "takes no value"),
        ("no-default-alpn", "needs alpn"),
        ("ipv4hint=2001:db8::1", "ipv4hint"),
        ("ipv6hint=192.0.2.1", "ipv6hint"),
        ("ech=!", "ech"),
        ("mandatory=alpn", "alpn is mandatory and missing"),
        ("mandatory=key667", "key667 is mandatory and missing"),
        ("mandatory=mandatory", "cannot name itself"),
    ],
)
def test_no_parameters(text, reason):
    with pytest.raises(ValueError, match=reason):
        parameters([token.text for token in words(text)])


ECH = bytes.fromhex("fe0d 0003 010203")
OTHER = bytes.fromhex("fe0a 0001 00")


@pytest.mark.parametrize("configs", [ECH, ECH + ECH, OTHER + ECH], ids=["one", "two", "versions"])
def test_ech(configs):
    check_ech(len(configs).to_bytes(2, "big") + configs)


@pytest.mark.parametrize(
    ("value", "reason"),
    [
        (b"", "says 0 octets, and 0 follow"),
        (b"\0", "says 0 octets"),
        (b"\0\0", "and 0 follow"),
        (b"\0\x08" + ECH, "says 8 octets, and 7 follow"),
        (b"\0\x06" + ECH[:6], "cut off"),
        (b"\0\x03" + ECH[:3], "cut off"),
        (b"\0\x04" + ECH[:2] + b"\0\0", "cut off"),
        (b"\0\x05" + OTHER, "version 0xfe0d"),
    ],
    ids=["nothing", "half-a-length", "no-list", "length", "short", "shorter", "empty", "version"],
)
def test_no_ech(value, reason):
    with pytest.raises(ValueError, match=reason):
        check_ech(value)


def loc(text: str) -> bytes:
    fields = Fields(words(text), b"\0")
    rdata = location(fields)
    fields.end()
    return rdata


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("52 22 23.000 N 4 53 32.000 E -2.00m 0.00m 10000m 10m", "52 22 23.000 N 4 53 32.000 E -2.00m 0.00m"),
        ("42 21 54 N 71 06 18 W -24m 30m", "42 21 54.000 N 71 6 18.000 W -24.00m 30.00m"),
        ("37 N 115 W 1381", "37 N 115 W 1381.00m"),
        ("37 14 12.094 N 115 48 14.649 W 1381.00m", "37 14 12.094 N 115 48 14.649 W 1381.00m"),
        ("90 S 180 E 0m 1m 10000m 20m", "90 S 180 E 0.00m 1.00m 10000.00m 20.00m"),
        ("0 n 0 e 42849672.95m", "0 S 0 W 42849672.95m"),
    ],
)  # fmt: skip
def test_locations(text, shown):
    rdata = loc(text)
    assert len(rdata) == 16
    assert str(dnslib.LOC.parse(DNSBuffer(rdata), 16)) == shown


@pytest.mark.parametrize(
    "text",
    ["", "N", "91 N 0 E 0m", "90 0 1 N 0 E 0m", "0 60 N 0 E 0m", "0 0 60 N 0 E 0m", "0 N 181 E 0m",
     "1.5 N 0 E 0m", "0 0 0.0001 N 0 E 0m", "0 0 0 0 N 0 E 0m", "0 E 0 N 0m", "0 N 0 E", "0 N 0 E x",
     "0 N 0 E -100001m", "0 N 0 E 0m -1m", "0 N 0 E 0m 90000001m", "0 N 0 E 0m 1m 1m 1m 1m",
     "-1 N 0 E 0m"],
)  # fmt: skip
def test_no_locations(text):
    with pytest.raises(ValueError, match=r"."):
        loc(text)


@pytest.mark.parametrize(
    ("text", "value"),
    [("0", 0), ("300", 300), ("5m", 300), ("1H30M", 5400), ("1w1d", 691_200), ("4294967295", 2**32 - 1),
     ("4294967296", None), ("", None), ("m", None), ("1h30", None), ("-1", None), ("1.5h", None),
     ("\u0661", None), ("1" * 5000 + "x", None)],
    ids=lambda value: str(value)[:12],
)  # fmt: skip
def test_seconds(text, value):
    assert seconds(text) == value
