//! Locations in few octets: texts are kept once and known by number, and so are lists of subdivisions.

use std::collections::HashMap;

use foldhash::fast::FixedState;

use super::decode::{Finding, NO_CODE};
use super::{DatabaseError, MAX_RECORDS};

/// What can be known of an address.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Field {
    /// Code of two letters.
    Continent,
    /// ISO 3166-1's code of two letters.
    Country,
    /// ISO 3166-2's codes, or names; the outermost first.
    Subdivisions,
    /// English name.
    City,
    /// `GeoNames`' number.
    CityId,
    /// Number of the autonomous system.
    Asn,
    /// Who has the autonomous system.
    Organization,
    /// Degrees; known together with the longitude.
    Latitude,
    /// Degrees; known together with the latitude.
    Longitude,
}

/// The fields with their names, in the order of Python's `Location`.
pub const FIELDS: [(Field, &str); 9] = [
    (Field::Continent, "continent"),
    (Field::Country, "country"),
    (Field::Subdivisions, "subdivisions"),
    (Field::City, "city"),
    (Field::CityId, "city_id"),
    (Field::Asn, "asn"),
    (Field::Organization, "organization"),
    (Field::Latitude, "latitude"),
    (Field::Longitude, "longitude"),
];

/// A location. Zero is what is not known, in every field.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Location {
    continent: [u8; 2],
    country: [u8; 2],
    /// Number of a list.
    subdivisions: u32,
    /// Number of a text.
    city: u32,
    city_id: u32,
    asn: u32,
    /// Number of a text.
    organization: u32,
    latitude: Degrees,
    longitude: Degrees,
}

/// Degrees as they are in memory, so that locations can be compared; turned so that zero is NaN, which is what
/// is not known.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
struct Degrees(u64);

impl Degrees {
    fn new(degrees: f64) -> Self {
        Self(degrees.to_bits() ^ f64::NAN.to_bits())
    }

    fn get(self) -> Option<f64> {
        let degrees = f64::from_bits(self.0 ^ f64::NAN.to_bits());
        (!degrees.is_nan()).then_some(degrees)
    }
}

impl Location {
    /// These fields of it, and nothing else.
    #[must_use]
    pub fn only(&self, fields: &[Field]) -> Self {
        let mut kept = Self::default();
        for field in fields {
            match field {
                Field::Continent => kept.continent = self.continent,
                Field::Country => kept.country = self.country,
                Field::Subdivisions => kept.subdivisions = self.subdivisions,
                Field::City => kept.city = self.city,
                Field::CityId => kept.city_id = self.city_id,
                Field::Asn => kept.asn = self.asn,
                Field::Organization => kept.organization = self.organization,
                Field::Latitude => kept.latitude = self.latitude,
                Field::Longitude => kept.longitude = self.longitude,
            }
        }
        kept
    }

    fn has(&self, field: Field) -> bool {
        self.only(&[field]) != Self::default()
    }
}

/// What a field holds.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Content<'a> {
    /// It is not known.
    Nothing,
    /// A code or a name.
    Text(&'a str),
    /// Codes or names.
    Texts(&'a [Box<str>]),
    /// A number.
    Number(u32),
    /// Degrees.
    Degrees(f64),
}

/// The distinct locations of a database.
#[derive(Debug, Default)]
pub struct Records {
    locations: Vec<Location>,
    texts: Vec<Box<str>>,
    lists: Vec<Box<[Box<str>]>>,
}

impl Records {
    /// How many there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.locations.len()
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.locations.is_empty()
    }

    /// One of them.
    #[must_use]
    pub fn get(&self, index: usize) -> Option<&Location> {
        self.locations.get(index)
    }

    /// The fields that any of them has.
    pub fn fields(&self) -> impl Iterator<Item = (Field, &'static str)> {
        let has = |field| self.locations.iter().any(|location| location.has(field));
        FIELDS.into_iter().filter(move |&(field, _)| has(field))
    }

    /// The distinct locations as far as these fields go, and for each location which of them it is.
    #[must_use]
    pub fn rows(&self, fields: &[Field]) -> (Vec<Location>, Vec<u32>) {
        let mut numbers: HashMap<Location, u32, FixedState> = HashMap::default();
        let mut rows = Vec::new();
        let row_of = self.locations.iter().map(|location| {
            let row = location.only(fields);
            *numbers.entry(row).or_insert_with(|| {
                rows.push(row);
                (rows.len() - 1) as u32
            })
        });
        let row_of = row_of.collect();
        (rows, row_of)
    }

    /// What a field of one of these locations holds.
    #[must_use]
    pub fn content<'a>(&'a self, location: &'a Location, field: Field) -> Content<'a> {
        let number = |number| match number {
            0 => Content::Nothing,
            number => Content::Number(number),
        };
        let degrees = |degrees: Degrees| degrees.get().map_or(Content::Nothing, Content::Degrees);
        match field {
            Field::Continent => code(&location.continent),
            Field::Country => code(&location.country),
            Field::Subdivisions => match location.subdivisions {
                0 => Content::Texts(&[]),
                list => Content::Texts(&self.lists[list as usize - 1]),
            },
            Field::City => self.text(location.city),
            Field::CityId => number(location.city_id),
            Field::Asn => number(location.asn),
            Field::Organization => self.text(location.organization),
            Field::Latitude => degrees(location.latitude),
            Field::Longitude => degrees(location.longitude),
        }
    }

    fn text(&self, text: u32) -> Content<'_> {
        match text {
            0 => Content::Nothing,
            text => Content::Text(&self.texts[text as usize - 1]),
        }
    }
}

/// A code, unless it is not known.
fn code(code: &[u8; 2]) -> Content<'_> {
    code_text(code).map_or(Content::Nothing, Content::Text)
}

fn code_text(code: &[u8; 2]) -> Option<&str> {
    let text = std::str::from_utf8(code).ok();
    text.filter(|_| *code != NO_CODE)
}

/// Numbers locations in the order of their first sight.
#[derive(Default)]
pub(super) struct Finder {
    records: Records,
    numbers: HashMap<Location, u32, FixedState>,
    texts: HashMap<Box<str>, u32, FixedState>,
    lists: HashMap<Box<[Box<str>]>, u32, FixedState>,
}

impl Finder {
    /// The label of what was found: 0 for nothing, else one more than the location's number.
    pub(super) fn label(&mut self, finding: &Finding<'_>) -> Result<u32, DatabaseError> {
        let country = match finding.country {
            NO_CODE => finding.registered,
            country => country,
        };
        let (latitude, longitude) = place(finding.latitude, finding.longitude);
        let location = Location {
            continent: finding.continent,
            country,
            subdivisions: self.list(finding, country),
            city: self.text(finding.city),
            city_id: finding.city_id,
            asn: finding.asn,
            organization: self.text(finding.organization),
            latitude: Degrees::new(latitude),
            longitude: Degrees::new(longitude),
        };
        if location == Location::default() {
            return Ok(0);
        }
        let next = self.records.locations.len();
        let label = *self.numbers.entry(location).or_insert(next as u32 + 1);
        if label as usize > next {
            if next >= MAX_RECORDS {
                return Err(DatabaseError::TooMany);
            }
            self.records.locations.push(location);
        }
        Ok(label)
    }

    /// The locations that were numbered.
    pub(super) fn finish(self) -> Records {
        self.records
    }

    fn text(&mut self, text: &str) -> u32 {
        if text.is_empty() {
            return 0;
        }
        if let Some(&number) = self.texts.get(text) {
            return number;
        }
        self.records.texts.push(text.into());
        let number = self.records.texts.len() as u32;
        self.texts.insert(text.into(), number);
        number
    }

    fn list(&mut self, finding: &Finding<'_>, country: [u8; 2]) -> u32 {
        let known = finding
            .subdivisions
            .iter()
            .filter(|(code, name)| !(code.is_empty() && name.is_empty()));
        let texts: Box<[Box<str>]> = known
            .map(|&(code, name)| subdivision(code, name, country))
            .collect();
        if texts.is_empty() {
            return 0;
        }
        if let Some(&number) = self.lists.get(&texts) {
            return number;
        }
        self.records.lists.push(texts.clone());
        let number = self.records.lists.len() as u32;
        self.lists.insert(texts, number);
        number
    }
}

/// ISO 3166-2's code where country and code are known: `US-CA`; else the name, or what there is of the code.
fn subdivision(code: &str, name: &str, country: [u8; 2]) -> Box<str> {
    let country = match code_text(&country) {
        Some(country) if !code.is_empty() => country,
        _ if name.is_empty() => return code.to_ascii_uppercase().into(),
        _ => return name.into(),
    };
    let code = code.to_ascii_uppercase();
    let whole = code
        .split_once('-')
        .is_some_and(|(before, _)| before == country);
    if whole {
        return code.into();
    }
    format!("{country}-{code}").into()
}

/// Coordinates, if they are any, else NaN: 0 north 0 east is where databases put what they do not know.
fn place(latitude: f64, longitude: f64) -> (f64, f64) {
    // NaN is no distance from anything, and fails the comparison
    let sound = latitude.abs() <= 90.0 && longitude.abs() <= 180.0;
    if sound && (latitude, longitude) != (0.0, 0.0) {
        (latitude, longitude)
    } else {
        (f64::NAN, f64::NAN)
    }
}
