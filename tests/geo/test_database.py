"""Databases of locations: what each vendor's records mean, and what is no database."""

from __future__ import annotations

import gc
import random
from contextlib import suppress
from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network

import maxminddb
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dnslb._engine import Database
from dnslb.errors import DatabaseError
from dnslb.geo.atlas import Atlas
from dnslb.geo.database import open_database
from dnslb.geo.location import Location
from geo.databases import BUILT, asn, city, write

LAYOUTS = {
    "geolite2-city": (
        city("US", "NA", subdivision="CA", name="Fresno", at=(36.7, -119.8), geoname=5350937),
        Location("NA", "US", ("US-CA",), "Fresno", 5350937, None, None, 36.7, -119.8),
    ),
    "geolite2-country": (city("DE", "EU"), Location("EU", "DE")),
    "geolite2-asn": (
        asn(64496, "Example Net"),
        Location(asn=64496, organization="Example Net"),
    ),
    "geoip2-enterprise": (
        city("GB", "EU", subdivision="ENG", name="London", at=(51.5, -0.1))
        | {"traits": {"autonomous_system_number": 64497, "autonomous_system_organization": "E"}},
        Location("EU", "GB", ("GB-ENG",), "London", None, 64497, "E", 51.5, -0.1),
    ),
    "registered-only": (
        {"registered_country": {"iso_code": "fr"}},
        Location(country="FR"),
    ),
    "dbip-city-lite": (
        {
            "city": {"names": {"en": "Paris"}},
            "continent": {"code": "EU", "geoname_id": 6255148},
            "country": {"iso_code": "FR", "is_in_european_union": True},
            "location": {"latitude": 48.9, "longitude": 2.3},
            "subdivisions": [{"names": {"en": "Île-de-France"}}],
        },
        Location("EU", "FR", ("Île-de-France",), "Paris", None, None, None, 48.9, 2.3),
    ),
    "ipinfo-lite": (
        {
            "as_domain": "example.net",
            "as_name": "Example",
            "asn": "AS64498",
            "continent": "Oceania",
            "continent_code": "OC",
            "country": "Australia",
            "country_code": "AU",
        },
        Location("OC", "AU", asn=64498, organization="Example"),
    ),
    "ipinfo-country-asn": (
        {
            "as_name": "Example",
            "asn": "AS64499",
            "continent": "AF",
            "continent_name": "Africa",
            "country": "KE",
            "country_name": "Kenya",
        },
        Location("AF", "KE", asn=64499, organization="Example"),
    ),
    "ipinfo-location": (
        {
            "city": "Lima",
            "country": "PE",
            "lat": "-12.04",
            "lng": "-77.03",
            "region": "Lima",
            "region_code": "LMA",
            "geoname_id": "3936456",
        },
        Location(None, "PE", ("PE-LMA",), "Lima", 3936456, None, None, -12.04, -77.03),
    ),
}


@pytest.mark.parametrize("layout", LAYOUTS)
def test_layouts(layout, tmp_path):
    record, expected = LAYOUTS[layout]
    read = Database(str(write(tmp_path / "a.mmdb", {"192.0.2.0/24": record}, layout)))
    label, length = read.map.find(IPv4Address("192.0.2.1"))
    assert (label, length, read.records, read.networks) == (1, 24, 1, 1)
    found = Location(*read.location(0))
    assert found[:7] == expected[:7]
    assert found[7:] == pytest.approx(expected[7:]) if expected.latitude else found == expected
    assert read.fields == {
        field for field, value in expected._asdict().items() if value not in (None, ())
    }
    assert (read.type, read.built) == (layout, BUILT)
    assert read.map.find(IPv4Address("192.0.3.1"))[0] == 0
    assert read.map.find(IPv6Address("2002:c000:201::1"))[0] == 0, "an alias of IPv4"


@pytest.mark.parametrize(
    "record",
    [{}, {"country": {"iso_code": "ZZ"}}, {"city": "-", "asn": ""}, {"other": "things"}],
    ids=["empty", "reserved", "dashes", "other"],
)
def test_records_that_say_nothing_are_not_known(record, tmp_path):
    read = Database(str(write(tmp_path / "a.mmdb", {"192.0.2.0/24": record})))
    assert read.records == 0
    assert read.map.sizes == (1, 1)


def test_rows(tmp_path):
    file = write(
        tmp_path / "a.mmdb",
        {
            "10.0.0.0/8": city("DE", "EU", name="Bonn"),
            "11.0.0.0/8": city("DE", "EU", name="Ulm"),
            "12.0.0.0/8": city("FR", "EU"),
        },
    )
    read = Database(str(file))
    rows, row_of = read.rows(["country"])
    assert rows == [("DE",), ("FR",)]
    assert row_of == [0, 0, 1]
    assert read.rows([]) == ([()], [0, 0, 0])
    with pytest.raises(ValueError, match="no field planet"):
        read.rows(["planet"])
    with pytest.raises(IndexError, match="no record 3, there are 3"):
        read.location(3)


ALIASES = [ip_network("2002::/16"), ip_network("2001::/32")]
"""Of IPv4, which we leave out."""

NETWORKS = st.lists(
    st.one_of(
        st.tuples(st.integers(0, 2**32 - 1), st.integers(1, 32)).map(
            lambda one: str(ip_network((one[0] >> (32 - one[1]) << (32 - one[1]), one[1])))
        ),
        st.tuples(st.integers(2**125, 2**126 - 1), st.integers(3, 128)).map(
            lambda one: str(
                ip_network((one[0] >> (128 - one[1]) << (128 - one[1]), one[1]), strict=True)
            )
        ),
    ),
    min_size=1,
    max_size=20,
    unique=True,
)


@given(networks=NETWORKS, seed=st.integers(0, 1000))
def test_every_address_is_found_as_by_the_vendors_reader(networks, seed, tmp_path_factory):
    dice = random.Random(seed)
    countries = {network: dice.choice(["DE", "FR", "US", "JP"]) for network in networks}
    file = write(
        tmp_path_factory.mktemp("db") / "a.mmdb",
        {network: city(country, "EU") for network, country in countries.items()},
    )
    read = Database(str(file))
    with maxminddb.open_database(file) as theirs:
        for network in map(ip_network, networks):
            first, last = int(network[0]), int(network[-1])
            kind = IPv4Address if network.version == 4 else IPv6Address
            highest = (1 << network.max_prefixlen) - 1
            for number in {first, last, max(first - 1, 0), min(last + 1, highest)}:
                address = kind(number)
                if network.version == 6 and number >> 125 != 1:
                    continue
                if any(address in alias for alias in ALIASES if alias.version == network.version):
                    continue
                record = theirs.get(str(address))
                label, _ = read.map.find(address)
                country = read.location(label - 1)[1] if label else None
                assert country == (record["country"]["iso_code"] if record else None)


class TestWhatIsNoDatabase:
    @pytest.fixture
    def whole(self, tmp_path):
        return write(
            tmp_path / "whole.mmdb",
            {
                "192.0.2.0/24": city("DE", "EU", name="Bonn", at=(50.7, 7.1)),
                "2001:db8::/32": city("FR", "EU", name="Nice"),
            },
        ).read_bytes()

    @pytest.mark.parametrize(
        ("octets", "reason"),
        [(b"", "empty"), (b"GIF89a" * 100, "no metadata: not a MaxMind database")],
        ids=["empty", "other"],
    )
    def test_reasons(self, tmp_path, octets, reason):
        (tmp_path / "odd.mmdb").write_bytes(octets)
        with pytest.raises(DatabaseError, match=rf"odd\.mmdb: .*{reason}"):
            open_database(tmp_path / "odd.mmdb")

    def test_no_file(self, tmp_path):
        with pytest.raises(DatabaseError, match="No such file"):
            open_database(tmp_path / "missing.mmdb")
        with pytest.raises(DatabaseError, match="regular file"):
            open_database(tmp_path)

    def test_torn_files_are_refused(self, tmp_path, whole):
        file = tmp_path / "torn.mmdb"
        for length in range(0, len(whole), 7):
            file.write_bytes(whole[:length])
            with pytest.raises(ValueError, match=r"\w"):
                Database(str(file))
            # the end there, but not the beginning
            file.write_bytes(whole[length + 1 :])
            with suppress(ValueError):
                Database(str(file))

    def test_altered_files_are_refused_or_can_be_used(self, tmp_path, whole):
        file = tmp_path / "altered.mmdb"
        dice = random.Random(1)
        refused = 0
        for _ in range(1500):
            octets = bytearray(whole)
            for _ in range(dice.randint(1, 3)):
                octets[dice.randrange(len(octets))] = dice.randrange(256)
            file.write_bytes(octets)
            try:
                read = Database(str(file))
            except ValueError:
                refused += 1
                continue
            for record in range(read.records):
                Location(*read.location(record))
            read.map.find(IPv4Address("192.0.2.1"))
        assert 0 < refused < 1500


def test_a_file_in_use_is_read_once(tmp_path):
    file = write(tmp_path / "a.mmdb", {"192.0.2.0/24": city("DE", "EU")})
    first = open_database(file)
    assert open_database(file) is first
    write(tmp_path / "b.mmdb", {"192.0.2.0/24": city("FR", "EU")})
    (tmp_path / "b.mmdb").replace(file)
    second = open_database(file)
    assert second.database.location(0)[1] == "FR"
    del first, second
    gc.collect()
    assert open_database(file).database.location(0)[1] == "FR"


def test_an_atlas_asks_both(tmp_path):
    places = open_database(
        write(tmp_path / "city.mmdb", {"192.0.2.0/24": {"country": {"iso_code": "DE"}}})
    )
    systems = open_database(
        write(
            tmp_path / "asn.mmdb",
            {"192.0.2.0/25": asn(64496), "198.51.100.0/24": asn(64497)},
            "GeoLite2-ASN",
        )
    )
    atlas = Atlas(places, systems)

    def locate(text: str) -> Location | None:
        return atlas.locate(ip_address(text))

    # the continent follows from the country where the database does not tell it
    assert locate("192.0.2.1") == Location("EU", "DE", asn=64496, organization="Example")
    assert locate("192.0.2.200") == Location("EU", "DE")
    assert locate("198.51.100.1") == Location(asn=64497, organization="Example")
    assert locate("203.0.113.1") is None
    assert atlas.provider("continent") is places.database
    assert atlas.provider("asn") is systems.database
    assert atlas.provider("latitude") is None
