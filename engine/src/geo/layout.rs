//! Which key of which vendor means what: the one place that knows the vendors.
//!
//! A key's value counts in the way that fits it: a text or a number as `means` says, a map or a list of maps as
//! `inside` says. What is not listed is skipped. Where two keys mean the same, the first that is known counts.
//!
//! | vendor | databases | described in |
//! | --- | --- | --- |
//! | `MaxMind` | GeoIP2 and GeoLite2 City, Country, Enterprise, ISP, ASN | dev.maxmind.com/geoip/docs/databases |
//! | DB-IP | Country, City, Location, ISP, ASN, Lite or not; "we try to stay as close as possible" to `MaxMind` | db-ip.com/db/format |
//! | `IPinfo` | Lite, Core, Plus; the older Country ASN, Geolocation and ASN: flat, all values are texts | ipinfo.io/developers |
//! | ip-location-db | country, city, asn: flat | github.com/sapics/ip-location-db |
//! | CIRCL Geo Open | country, country and ASN: the AS stands within the country | github.com/adulau/mmdb-server |

/// What a value tells.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Meaning {
    /// Two letters; `IPinfo`'s newer databases have the name in this place, which is passed over.
    Continent,
    /// Likewise.
    Country,
    /// Where the network is registered: stands in for the country.
    Registered,
    /// ISO 3166-2's second part, of the subdivision of this level, 0 for the outermost.
    SubdivisionCode(usize),
    /// Likewise; counts where there is no code.
    SubdivisionName(usize),
    City,
    /// `GeoNames`' number.
    CityId,
    /// A number, or `AS64496`.
    Asn,
    Organization,
    Latitude,
    Longitude,
    /// `50.1,8.7`
    Coordinates,
}

use Meaning::{
    Asn, City, CityId, Continent, Coordinates, Country, Latitude, Longitude, Organization,
    Registered, SubdivisionCode, SubdivisionName,
};

/// A key of a map, and what its value tells.
pub(super) struct Key {
    pub(super) name: &'static str,
    pub(super) means: Option<Meaning>,
    pub(super) inside: &'static [Key],
}

const fn value(name: &'static str, means: Meaning) -> Key {
    Key {
        name,
        means: Some(means),
        inside: &[],
    }
}

const fn map(name: &'static str, inside: &'static [Key]) -> Key {
    Key {
        name,
        means: None,
        inside,
    }
}

const fn either(name: &'static str, means: Meaning, inside: &'static [Key]) -> Key {
    Key {
        name,
        means: Some(means),
        inside,
    }
}

/// A data record.
pub(super) static RECORD: &[Key] = &[
    // MaxMind and DB-IP: maps; the texts in their place: IPinfo, and country codes of others
    either("continent", Continent, &[value("code", Continent)]),
    either(
        "country",
        Country,
        &[
            value("iso_code", Country),
            value("AutonomousSystemNumber", Asn), // Geo Open
            value("AutonomousSystemOrganization", Organization),
        ],
    ),
    map("registered_country", &[value("iso_code", Registered)]),
    // a list, the outermost first: levels count from the one given here. DB-IP's Lite edition has no codes
    map(
        "subdivisions",
        &[
            value("iso_code", SubdivisionCode(0)),
            map("names", &[value("en", SubdivisionName(0))]),
        ],
    ),
    either(
        "city",
        City,
        &[
            map("names", &[value("en", City)]),
            value("geoname_id", CityId),
        ],
    ),
    map("location", COORDINATES),
    // Enterprise and DB-IP's ISP databases
    map("traits", SYSTEM),
    // MaxMind's and DB-IP's ASN and ISP databases, ip-location-db
    value("autonomous_system_number", Asn),
    value("autonomous_system_organization", Organization),
    // IPinfo, ip-location-db
    value("country_code", Country),
    value("continent_code", Continent),
    value("region_code", SubdivisionCode(0)),
    value("region", SubdivisionName(0)),
    value("geoname_id", CityId),
    value("lat", Latitude),
    value("lng", Longitude),
    value("latitude", Latitude),
    value("longitude", Longitude),
    value("loc", Coordinates),
    value("asn", Asn),
    value("as_name", Organization),
    value("name", Organization), // IPinfo's older ASN database
    // ip-location-db
    value("state1", SubdivisionName(0)),
    value("state2", SubdivisionName(1)),
];

static COORDINATES: &[Key] = &[value("latitude", Latitude), value("longitude", Longitude)];

static SYSTEM: &[Key] = &[
    value("autonomous_system_number", Asn),
    value("autonomous_system_organization", Organization),
];
