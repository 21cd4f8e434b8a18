//! Reading messages once more, slowly and in another way than the engine does.

/// A response, as far as the checks need it.
pub(crate) struct Message {
    pub(crate) id: [u8; 2],
    pub(crate) flags: u16,
    pub(crate) question: Option<Question>,
    pub(crate) records: Vec<Record>,
}

/// The question; `length` in octets, the name in lower case.
pub(crate) struct Question {
    pub(crate) name: Vec<Vec<u8>>,
    pub(crate) rtype: u16,
    pub(crate) length: usize,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Section {
    Answer,
    Authority,
    Additional,
}

/// A record, names in lower case; `ttl` is the upper half of its TTL, `target` the name that its
/// rdata begins with, where it does.
pub(crate) struct Record {
    pub(crate) section: Section,
    pub(crate) owner: Vec<Vec<u8>>,
    pub(crate) rtype: u16,
    pub(crate) ttl: u16,
    pub(crate) target: Option<Vec<Vec<u8>>>,
}

impl Message {
    /// Read a message to its last octet; None for anything that is not right.
    pub(crate) fn parse(bytes: &[u8]) -> Option<Self> {
        let field = |at: usize| Some(u16::from_be_bytes([*bytes.get(at)?, *bytes.get(at + 1)?]));
        let mut at = 12;
        let question = match field(4)? {
            0 => None,
            1 => {
                let name = name(bytes, &mut at)?;
                let rtype = field(at)?;
                at += 4;
                Some(Question {
                    name,
                    rtype,
                    length: at - 12,
                })
            }
            _ => return None,
        };
        let mut records = Vec::new();
        for (section, count) in [
            (Section::Answer, field(6)?),
            (Section::Authority, field(8)?),
            (Section::Additional, field(10)?),
        ] {
            for _ in 0..count {
                let owner = name(bytes, &mut at)?;
                let rtype = field(at)?;
                let end = at + 10 + usize::from(field(at + 8)?);
                let mut rdata = at + 10;
                records.push(Record {
                    section,
                    owner,
                    rtype,
                    ttl: field(at + 4)?,
                    target: name(bytes.get(..end)?, &mut rdata),
                });
                at = end;
            }
        }
        (at == bytes.len()).then_some(Self {
            id: [bytes[0], bytes[1]],
            flags: field(2)?,
            question,
            records,
        })
    }

    /// The rcode, with the bits that OPT adds (RFC 6891 section 6.1.3).
    pub(crate) fn rcode(&self) -> u16 {
        let added: u16 = self.of_type(41).map(|opt| opt.ttl >> 8 << 4).sum();
        self.flags & 0x0F | added
    }

    pub(crate) fn section(&self, section: Section) -> impl Iterator<Item = &Record> {
        self.records
            .iter()
            .filter(move |record| record.section == section)
    }

    pub(crate) fn of_type(&self, rtype: u16) -> impl Iterator<Item = &Record> {
        self.records
            .iter()
            .filter(move |record| record.rtype == rtype)
    }
}

/// The name at `at`, labels in lower case; `at` moves behind it. Pointers lead backwards only.
fn name(bytes: &[u8], at: &mut usize) -> Option<Vec<Vec<u8>>> {
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
