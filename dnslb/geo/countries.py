"""Countries and the continents they are on, by the codes that databases and configurations use.

Countries are those of ISO 3166-1 (alpha-2) and Kosovo, which databases call XK. Each is on one
continent, as GeoNames has it, whose identifiers MaxMind's databases use too: all of Russia is in
Europe, all of Turkey in Asia.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["CONTINENTS", "COUNTRIES", "EUROPEAN_UNION", "UNION", "continent_of"]

CONTINENTS: Final[Mapping[str, str]] = {
    "AF": "Africa",
    "AN": "Antarctica",
    "AS": "Asia",
    "EU": "Europe",
    "NA": "North America",
    "OC": "Oceania",
    "SA": "South America",
}
"""The names of the continents, by code."""

_ON: Final[Mapping[str, str]] = {
    "AF": "AO BF BI BJ BW CD CF CG CI CM CV DJ DZ EG EH ER ET GA GH GM GN GQ GW KE KM LR LS LY MA "
    "MG ML MR MU MW MZ NA NE NG RE RW SC SD SH SL SN SO SS ST SZ TD TG TN TZ UG YT ZA ZM ZW",
    "AN": "AQ BV GS HM TF",
    "AS": "AE AF AM AZ BD BH BN BT CC CN GE HK ID IL IN IO IQ IR JO JP KG KH KP KR KW KZ LA LB LK "
    "MM MN MO MV MY NP OM PH PK PS QA SA SG SY TH TJ TM TR TW UZ VN YE",
    "EU": "AD AL AT AX BA BE BG BY CH CY CZ DE DK EE ES FI FO FR GB GG GI GR HR HU IE IM IS IT JE "
    "LI LT LU LV MC MD ME MK MT NL NO PL PT RO RS RU SE SI SJ SK SM UA VA XK",
    "NA": "AG AI AW BB BL BM BQ BS BZ CA CR CU CW DM DO GD GL GP GT HN HT JM KN KY LC MF MQ MS MX "
    "NI PA PM PR SV SX TC TT US VC VG VI",
    "OC": "AS AU CK CX FJ FM GU KI MH MP NC NF NR NU NZ PF PG PN PW SB TK TL TO TV UM VU WF WS",
    "SA": "AR BO BR CL CO EC FK GF GY PE PY SR UY VE",
}

COUNTRIES: Final[Mapping[str, str]] = {
    country: continent for continent, countries in _ON.items() for country in countries.split()
}
"""The continent of each country."""

UNION: Final = "EU"
"""Stands among countries for the members of the European Union."""

_MEMBERS: Final = "AT BE BG CY CZ DE DK EE ES FI FR GR HR HU IE IT LT LU LV MT NL PL PT RO SE SI SK"

EUROPEAN_UNION: Final = frozenset(_MEMBERS.split())
"""The members of the European Union."""


def continent_of(country: str) -> str | None:
    """The continent that a country is on; None for what is no country's code."""
    return COUNTRIES.get(country)
