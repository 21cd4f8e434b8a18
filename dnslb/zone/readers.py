"""What each record type's rdata is made of: from its fields to dnslib's class for it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import dnslib

from dnslb.zone.loc import location
from dnslb.zone.names import octets
from dnslb.zone.svcb import parameters

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from dnslb.zone.fields import Fields

__all__ = ["ALIKE", "READERS"]

ALIKE: Final[Mapping[str, str]] = {
    "SPF": "TXT",
    "CDS": "DS",
    "DLV": "DS",
    "CDNSKEY": "DNSKEY",
    "SMIMEA": "TLSA",
    "SVCB": "HTTPS",
    "AFSDB": "MX",
    "KX": "MX",
}
"""Types that lie on the wire as another one does."""


def _names(cls: Callable[[dnslib.DNSLabel], dnslib.RD]) -> Callable[[Fields], dnslib.RD]:
    return lambda fields: cls(fields.name("name"))


def _mx(fields: Fields) -> dnslib.RD:
    return dnslib.MX(preference=fields.number("preference", 16), label=fields.name("host"))


def _soa(fields: Fields) -> dnslib.RD:
    names = fields.name("primary name server"), fields.name("mailbox")
    serial = fields.number("serial", 32)
    times = [fields.time(what) for what in ("refresh", "retry", "expire", "minimum")]
    return dnslib.SOA(*names, (serial, *times))


def _srv(fields: Fields) -> dnslib.RD:
    numbers = [fields.number(what, 16) for what in ("priority", "weight", "port")]
    return dnslib.SRV(*numbers, fields.name("target"))


def _naptr(fields: Fields) -> dnslib.RD:
    numbers = [fields.number(what, 16) for what in ("order", "preference")]
    strings = [fields.string(what) for what in ("flags", "service", "regular expression")]
    return dnslib.NAPTR(*numbers, *strings, fields.name("replacement"))


def _digest(cls: Callable[..., dnslib.RD], *what: tuple[str, int]) -> Callable[[Fields], dnslib.RD]:
    def read(fields: Fields) -> dnslib.RD:
        return cls(*(fields.number(*item) for item in what), fields.hexadecimal("data"))

    return read


def _ds(fields: Fields) -> dnslib.RD:
    tag, algorithm = fields.number("key tag", 16), fields.algorithm()
    return dnslib.DS(tag, algorithm, fields.number("digest type", 8), fields.hexadecimal("data"))


def _dnskey(fields: Fields) -> dnslib.RD:
    flags, protocol = fields.number("flags", 16), fields.number("protocol", 8)
    return dnslib.DNSKEY(flags, protocol, fields.algorithm(), fields.base64("key"))


def _rrsig(fields: Fields) -> dnslib.RD:
    return dnslib.RRSIG(
        fields.type("type covered"),
        fields.algorithm(),
        fields.number("labels", 8),
        fields.time("original TTL"),
        fields.moment("expiration"),
        fields.moment("inception"),
        fields.number("key tag", 16),
        fields.name("signer"),
        fields.base64("signature"),
    )


def _caa(fields: Fields) -> bytes:
    flags, tag = fields.number("flags", 8), fields.word("tag")
    if not (tag.isascii() and tag.isalnum() and len(tag) < 256):
        raise ValueError(f'the tag "{tag}" is not made of letters and digits')
    return bytes([flags, len(tag)]) + tag.encode() + octets(fields.word("value"))


def _svcb(fields: Fields) -> dnslib.RD:
    priority, target = fields.number("priority", 16), fields.name("target")
    params = parameters(fields.rest("parameters")) if fields.more() else []
    if not priority and params:
        raise ValueError("with priority 0 there are no parameters (RFC 9460 section 2.4.2)")
    return dnslib.HTTPS(priority, [bytearray(label) for label in target.label], params)


def _txt(fields: Fields) -> dnslib.RD:
    return dnslib.TXT(fields.strings("text"))


def _hinfo(fields: Fields) -> dnslib.RD:
    return dnslib.TXT([fields.string("CPU"), fields.string("operating system")])


def _uri(fields: Fields) -> bytes:
    numbers = [fields.number(what, 16).to_bytes(2, "big") for what in ("priority", "weight")]
    target = octets(fields.word("target"))
    if not target:
        raise ValueError("the target is empty (RFC 7553 section 4.4)")
    return b"".join([*numbers, target])


def _rp(fields: Fields) -> dnslib.RD:
    return dnslib.RP(fields.name("mailbox"), fields.name("name of the text"))


def _nsec(fields: Fields) -> dnslib.RD:
    return dnslib.NSEC(fields.name("next name"), fields.types("types"))


_BASIC: Final[Mapping[str, Callable[[Fields], dnslib.RD | bytes]]] = {
    "A": lambda fields: dnslib.A(tuple(fields.ip4().packed)),
    "AAAA": lambda fields: dnslib.AAAA(tuple(fields.ip6().packed)),
    "CAA": _caa,
    "CNAME": _names(dnslib.CNAME),
    "DNAME": _names(dnslib.DNAME),
    "DNSKEY": _dnskey,
    "DS": _ds,
    "HINFO": _hinfo,
    "HTTPS": _svcb,
    "LOC": location,
    "MX": _mx,
    "NAPTR": _naptr,
    "NS": _names(dnslib.NS),
    "NSEC": _nsec,
    "OPENPGPKEY": lambda fields: fields.base64("key"),
    "PTR": _names(dnslib.PTR),
    "RP": _rp,
    "RRSIG": _rrsig,
    "SOA": _soa,
    "SRV": _srv,
    "SSHFP": _digest(dnslib.SSHFP, ("algorithm", 8), ("fingerprint type", 8)),
    "TLSA": _digest(dnslib.TLSA, ("usage", 8), ("selector", 8), ("matching type", 8)),
    "TXT": _txt,
    "URI": _uri,
}

READERS: Final[Mapping[str, Callable[[Fields], dnslib.RD | bytes]]] = {
    **_BASIC,
    **{name: _BASIC[like] for name, like in ALIKE.items()},
}
"""How the types that have a form of their own are read; they raise ValueError."""
