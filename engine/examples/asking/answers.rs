//! What an answer says.

use std::net::Ipv4Addr;

const HEADER: usize = 12;
const TYPE_A: u16 = 1;
const TYPE_OPT: u16 = 41;
pub(super) const CLIENT_SUBNET: u16 = 8;
/// Where rdata begin, counted from the end of the owner name: type, class, TTL, length.
const RDATA: usize = 10;

/// What an answer holds that is counted.
#[derive(Default)]
pub(super) struct Seen {
    pub(super) address: Option<Ipv4Addr>,
    pub(super) scope: Option<u8>,
}

impl Seen {
    /// Reads an answer whose question ends at `question`; nothing when it ends too early.
    pub(super) fn of(answer: &[u8], question: usize) -> Option<Self> {
        let mut seen = Self::default();
        let counts = answer.get(6..HEADER)?.as_chunks().0;
        let records: u32 = counts
            .iter()
            .map(|&of| u32::from(u16::from_be_bytes(of)))
            .sum();
        let mut rest = answer.get(question..)?;
        for _ in 0..records {
            rest = past_name(rest)?;
            let (rtype, length) = (word(rest)?, usize::from(word(rest.get(RDATA - 2..)?)?));
            let rdata = rest.get(RDATA..)?.get(..length)?;
            match rtype {
                TYPE_A if seen.address.is_none() => {
                    seen.address = rdata.first_chunk().map(|&octets| Ipv4Addr::from(octets));
                }
                TYPE_OPT => seen.scope = scope(rdata),
                _ => {}
            }
            rest = rest.get(RDATA + length..)?;
        }
        Some(seen)
    }
}

fn past_name(mut bytes: &[u8]) -> Option<&[u8]> {
    loop {
        match *bytes.first()? {
            0 => return bytes.get(1..),
            0xC0.. => return bytes.get(2..),
            length => bytes = bytes.get(1 + usize::from(length)..)?,
        }
    }
}

/// The SCOPE PREFIX-LENGTH among an OPT record's options.
fn scope(mut options: &[u8]) -> Option<u8> {
    while let (Some(code), Some(length)) = (word(options), options.get(2..).and_then(word)) {
        if code == CLIENT_SUBNET {
            return options.get(7).copied();
        }
        options = options.get(4 + usize::from(length)..)?;
    }
    None
}

fn word(bytes: &[u8]) -> Option<u16> {
    bytes
        .first_chunk()
        .map(|&octets| u16::from_be_bytes(octets))
}
