"""The names of countries, and the codes and names of their subdivisions (ISO 3166-1 and 3166-2).

Read when first asked for, a fraction of a second: a configuration without subdivisions and without
mistakes among its countries never needs them.
"""

from __future__ import annotations

import difflib
import unicodedata
from functools import cache
from typing import TYPE_CHECKING, Final

from dnslb.geo.countries import COUNTRIES

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["country_meant", "subdivisions_called", "subdivisions_of"]

_CALLED: Final = {
    "uk": "GB",
    "great britain": "GB",
    "britain": "GB",
    "england": "GB",
    "scotland": "GB",
    "wales": "GB",
    "northern ireland": "GB",
    "el": "GR",
    "america": "US",
    "turkey": "TR",
    "holland": "NL",
    "czech republic": "CZ",
    "south korea": "KR",
    "north korea": "KP",
    "ivory coast": "CI",
    "cape verde": "CV",
    "swaziland": "SZ",
    "macedonia": "MK",
    "east timor": "TL",
    "burma": "MM",
    "palestine": "PS",
    "vatican": "VA",
    "macau": "MO",
    "uae": "AE",
    "kosovo": "XK",
    "xkx": "XK",
}
"""What countries are called besides the names of ISO 3166-1."""


def country_meant(text: str) -> str | None:
    """The code of the country that somebody calls `text`: by name, alpha-3, or nearly so."""
    plain = _plain(text)
    if plain.upper() in COUNTRIES:
        return plain.upper()
    names = _country_names()
    if plain in names:
        return names[plain]
    begun = {code for name, code in names.items() if len(plain) > 3 and name.startswith(plain)}
    if len(begun) == 1:
        return begun.pop()
    close = difflib.get_close_matches(plain, names, n=1, cutoff=0.8) if len(plain) > 3 else []
    return names[close[0]] if close else None


def subdivisions_of(country: str) -> frozenset[str]:
    """The codes of all subdivisions of a country, of every level: `US-CA`."""
    return _subdivisions()[0].get(country, frozenset())


def subdivisions_called(name: str) -> list[str]:
    """The codes of the subdivisions that are called `name`, in order."""
    return sorted(_subdivisions()[1].get(_plain(name), ()))


def _plain(text: str) -> str:
    """`text` in lower case, without accents."""
    parts = unicodedata.normalize("NFKD", text.strip().casefold())
    return "".join(part for part in parts if not unicodedata.combining(part))


@cache
def _country_names() -> Mapping[str, str]:
    """Codes by all names of each country, in the form that `_plain` gives."""
    import pycountry  # noqa: PLC0415 # takes a while to load, and few files need it

    found = {}
    for country in pycountry.countries:
        for key in ("official_name", "name", "common_name", "alpha_3"):
            name = getattr(country, key, None)
            if name:
                found[_plain(name)] = country.alpha_2
    return found | _CALLED


@cache
def _subdivisions() -> tuple[Mapping[str, frozenset[str]], Mapping[str, frozenset[str]]]:
    """The codes by country, and by name in the form that `_plain` gives."""
    import pycountry  # noqa: PLC0415 # as above

    by_country: dict[str, set[str]] = {}
    by_name: dict[str, set[str]] = {}
    for one in pycountry.subdivisions:
        by_country.setdefault(one.country_code, set()).add(one.code)
        by_name.setdefault(_plain(one.name), set()).add(one.code)
    return (
        {country: frozenset(codes) for country, codes in by_country.items()},
        {name: frozenset(codes) for name, codes in by_name.items()},
    )
