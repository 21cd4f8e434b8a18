//! Reading messages once more, slowly and in another way than the engine does.

/// A name's labels, in lower case.
pub(crate) type Name = Vec<Vec<u8>>;

/// An EDNS option's code and value.
pub(crate) type Choice = (u16, Vec<u8>);

/// Types whose rdata begins with a name.
const NAMING: [u16; 4] = [2, 5, 6, 39];

const OPT: u16 = 41;

/// A response.
pub(crate) struct Message {
    pub(crate) id: [u8; 2],
    pub(crate) flags: u16,
    pub(crate) question: Option<Question>,
    pub(crate) records: Vec<Record>,
}

/// The question, which takes `length` octets.
pub(crate) struct Question {
    pub(crate) name: Name,
    pub(crate) rtype: u16,
    pub(crate) class: u16,
    pub(crate) length: usize,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Section {
    Answer,
    Authority,
    Additional,
}

/// A record; `target` is the name that its rdata begins with, for the types where it does.
#[derive(Debug)]
pub(crate) struct Record {
    pub(crate) section: Section,
    pub(crate) owner: Name,
    pub(crate) rtype: u16,
    pub(crate) class: u16,
    pub(crate) ttl: u32,
    pub(crate) rdata: Vec<u8>,
    pub(crate) target: Option<Name>,
}

impl Message {
    /// Read a message to its last octet; None for anything that is not right.
    pub(crate) fn parse(bytes: &[u8]) -> Option<Self> {
        let mut at = 12;
        let question = match number(bytes, 4)? {
            0 => None,
            1 => {
                let name = name(bytes, &mut at)?;
                at += 4;
                Some(Question {
                    name,
                    rtype: number(bytes, at - 4)?,
                    class: number(bytes, at - 2)?,
                    length: at - 12,
                })
            }
            _ => return None,
        };
        let mut records = Vec::new();
        for (section, count) in [
            (Section::Answer, number(bytes, 6)?),
            (Section::Authority, number(bytes, 8)?),
            (Section::Additional, number(bytes, 10)?),
        ] {
            for _ in 0..count {
                records.push(Record::parse(section, bytes, &mut at)?);
            }
        }
        (at == bytes.len()).then_some(Self {
            id: [bytes[0], bytes[1]],
            flags: number(bytes, 2)?,
            question,
            records,
        })
    }

    /// The rcode, with the bits that OPT adds (RFC 6891 section 6.1.3).
    pub(crate) fn rcode(&self) -> u16 {
        let added = self.opt().map_or(0, |opt| opt.ttl >> 24 << 4);
        self.flags & 0x0F | added as u16
    }

    pub(crate) fn opt(&self) -> Option<&Record> {
        self.records.iter().find(|record| record.rtype == OPT)
    }

    pub(crate) fn section(&self, section: Section) -> impl Iterator<Item = &Record> {
        self.records
            .iter()
            .filter(move |record| record.section == section)
    }
}

impl Record {
    fn parse(section: Section, bytes: &[u8], at: &mut usize) -> Option<Self> {
        let owner = name(bytes, at)?;
        let rtype = number(bytes, *at)?;
        let from = *at + 10;
        let end = from + usize::from(number(bytes, *at + 8)?);
        let target = if NAMING.contains(&rtype) {
            let mut after = from;
            let target = name(bytes.get(..end)?, &mut after)?;
            if rtype != 6 && after != end {
                return None;
            }
            Some(target)
        } else {
            None
        };
        let record = Self {
            section,
            owner,
            rtype,
            class: number(bytes, *at + 2)?,
            ttl: u32::from(number(bytes, *at + 4)?) << 16 | u32::from(number(bytes, *at + 6)?),
            rdata: bytes.get(from..end)?.to_vec(),
            target,
        };
        *at = end;
        Some(record)
    }
}

/// The options in the rdata of an OPT record; None where one is cut off.
pub(crate) fn options(rdata: &[u8]) -> Option<Vec<Choice>> {
    let mut options = Vec::new();
    let mut at = 0;
    while at < rdata.len() {
        let end = at + 4 + usize::from(number(rdata, at + 2)?);
        options.push((number(rdata, at)?, rdata.get(at + 4..end)?.to_vec()));
        at = end;
    }
    Some(options)
}

/// The number in the two octets at `at`.
pub(crate) fn number(bytes: &[u8], at: usize) -> Option<u16> {
    Some(u16::from_be_bytes([*bytes.get(at)?, *bytes.get(at + 1)?]))
}

/// The name at `at`; `at` moves behind it. Pointers lead backwards only.
pub(crate) fn name(bytes: &[u8], at: &mut usize) -> Option<Name> {
    let mut labels = Vec::new();
    let mut octets = 1;
    let mut place = *at;
    let mut followed = false;
    loop {
        let length = usize::from(*bytes.get(place)?);
        match length {
            0 => {
                if !followed {
                    *at = place + 1;
                }
                return Some(labels);
            }
            1..=63 => {
                octets += length + 1;
                if octets > 255 {
                    return None;
                }
                let label = bytes.get(place + 1..=place + length)?;
                labels.push(label.to_ascii_lowercase());
                place += length + 1;
            }
            0xC0..=0xFF => {
                let to = (length & 0x3F) << 8 | usize::from(*bytes.get(place + 1)?);
                if !followed {
                    *at = place + 2;
                }
                followed = true;
                if to >= place {
                    return None;
                }
                place = to;
            }
            _ => return None,
        }
    }
}
