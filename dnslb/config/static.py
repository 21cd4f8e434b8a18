"""Reading the static records of a YAML file: from `records` and `nameservers`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from dnslb.config.content import Placed
from dnslb.config.suggest import unknown
from dnslb.config.texts import read_name, read_owner
from dnslb.config.values import items
from dnslb.zone.names import looks_absolute, to_text
from dnslb.zone.rdata import RdataError, parse_rdata, target_of
from dnslb.zone.tokens import TextError, words
from dnslb.zone.types import NAMES, NS, SOA, is_meta, type_name, type_number

if TYPE_CHECKING:
    from collections.abc import Iterator

    from dnslb.config.shapes import ZoneShape
    from dnslb.config.spot import Spot

__all__ = ["read_nameservers", "read_records"]

TEXT_TYPES: Final = {"TXT", "SPF"}


def read_records(shape: ZoneShape, spot: Spot, origin: bytes, ttl: int) -> Iterator[Placed]:
    """The records under `records`; `ttl` is for those without one of their own."""
    seen: dict[bytes, str] = {}
    for text, records in (shape.records or {}).items():
        here = spot.at("records", text)
        owner = read_owner(text, here.on_key(), origin)
        if owner is None:
            continue
        if owner in seen:
            here.on_key().problem(f'"{text}" is "{seen[owner]}" once more')
        seen[owner] = text
        own_ttl = ttl if records.ttl is None else records.ttl
        for type_text, rdatas in (records.model_extra or {}).items():
            at_type = here.at(type_text)
            number = _type(type_text, at_type.on_key(), apex=owner == origin)
            if number is None:
                continue
            for index, rdata_text in items(rdatas):
                at_rdata = at_type.at(index)
                rdata = _rdata(number, rdata_text, at_rdata, origin)
                if rdata is not None:
                    yield Placed(owner, number, own_ttl, rdata, at_rdata)


def _type(text: str, spot: Spot, *, apex: bool) -> int | None:
    number = type_number(text)
    if number is None:
        names = [name for name, known in NAMES.items() if not is_meta(known)]
        more = "types without a name are written TYPE12345"
        spot.problem(unknown("record type", text, [*names, "ttl"], more=more))
    elif is_meta(number):
        spot.problem(f"no record has the type {type_name(number)}")
    elif number == SOA:
        spot.problem('the SOA record is made from the key "soa"; remove it here')
    elif number == NS and apex:
        spot.problem('the zone\'s own NS records are made from "nameservers"; remove them here')
    else:
        return number
    return None


def _rdata(number: int, text: str, spot: Spot, origin: bytes) -> bytes | None:
    try:
        tokens = words(text)
        rdata = parse_rdata(number, tokens, origin)
    except (TextError, RdataError) as error:
        spot.problem(str(error))
        return None
    target = target_of(number, rdata)
    if target is not None and looks_absolute(tokens[-1].text, origin):
        spot.warning(
            f'"{tokens[-1].text}" is relative and means {to_text(target)}; end it with a dot'
        )
    bare = [token for token in tokens if not token.quoted]
    if type_name(number) in TEXT_TYPES and len(bare) > 1 and bare[0].text != "\\#":
        spot.warning(
            f"{len(tokens)} strings, which readers join without spaces; "
            f"for one, quote it twice: '\"{text}\"'"
        )
    return rdata


def read_nameservers(shape: ZoneShape, spot: Spot, origin: bytes, ttl: int) -> list[Placed]:
    """The apex NS records."""
    found: dict[bytes, Placed] = {}
    for index, text in items(shape.nameservers):
        here = spot.at("nameservers").at(index)
        name = read_name(text, here, origin)
        if name in found:
            here.problem(f"{to_text(name)} stands twice")
        elif name is not None:
            found[name] = Placed(origin, NS, ttl, name, here)
    return list(found.values())
