//! What a packet asks, read slowly and in another way than the engine does.

use crate::message::{Choice, Name, name, number, options};

const HEADER: usize = 12;
const OPT: u16 = 41;

/// More records than any query has.
const MAX_RECORDS: usize = 8;

/// Codes of the options that are understood.
pub(crate) mod code {
    pub(crate) const NSID: u16 = 3;
    pub(crate) const ECS: u16 = 8;
    pub(crate) const COOKIE: u16 = 10;
    pub(crate) const KEEPALIVE: u16 = 11;
    pub(crate) const EDE: u16 = 15;
    pub(crate) const ZONEVERSION: u16 = 19;
}

/// A query that can be read.
pub(crate) struct Asked {
    /// None where only a cookie is asked for (RFC 7873 section 5.4).
    pub(crate) question: Option<Asking>,
    pub(crate) opt: Option<Opt>,
}

/// The question, which takes `length` octets.
pub(crate) struct Asking {
    pub(crate) name: Name,
    pub(crate) rtype: u16,
    pub(crate) class: u16,
    pub(crate) length: usize,
}

/// A query's OPT record.
pub(crate) struct Opt {
    pub(crate) size: u16,
    pub(crate) version: u8,
    pub(crate) dnssec_ok: bool,
    /// None where they are not as their RFCs demand.
    pub(crate) options: Option<Vec<Choice>>,
}

impl Opt {
    /// The value of the first option of a code, if all options may be read.
    pub(crate) fn option(&self, wanted: u16) -> Option<&[u8]> {
        let options = self.options.as_ref().filter(|_| self.version == 0)?;
        let found = options.iter().find(|(code, _)| *code == wanted)?;
        Some(&found.1)
    }
}

impl Asked {
    /// Read a packet that has a header and is no response. The error is the rcode due.
    pub(crate) fn read(packet: &[u8]) -> Result<Self, u16> {
        if packet[2] & 0x78 != 0 {
            return Err(4);
        }
        Self::body(packet).ok_or(1)
    }

    fn body(packet: &[u8]) -> Option<Self> {
        let counts: Vec<usize> = packet[4..HEADER]
            .chunks(2)
            .map(|pair| usize::from(pair[0]) << 8 | usize::from(pair[1]))
            .collect();
        let mut at = HEADER;
        let question = match counts[0] {
            0 => None,
            1 => Some(Asking::read(packet, &mut at)?),
            _ => return None,
        };
        if counts[1..].iter().sum::<usize>() > MAX_RECORDS {
            return None;
        }
        let mut opt = None;
        for (section, &count) in counts.iter().enumerate().skip(1) {
            for _ in 0..count {
                let root = *packet.get(at)? == 0;
                skip(packet, &mut at)?;
                let [rtype, size, high, low, length] =
                    [0, 2, 4, 6, 8].map(|offset| number(packet, at + offset));
                let from = at + 10;
                at = from + usize::from(length?);
                let rdata = packet.get(from..at)?;
                if rtype? == OPT {
                    if opt.is_some() || !root || section != 3 {
                        return None;
                    }
                    opt = Some(Opt {
                        size: size?,
                        version: high?.to_be_bytes()[1],
                        dnssec_ok: low? & 0x8000 != 0,
                        options: options(rdata).filter(|all| all.iter().all(is_sound)),
                    });
                }
            }
        }
        let asked = Self { question, opt };
        let purpose =
            asked.question.is_some() || asked.opt.as_ref()?.option(code::COOKIE).is_some();
        (at == packet.len() && purpose).then_some(asked)
    }
}

impl Asking {
    /// Nothing stands before the question for a pointer to lead to.
    fn read(packet: &[u8], at: &mut usize) -> Option<Self> {
        let from = *at;
        let labels = name(&packet[from..], &mut 0)?;
        let octets: usize = 1 + labels.iter().map(|label| label.len() + 1).sum::<usize>();
        if *packet.get(from + octets - 1)? != 0 {
            return None; // shorter than its labels: it was compressed
        }
        *at = from + octets + 4;
        Some(Self {
            name: labels,
            rtype: number(packet, *at - 4)?,
            class: number(packet, *at - 2)?,
            length: octets + 4,
        })
    }
}

/// Move behind an owner. Where a pointer leads does not matter.
fn skip(packet: &[u8], at: &mut usize) -> Option<()> {
    let from = *at;
    loop {
        let label = usize::from(*packet.get(*at)?);
        if label == 0 || label >= 0xC0 {
            *at += 1 + usize::from(label > 0);
            return Some(());
        }
        *at += 1 + label;
        if label > 63 || *at - from + 1 > 255 {
            return None;
        }
    }
}

/// Whether an option is as its RFC demands.
fn is_sound((code, value): &Choice) -> bool {
    match *code {
        code::ECS => is_network(value).is_some(),
        code::COOKIE => value.len() == 8 || (16..=40).contains(&value.len()),
        _ => true,
    }
}

/// RFC 7871 section 6: a family that is known, no scope, and the octets of the prefix, zero beyond it.
fn is_network(value: &[u8]) -> Option<()> {
    let [_, _, source, scope, address @ ..] = value else {
        return None;
    };
    let bits = match number(value, 0)? {
        1 => 32,
        2 => 128,
        _ => return None,
    };
    let source = usize::from(*source);
    let beyond = (source..address.len() * 8).any(|bit| address[bit / 8] >> (7 - bit % 8) & 1 != 0);
    let sound = source <= bits && address.len() == source.div_ceil(8) && *scope == 0 && !beyond;
    sound.then_some(())
}
