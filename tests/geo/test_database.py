"""Databases of locations: what each vendor's records mean, and what is no database."""

from __future__ import annotations

import gc
import random
from contextlib import suppress
from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network

import maxminddb
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from mmdb_writer import MmdbF32, MmdbI32

from dnslb._engine import Database
from dnslb.engine import read_database
from dnslb.errors import DatabaseError
from dnslb.geo.atlas import Atlas
from dnslb.geo.database import open_database
from dnslb.geo.location import Location
from geo.databases import ALIASES, BUILT, asn, city, raw, write

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


def test_what_makes_a_subdivision(tmp_path):
    def found(**record):
        read = Database(write(tmp_path / "a.mmdb", {"192.0.2.0/24": record}))
        return Location(*read.location(0)).subdivisions

    assert found(country="US", region_code="ca", region="California") == ("US-CA",)
    assert found(country="US", region_code="US-CA") == ("US-CA",)
    assert found(country="US", region="California") == ("California",)
    assert found(region_code="CA", region="California") == ("California",)
    assert found(country="GB", state1="England", state2="Kent") == ("England", "Kent")
    levels = [{"iso_code": "ENG"}, {"names": {"en": "Kent"}}]
    assert found(country={"iso_code": "GB"}, subdivisions=levels) == ("GB-ENG", "Kent")


@pytest.mark.parametrize(
    ("record", "place"),
    [
        ({"loc": "50.1, 8.7"}, (50.1, 8.7)),
        ({"location": {"latitude": 50, "longitude": MmdbI32(-8)}}, (50.0, -8.0)),
        ({"latitude": MmdbF32(0.5), "longitude": "8.25"}, (0.5, 8.25)),
        ({"latitude": 91.0, "longitude": 8.0}, (None, None)),
        ({"latitude": 50.0}, (None, None)),
        ({"latitude": "nan", "longitude": "8"}, (None, None)),
        ({"latitude": 0.0, "longitude": 0.0}, (None, None)),
    ],
)
def test_coordinates(record, place, tmp_path):
    record |= {"country_code": "DE"}
    read = Database(write(tmp_path / "a.mmdb", {"192.0.2.0/24": record}))
    assert Location(*read.location(0))[7:] == place


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
    assert read.rows(["city", "country"])[0] == [("Bonn", "DE"), ("Ulm", "DE"), (None, "FR")]
    assert read.rows(["continent", "subdivisions"]) == ([("EU", ())], [0, 0, 0])
    assert read.rows([]) == ([()], [0, 0, 0])
    with pytest.raises(ValueError, match="no field planet"):
        read.rows(["planet"])
    with pytest.raises(IndexError, match="no record 3, there are 3"):
        read.location(3)


def any_network(version: int) -> st.SearchStrategy[str]:
    width = 32 if version == 4 else 128
    kind = IPv4Address if version == 4 else IPv6Address
    return st.builds(
        lambda number, length: f"{kind(number >> width - length << width - length)}/{length}",
        # leading zeros are where IPv4 is in the tree of IPv6
        st.integers(0, 2**width - 1) | st.integers(0, 2 ** (width // 2)),
        st.integers(1, width),
    )


NETWORKS = st.lists(
    any_network(4) | any_network(6) | st.sampled_from(["::/96", "::/64", "::/1", "2001::/16"]),
    min_size=1,
    max_size=20,
    unique=True,
)


@given(
    networks=NETWORKS,
    systems=st.lists(st.integers(1, 6), min_size=20, max_size=20),
    bits=st.sampled_from([24, 28, 32]),
    aliases=st.sets(st.sampled_from(ALIASES)),
    strange=st.lists(st.ip_addresses(), max_size=20),
)
@example(  # one record within ::/96 and elsewhere: no alias
    networks=["::/64", "2001:db8::/32"], systems=[1, 1], bits=24, aliases=set(), strange=[]
)
def test_every_address_is_found_as_by_the_vendors_reader(
    networks, systems, bits, aliases, strange, tmp_path_factory
):
    file = write(
        tmp_path_factory.mktemp("db") / "a.mmdb",
        {network: asn(system) for network, system in zip(networks, systems, strict=False)},
        bits=bits,
        aliases=aliases,
    )
    read = Database(file)
    ends = {edge for one in map(ip_network, [*networks, *aliases]) for edge in (one[0], one[-1])}
    with maxminddb.open_database(file) as theirs:
        if theirs.get_with_prefix_len("::")[1] <= 96:
            aliases = set()  # there is nothing that they could be aliases of
        for address in beside(ends) | set(strange):
            record, length = theirs.get_with_prefix_len(str(address))
            system = record["autonomous_system_number"] if record else None
            if address.version == 6 and is_ipv4(address, length, aliases):
                system = None
            label, ours = read.map.find(address)
            assert (read.location(label - 1)[5] if label else None) == system
            # networks that are alike are one
            assert not label or ours <= length


def beside(addresses):
    """These, and their neighbours."""
    return {
        type(address)(number)
        for address in addresses
        for number in range(int(address) - 1, int(address) + 2)
        if 0 <= number < 1 << address.max_prefixlen
    }


def is_ipv4(address, length, aliases):
    """Whether an address of IPv6 is found in the part of the tree that is IPv4's."""
    if int(address) >> 32 == 0:
        return length >= 96
    return any(address in ip_network(alias) for alias in aliases)


def test_aliases_of_ipv4_are_not_known(tmp_path):
    read = Database(write(tmp_path / "a.mmdb", {"192.0.2.0/24": asn(64496)}, aliases=ALIASES))
    assert read.map.find(IPv4Address("192.0.2.1")) == (1, 24)
    for text in ("2002:c000:201::", "2001:0:c000:201::", "::ffff:192.0.2.1", "::192.0.2.1"):
        assert read.map.find(IPv6Address(text))[0] == 0
    assert (read.networks, read.map.sizes[1]) == (1, 1)


def test_ipv4_alone(tmp_path):
    file = write(tmp_path / "a.mmdb", {"192.0.2.0/25": asn(1), "0.0.0.0/1": asn(2)}, version=4)
    read = Database(file)
    assert read.map.find(IPv4Address("192.0.2.1")) == (2, 25)
    assert read.map.find(IPv4Address("1.2.3.4")) == (1, 1)
    assert read.map.cells(6) == [(0, 0, 0)]


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

    @pytest.mark.parametrize(
        ("nodes", "meta", "reason"),
        [
            ([((n + 1) % 40, 40) for n in range(40)], {}, "deeper than an address"),
            ([(0, 0)], {}, "reached again and again"),
            ([(n + 1, n + 1) for n in range(40)] + [(41, 41)], {}, "reached again and again"),
            ([(1, 6)], {}, "node 0 points outside"),
            ([(1, 10_000)], {}, "data record at 9983 is malformed"),
            ([(17, 1)], {"ip_version": 5}, "metadata does not fit .*ip_version"),
            ([(17, 1)], {"record_size": 20}, "metadata does not fit .*record_size"),
            ([(17, 1)], {"node_count": 100}, "metadata does not fit .*truncated"),
            ([(17, 1)], {"binary_format_major_version": 3}, "metadata does not fit .*version"),
            ([(17, 1)], {"database_type": 5}, "metadata does not fit"),
        ],
        ids=[
            "circle",
            "knot",
            "halves",
            "between",
            "beyond",
            "ip",
            "size",
            "nodes",
            "format",
            "type",
        ],
    )
    def test_trees(self, tmp_path, nodes, meta, reason):
        with pytest.raises(ValueError, match=reason):
            Database(raw(tmp_path / "odd.mmdb", nodes, b"\xe0", **meta))

    @pytest.mark.parametrize(
        ("data", "reason"),
        [
            (b"\xe1\x47country", "data record at 0 is malformed"),
            (b"\xe1\x47country\x5d\xff", "data record at 0 is malformed"),
            (b"\xe1\x47country\x42\xff\xfe", "malformed: .*UTF-8"),
            (b"\x20\x00", "data record at 0 is malformed"),  # points at itself
            (b"\x01\x04\x20\x00", "data record at 0 is malformed"),  # a list that holds itself
            # 250 times a list of 250 maps
            (
                b"\x1d\x04\xdd" + b"\x21\xf7" * 250 + b"\x1d\x04\xdd" + b"\xe0" * 250,
                "hold each other",
            ),
        ],
        ids=["short", "long", "letters", "pointer", "circle", "lists"],
    )
    def test_data_records(self, tmp_path, data, reason):
        with pytest.raises(ValueError, match=reason):
            Database(raw(tmp_path / "odd.mmdb", [(17, 1)], data))

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


def test_a_file_that_changes_while_it_is_read_is_refused(tmp_path, monkeypatch):
    file = write(tmp_path / "a.mmdb", {"192.0.2.0/24": city("DE", "EU")})

    def read_and_change(path):
        read = read_database(path)
        write(path, {"192.0.2.0/24": city("FR", "EU", name="Nice")})
        return read

    monkeypatch.setattr("dnslb.geo.database.read_database", read_and_change)
    with pytest.raises(DatabaseError, match=r"a\.mmdb: the file changed while it was read"):
        open_database(file)
    monkeypatch.undo()
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
