"""The values that say where clients are: continents, countries and their parts, cities, ASNs."""

from __future__ import annotations

import re
from typing import Annotated, Any, Final

from dnslb.config.suggest import unknown
from dnslb.config.values import Rule, as_list, as_text, kept, wrong
from dnslb.geo.countries import CONTINENTS, COUNTRIES, UNION
from dnslb.geo.iso import country_meant

__all__ = ["Asns", "Cities", "Continents", "Countries", "Subdivisions"]

MAX_ASN: Final = 0xFFFF_FFFF
MAX_CITY: Final = 0xFFFF_FFFF
"""GeoNames counts in millions; databases have four octets for it."""

_CODE: Final = re.compile(r"([A-Z]{2})-([A-Z0-9]{1,3})", re.ASCII)
_ASN: Final = re.compile(r"AS([0-9]{1,10})", re.ASCII)


def _continent(value: Any) -> str:
    text = as_text(value)
    if text in CONTINENTS:
        return text
    if text in COUNTRIES:
        raise wrong(f"{text} is a country; write country: {text}")
    meant = _continent_called(text)
    raise wrong(
        _unknown("continent", text, meant) if meant else unknown("continent", text, CONTINENTS)
    )


def _country(value: Any) -> str:
    text = as_text(value)
    if text == UNION or text in COUNTRIES:
        return text
    if text.lower() in {"eu", "european union"}:
        raise wrong(_unknown("country", text, UNION))
    if meant := _continent_called(text):
        raise wrong(f"{CONTINENTS[meant]} is a continent; write continent: {meant}")
    codes = "; write its code in ISO 3166-1, as in DE"
    raise wrong(_unknown("country", text, country_meant(text), otherwise=codes))


def _subdivision(value: Any) -> str:
    """A code of ISO 3166-2 whose country is known, or something else, which its rule looks at."""
    text = as_text(value)
    one_case = text in {text.upper(), text.lower()}  # as codes are, and names are not
    match = _CODE.fullmatch(re.sub(r"[_/]", "-", text.upper())) if one_case else None
    if match:
        country = match[1] if match[1] in COUNTRIES else country_meant(match[1])
        if text != f"{country}-{match[2]}":
            meant = country and f"{country}-{match[2]}"
            codes = f'; no country has the code "{match[1]}"'
            raise wrong(_unknown("subdivision", text, meant, otherwise=codes))
    return text


def _city(value: Any) -> str | int:
    if isinstance(value, str):
        return as_text(value)
    if isinstance(value, bool) or not isinstance(value, int) or not 1 <= value <= MAX_CITY:
        raise wrong("must be the English name of a city, or its number at GeoNames")
    return value


def _asn(value: Any) -> int:
    number = value
    if isinstance(value, str) and (match := _ASN.fullmatch(value.upper())):
        if value != match[0]:
            raise wrong(_unknown("AS number", value, match[0]))
        number = int(match[1])
    if isinstance(number, bool) or not isinstance(number, int) or not 1 <= number <= MAX_ASN:
        raise wrong("must be an AS number such as 64496 or AS64496")
    return number


def _continent_called(name: str) -> str | None:
    return next((code for code, one in CONTINENTS.items() if one.lower() == name.lower()), None)


def _unknown(kind: str, text: str, meant: str | None, *, otherwise: str = "") -> str:
    told = f'unknown {kind} "{text}"'
    return f'{told}; did you mean "{meant}"?' if meant else told + otherwise


def _some(one: dict[str, Any]) -> Rule:
    """The rule for one value or a list of them; `one` says to editors what one is."""
    return Rule(as_list, {"anyOf": [one, {"type": "array", "items": one}]})


_CONTINENT: Final = {"type": "string", "enum": list(CONTINENTS)}
_COUNTRY: Final = {"type": "string", "pattern": "^[A-Z]{2}$"}
_NAMED: Final = {"type": "string", "minLength": 1}
_NUMBERED: Final = {"anyOf": [_NAMED, {"type": "integer", "minimum": 1, "maximum": MAX_CITY}]}
_AS: Final = {
    "anyOf": [
        {"type": "integer", "minimum": 1, "maximum": MAX_ASN},
        {"type": "string", "pattern": "^AS[0-9]+$"},
    ]
}

Continents = Annotated[list[Annotated[str, Rule(_continent, _CONTINENT), kept]], _some(_CONTINENT)]
Countries = Annotated[list[Annotated[str, Rule(_country, _COUNTRY), kept]], _some(_COUNTRY)]
Subdivisions = Annotated[list[Annotated[str, Rule(_subdivision, _NAMED), kept]], _some(_NAMED)]
Cities = Annotated[list[Annotated[str | int, Rule(_city, _NUMBERED), kept]], _some(_NUMBERED)]
Asns = Annotated[list[Annotated[int, Rule(_asn, _AS), kept]], _some(_AS)]
