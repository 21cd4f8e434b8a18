//! Data record to finding, along the keys of the layout.

use std::fmt;

use maxminddb::Reader;
use serde::de::{
    Deserialize, DeserializeSeed, Deserializer, Error, IgnoredAny, MapAccess, SeqAccess, Visitor,
};

use super::DatabaseError;
use super::layout::{Key, Meaning, RECORD};
use super::tree::Leaf;

/// Levels of subdivisions that count; databases have two.
const MAX_LEVELS: usize = 4;

/// Entries of maps and lists that may be read for each octet of the file. Records share what they hold, by
/// pointers; real databases have less than two.
const MAX_ENTRIES_PER_OCTET: usize = 32;

/// Entries that may be read in all, so that records which hold each other end some time.
pub(super) struct Budget(usize);

impl Budget {
    pub(super) fn new(octets: usize) -> Self {
        Self(octets.saturating_mul(MAX_ENTRIES_PER_OCTET))
    }
}

/// What a data record says, as it says it; an empty text, 0 and NaN are what is not known.
#[derive(Debug)]
pub(super) struct Finding<'a> {
    pub(super) continent: [u8; 2],
    pub(super) country: [u8; 2],
    pub(super) registered: [u8; 2],
    /// Code and name, the outermost first.
    pub(super) subdivisions: [(&'a str, &'a str); MAX_LEVELS],
    pub(super) city: &'a str,
    pub(super) city_id: u32,
    pub(super) asn: u32,
    pub(super) organization: &'a str,
    pub(super) latitude: f64,
    pub(super) longitude: f64,
    /// Entries of maps and lists that were read.
    entries: usize,
}

/// A code that is not known.
pub(super) const NO_CODE: [u8; 2] = [0; 2];

impl Default for Finding<'_> {
    fn default() -> Self {
        Self {
            continent: NO_CODE,
            country: NO_CODE,
            registered: NO_CODE,
            subdivisions: [("", ""); MAX_LEVELS],
            city: "",
            city_id: 0,
            asn: 0,
            organization: "",
            latitude: f64::NAN,
            longitude: f64::NAN,
            entries: 0,
        }
    }
}

/// Reads the data record of a network. One that is no map says nothing.
pub(super) fn decode<'a>(
    reader: &'a Reader<&'a [u8]>,
    leaf: &Leaf,
    budget: &mut Budget,
) -> Result<Finding<'a>, DatabaseError> {
    let found = reader.lookup(leaf.address);
    let finding = found.and_then(|found| found.decode::<Finding<'a>>());
    let finding = finding.map_err(|error| DatabaseError::Record {
        offset: leaf.offset,
        reason: error.to_string(),
    })?;
    let finding = finding.unwrap_or_default();
    budget.0 = budget
        .0
        .checked_sub(finding.entries)
        .ok_or(DatabaseError::Entangled)?;
    Ok(finding)
}

impl<'de: 'a, 'a> Deserialize<'de> for Finding<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let mut finding = Self::default();
        deserializer.deserialize_any(Value {
            finding: &mut finding,
            means: None,
            inside: RECORD,
            level: 0,
        })?;
        Ok(finding)
    }
}

/// A value that is being read: what it tells, and which keys count in it if it is a map.
struct Value<'f, 'a> {
    finding: &'f mut Finding<'a>,
    means: Option<Meaning>,
    inside: &'static [Key],
    /// Its place in the innermost list that it is in.
    level: usize,
}

impl<'de: 'a, 'a> DeserializeSeed<'de> for Value<'_, 'a> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de: 'a, 'a> Visitor<'de> for Value<'_, 'a> {
    type Value = ();

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("any value")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        while let Some(key) = map.next_key_seed(Keys(self.inside))? {
            self.finding.entries += 1;
            let Some(key) = key else {
                map.next_value::<IgnoredAny>()?;
                continue;
            };
            map.next_value_seed(Value {
                finding: &mut *self.finding,
                means: key.means,
                inside: key.inside,
                level: self.level,
            })?;
        }
        Ok(())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<(), A::Error> {
        let mut level = 0;
        while let Some(()) = list.next_element_seed(Value {
            finding: &mut *self.finding,
            means: None, // a list of texts or numbers means nothing to us
            inside: self.inside,
            level,
        })? {
            self.finding.entries += 1;
            level += 1;
        }
        Ok(())
    }

    fn visit_borrowed_str<E: Error>(self, text: &'de str) -> Result<(), E> {
        if let (Some(means), Some(text)) = (self.means, known(text)) {
            self.finding.text(means, text, self.level);
        }
        Ok(())
    }

    fn visit_str<E: Error>(self, _: &str) -> Result<(), E> {
        Err(E::custom("a text that is not in the file"))
    }

    fn visit_u64<E: Error>(self, number: u64) -> Result<(), E> {
        if let (Some(means), Ok(number)) = (self.means, u32::try_from(number)) {
            self.finding.number(means, number);
        }
        Ok(())
    }

    #[expect(clippy::cast_precision_loss, reason = "degrees are small numbers")]
    fn visit_i64<E: Error>(self, number: i64) -> Result<(), E> {
        match u64::try_from(number) {
            Ok(number) => self.visit_u64(number),
            Err(_) => self.visit_f64(number as f64),
        }
    }

    fn visit_f64<E: Error>(self, number: f64) -> Result<(), E> {
        if let Some(means) = self.means {
            self.finding.fraction(means, number);
        }
        Ok(())
    }

    fn visit_u128<E: Error>(self, _: u128) -> Result<(), E> {
        Ok(())
    }

    fn visit_bool<E: Error>(self, _: bool) -> Result<(), E> {
        Ok(())
    }

    fn visit_bytes<E: Error>(self, _: &[u8]) -> Result<(), E> {
        Ok(())
    }
}

/// Finds a key among those that count.
struct Keys(&'static [Key]);

impl<'de> DeserializeSeed<'de> for Keys {
    type Value = Option<&'static Key>;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Self::Value, D::Error> {
        deserializer.deserialize_identifier(self)
    }
}

impl Visitor<'_> for Keys {
    type Value = Option<&'static Key>;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("the key of a map")
    }

    fn visit_bytes<E: Error>(self, name: &[u8]) -> Result<Self::Value, E> {
        Ok(self.0.iter().find(|key| key.name.as_bytes() == name))
    }

    fn visit_str<E: Error>(self, name: &str) -> Result<Self::Value, E> {
        self.visit_bytes(name.as_bytes())
    }
}

/// How vendors say that they do not know.
fn known(text: &str) -> Option<&str> {
    let text = text.trim();
    (!matches!(text, "" | "-")).then_some(text)
}

impl<'a> Finding<'a> {
    fn text(&mut self, means: Meaning, text: &'a str, level: usize) {
        match means {
            Meaning::Continent => set_code(&mut self.continent, text),
            Meaning::Country => set_code(&mut self.country, text),
            Meaning::Registered => set_code(&mut self.registered, text),
            Meaning::SubdivisionCode(base) => {
                if let Some((code, _)) = self.subdivisions.get_mut(base.saturating_add(level)) {
                    set_text(code, text);
                }
            }
            Meaning::SubdivisionName(base) => {
                if let Some((_, name)) = self.subdivisions.get_mut(base.saturating_add(level)) {
                    set_text(name, text);
                }
            }
            Meaning::City => set_text(&mut self.city, text),
            Meaning::Organization => set_text(&mut self.organization, text),
            Meaning::Asn => {
                let digits = text.strip_prefix("AS").or(text.strip_prefix("as"));
                if let Ok(number) = digits.unwrap_or(text).parse() {
                    self.number(means, number);
                }
            }
            Meaning::CityId => {
                if let Ok(number) = text.parse() {
                    self.number(means, number);
                }
            }
            Meaning::Latitude | Meaning::Longitude => {
                if let Ok(number) = text.parse() {
                    self.fraction(means, number);
                }
            }
            Meaning::Coordinates => {
                if let Some((latitude, longitude)) = text.split_once(',') {
                    self.text(Meaning::Latitude, latitude.trim(), level);
                    self.text(Meaning::Longitude, longitude.trim(), level);
                }
            }
        }
    }

    fn number(&mut self, means: Meaning, number: u32) {
        match means {
            Meaning::Asn if self.asn == 0 => self.asn = number,
            Meaning::CityId if self.city_id == 0 => self.city_id = number,
            _ => self.fraction(means, f64::from(number)),
        }
    }

    fn fraction(&mut self, means: Meaning, number: f64) {
        match means {
            Meaning::Latitude if self.latitude.is_nan() => self.latitude = number,
            Meaning::Longitude if self.longitude.is_nan() => self.longitude = number,
            _ => {}
        }
    }
}

fn set_text<'a>(place: &mut &'a str, text: &'a str) {
    if place.is_empty() {
        *place = text;
    }
}

/// Takes a code of two letters; `ZZ` is nobody's, and DB-IP's for addresses that are reserved.
fn set_code(place: &mut [u8; 2], text: &str) {
    if let &[first, second] = text.as_bytes()
        && first.is_ascii_alphabetic()
        && second.is_ascii_alphabetic()
        && *place == NO_CODE
    {
        let code = [first.to_ascii_uppercase(), second.to_ascii_uppercase()];
        if &code != b"ZZ" {
            *place = code;
        }
    }
}
