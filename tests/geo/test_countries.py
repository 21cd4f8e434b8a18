"""The codes of countries and continents, beside ISO's list of them."""

from __future__ import annotations

import pycountry
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dnslb.geo.countries import CONTINENTS, COUNTRIES, EUROPEAN_UNION, continent_of
from dnslb.geo.iso import country_meant, subdivisions_called, subdivisions_of


def test_the_countries_are_those_of_iso_and_kosovo():
    assert set(COUNTRIES) == {country.alpha_2 for country in pycountry.countries} | {"XK"}


def test_every_country_is_on_a_continent_and_every_continent_has_one():
    assert set(COUNTRIES.values()) == set(CONTINENTS)


@pytest.mark.parametrize(
    ("country", "continent"),
    [("DE", "EU"), ("US", "NA"), ("RU", "EU"), ("TR", "AS"), ("CY", "EU"), ("AQ", "AN"),
     ("XK", "EU"), ("BR", "SA"), ("EG", "AF"), ("AU", "OC"), ("EU", None), ("de", None)],
)  # fmt: skip
def test_continents(country, continent):
    assert continent_of(country) == continent


def test_the_union():
    assert len(EUROPEAN_UNION) == 27
    assert {"DE", "GR", "HR", "CY"} <= EUROPEAN_UNION <= set(COUNTRIES)
    assert not EUROPEAN_UNION & {"GB", "CH", "NO"}


@pytest.mark.parametrize(
    ("text", "code"),
    [("uk", "GB"), ("Great Britain", "GB"), ("deu", "DE"), ("germany", "DE"), ("Türkiye", "TR"),
     ("turkiye", "TR"), ("United States", "US"), ("Viet Nam", "VN"), ("Vietnam", "VN"),
     ("Iran", "IR"), ("Niger", "NE"), ("Nigeria", "NG"), ("Grmany", "DE"), ("Korea", None),
     ("", None), ("X", None), ("qqq", None), ("Atlantis", None)],
)  # fmt: skip
def test_what_country_is_meant(text, code):
    assert country_meant(text) == code


@given(st.sampled_from(sorted(COUNTRIES)))
def test_codes_mean_themselves(code):
    assert country_meant(code.lower()) == code


@given(st.text())
def test_any_text_means_a_country_or_none(text):
    assert country_meant(text) in {None, *COUNTRIES}


def test_subdivisions():
    assert {"US-CA", "US-NY"} <= subdivisions_of("US")
    assert subdivisions_of("XK") == frozenset()
    assert subdivisions_called("california") == ["US-CA"]
    assert subdivisions_called("Limburg") == ["BE-VLI", "NL-LI"]
    assert subdivisions_called("Nowhere") == []
