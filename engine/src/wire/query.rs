//! Reading a query: the cheapest reasons to refuse it come first.

#![deny(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects
)]

use super::edns::Edns;
use super::{CLASS_IN, HEADER, Rcode, name, rtype, words};

const QR: u16 = 0x8000;
const OPCODE: u16 = 0x7800;
/// RD and CD are the bits of a query that its response carries too (RFC 1035, RFC 4035 3.1.6).
const COPIED: u16 = 0x0110;

/// Records after the question that are walked in search of OPT: a query has one or two.
const MAX_RECORDS: u16 = 8;

/// A well-formed query: with one question or, in an exchange of cookies, without (RFC 7873 section 5.4).
#[derive(Debug)]
pub struct Query<'a> {
    /// The name in question as received, in wire format; empty where there is no question.
    pub name: &'a [u8],
    /// The header and the question section as received.
    pub top: &'a [u8],
    /// QTYPE.
    pub qtype: u16,
    /// QCLASS.
    pub qclass: u16,
    /// The OPT record.
    pub edns: Option<Edns>,
}

/// A packet that is no query to answer in full.
#[derive(Debug, PartialEq, Eq)]
pub enum Fault {
    /// Shorter than a header.
    Short,
    /// A response: answering one would start a loop.
    Response,
    /// An error to send back.
    Error(Rcode),
}

/// The header's ID and those of its flags that the response carries too.
#[derive(Clone, Copy, Debug)]
pub struct Head {
    /// ID.
    pub id: u16,
    /// Opcode, RD and CD.
    pub flags: u16,
    /// QDCOUNT, ANCOUNT, NSCOUNT and ARCOUNT.
    counts: [u16; 4],
}

impl Head {
    /// The head of any packet that deserves a response.
    pub fn parse(packet: &[u8]) -> Result<Self, Fault> {
        let ([id, flags, counts @ ..], _) = words::<6>(packet).ok_or(Fault::Short)?;
        if flags & QR != 0 {
            return Err(Fault::Response);
        }
        Ok(Self {
            id,
            flags: flags & (OPCODE | COPIED),
            counts,
        })
    }
}

impl<'a> Query<'a> {
    /// Read the packet behind a `head`.
    pub fn parse(head: Head, packet: &'a [u8]) -> Result<Self, Fault> {
        const FORMERR: Fault = Fault::Error(Rcode::FormErr);
        if head.flags & OPCODE != 0 {
            return Err(Fault::Error(Rcode::NotImp));
        }
        let body = packet.get(HEADER..).ok_or(Fault::Short)?;
        let [questions, others @ ..] = head.counts;
        if questions != 1 {
            return Self::without_question(head, packet).ok_or(FORMERR); // RFC 9619
        }
        let length = name::length(body).ok_or(FORMERR)?;
        let (name, tail) = body.split_at_checked(length).ok_or(FORMERR)?;
        let ([qtype, qclass], rest) = words(tail).ok_or(FORMERR)?;
        let top = packet.len().checked_sub(rest.len());
        Ok(Self {
            name,
            top: top.and_then(|top| packet.get(..top)).ok_or(FORMERR)?,
            qtype,
            qclass,
            edns: match only_edns(others, rest) {
                None => find_edns(others, rest).ok_or(FORMERR)?,
                found => found,
            },
        })
    }

    /// Whether there is a question.
    #[inline]
    #[must_use]
    pub fn asks(&self) -> bool {
        !self.name.is_empty()
    }

    /// A query that asks for a cookie and nothing else.
    fn without_question(head: Head, packet: &'a [u8]) -> Option<Self> {
        let [0, others @ ..] = head.counts else {
            return None;
        };
        let (top, body) = packet.split_at_checked(HEADER)?;
        let edns = find_edns(others, body)?;
        edns?.cookie?;
        Some(Self {
            name: &[],
            top,
            qtype: 0,
            qclass: CLASS_IN,
            edns,
        })
    }
}

/// The OPT record where it is all that follows the question, as in most queries.
#[inline]
fn only_edns(counts: [u16; 3], rest: &[u8]) -> Option<Edns> {
    let ([0, 0, 1], [0, record @ ..]) = (counts, rest) else {
        return None;
    };
    let ([rtype::OPT, class, high, low, length], rdata) = words(record)? else {
        return None;
    };
    (usize::from(length) == rdata.len()).then(|| Edns::parse(class, [high, low], rdata))
}

/// The OPT record among `counts` records (answer, authority, additional); None for a malformed rest.
#[allow(clippy::option_option, reason = "the outer one is the error")]
fn find_edns(counts: [u16; 3], mut rest: &[u8]) -> Option<Option<Edns>> {
    let [answers, authorities, additionals] = counts;
    let before = answers.checked_add(authorities)?;
    let total = before.checked_add(additionals)?;
    if total > MAX_RECORDS {
        return None;
    }
    let mut edns = None;
    for index in 0..total {
        let owner = owner_length(rest)?;
        let root = rest.first() == Some(&0);
        let (_, after) = rest.split_at_checked(owner)?;
        let ([rtype, class, high, low, length], after) = words(after)?;
        let (rdata, after) = after.split_at_checked(usize::from(length))?;
        if rtype == rtype::OPT {
            // RFC 6891 section 6.1.1: one OPT, owned by the root, in the additional section
            if edns.is_some() || !root || index < before {
                return None;
            }
            edns = Some(Edns::parse(class, [high, low], rdata));
        }
        rest = after;
    }
    rest.is_empty().then_some(edns)
}

/// How many octets a possibly compressed owner takes; the name behind a pointer does not matter.
fn owner_length(bytes: &[u8]) -> Option<usize> {
    let mut at = 0_usize;
    loop {
        let label = *bytes.get(at)?;
        at = at.checked_add(1)?;
        match label {
            0 => return Some(at),
            1..=63 => at = at.checked_add(usize::from(label))?,
            0xC0..=0xFF => return at.checked_add(1),
            _ => return None,
        }
        if at >= name::MAX_NAME {
            return None; // what is to follow takes one octet at least
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const QUESTION: &[u8] = b"\x01a\x00\x00\x01\x00\x01";

    fn parse(header: &[u8], rest: &[u8]) -> Result<(u16, Option<u16>), Fault> {
        let packet = [header, rest].concat();
        let query = Query::parse(Head::parse(&packet)?, &packet)?;
        Ok((query.qtype, query.edns.map(|edns| edns.udp_size)))
    }

    const PLAIN: &[u8] = b"\x12\x34\x01\x00\x00\x01\x00\x00\x00\x00\x00\x00";
    const WITH_OPT: &[u8] = b"\x12\x34\x01\x00\x00\x01\x00\x00\x00\x00\x00\x01";
    const TWO_OPTS: &[u8] = b"\x12\x34\x01\x00\x00\x01\x00\x00\x00\x00\x00\x02";
    const RR_OPT: &[u8] = b"\x00\x00\x29\x04\xD0\x00\x00\x00\x00\x00\x00";

    #[test]
    fn queries() {
        assert_eq!(parse(PLAIN, QUESTION), Ok((1, None)));
        assert_eq!(
            parse(WITH_OPT, &[QUESTION, RR_OPT].concat()),
            Ok((1, Some(1232)))
        );
        let cookie = [&RR_OPT[..9], b"\x00\x0C\x00\x0A\x00\x08cookie00"].concat();
        let no_question = b"\x12\x34\x01\x00\x00\x00\x00\x00\x00\x00\x00\x01";
        assert_eq!(parse(no_question, &cookie), Ok((0, Some(1232))));
    }

    #[test]
    fn faults() {
        let formerr = || Err(Fault::Error(Rcode::FormErr));
        let two = [QUESTION, RR_OPT, RR_OPT].concat();
        assert_eq!(parse(&PLAIN[..11], b""), Err(Fault::Short));
        assert_eq!(
            parse(
                b"\x12\x34\x81\x00\x00\x01\x00\x00\x00\x00\x00\x00",
                QUESTION
            ),
            Err(Fault::Response)
        );
        assert_eq!(
            parse(
                b"\x12\x34\x29\x00\x00\x01\x00\x00\x00\x00\x00\x00",
                QUESTION
            ),
            Err(Fault::Error(Rcode::NotImp))
        );
        assert_eq!(
            parse(b"\x12\x34\x01\x00\x00\x00\x00\x00\x00\x00\x00\x00", b""),
            formerr()
        );
        let no_question = b"\x12\x34\x01\x00\x00\x00\x00\x00\x00\x00\x00\x01";
        assert_eq!(parse(no_question, RR_OPT), formerr(), "no cookie either");
        assert_eq!(parse(PLAIN, &QUESTION[..4]), formerr());
        assert_eq!(
            parse(PLAIN, &[QUESTION, b"x"].concat()),
            formerr(),
            "octets after the message"
        );
        assert_eq!(
            parse(WITH_OPT, QUESTION),
            formerr(),
            "a record promised but missing"
        );
        assert_eq!(parse(TWO_OPTS, &two), formerr(), "two OPT records");
        let in_answer = b"\x12\x34\x01\x00\x00\x01\x00\x01\x00\x00\x00\x00";
        assert_eq!(
            parse(in_answer, &[QUESTION, RR_OPT].concat()),
            formerr(),
            "OPT as an answer"
        );
    }
}
