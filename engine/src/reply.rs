//! A response in the making: what the parts of the engine that answer write into.

#![deny(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects
)]

use std::net::IpAddr;

use crate::stats::Counters;
use crate::wire::edns::{self, Ede, Options};
use crate::wire::query::{Head, Query};
use crate::wire::writer::{Full, Writer};
use crate::wire::{HEADER, MAX_MESSAGE, Rcode, name};
use crate::zones::{Delegation, Node, Set, Zone};

const QR: u16 = 0x8000;
const AA: u16 = 0x0400;
const TC: u16 = 0x0200;

/// What kind of response it is, for limiting the rate of each by itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Kind {
    /// The records asked for.
    Answer,
    /// The name exists, but not with this type.
    NoData,
    /// The name does not exist.
    NxDomain,
    /// The name servers of a zone below.
    Referral,
    /// Anything else: refused, malformed, not implemented.
    Error,
}

/// A response, written.
#[derive(Clone, Copy, Debug)]
pub struct Answered {
    /// Its octets.
    pub length: usize,
    /// Those before OPT, which comes last.
    pub opt: usize,
    /// What kind it is.
    pub kind: Kind,
    /// What it is about: the number of the name that answers, which is the wildcard's for all names that
    /// it covers; for names that do not exist that of their zone; for errors 0.
    pub subject: u32,
    /// Whether a cookie proves that the client's address is its own.
    pub vouched: bool,
}

/// A response in the making.
pub(crate) struct Reply<'q, 'w> {
    pub(crate) query: &'q Query<'q>,
    pub(crate) writer: Writer<'w>,
    pub(crate) rcode: Rcode,
    pub(crate) kind: Kind,
    pub(crate) subject: u32,
    /// How many records the answer section has.
    pub(crate) answers: u16,
    pub(crate) options: Options<'q>,
    /// Where the client is, by what its resolver says; None: nothing that counts is said.
    pub(crate) located: Option<IpAddr>,
    pub(crate) vouched: bool,
    /// The largest UDP payload that is announced.
    pub(crate) payload: u16,
    flags: u16,
    authorities: u16,
    additionals: u16,
}

impl<'q, 'w> Reply<'q, 'w> {
    /// A response to `query`, of which nothing is written yet.
    #[inline]
    pub(crate) fn new(head: Head, query: &'q Query<'q>, out: &'w mut [u8]) -> Self {
        Self {
            query,
            writer: Writer::new(out, MAX_MESSAGE),
            rcode: Rcode::NoError,
            kind: Kind::Error,
            subject: 0,
            answers: 0,
            options: Options::default(),
            located: None,
            vouched: false,
            payload: 0,
            flags: head.flags | QR,
            authorities: 0,
            additionals: 0,
        }
    }

    /// Let the response have no more than `limit` octets, and keep room in them for OPT.
    #[inline]
    pub(crate) fn bound(&mut self, limit: usize) {
        let opt = self
            .query
            .edns
            .as_ref()
            .map_or(0, |_| self.options.reserved());
        self.writer.bound(limit, opt);
    }

    /// Write the question as received, behind a header that `finish` overwrites.
    #[inline]
    pub(crate) fn start(&mut self) -> Result<(), Full> {
        self.writer.put(self.query.top)
    }

    /// Refuse in one way or another.
    pub(crate) fn fail(&mut self, rcode: Rcode, why: Option<Ede>) {
        self.rcode = rcode;
        self.kind = Kind::Error;
        self.options.error = why;
    }

    /// Note that the answer comes from a zone of ours; its version is told to who asked for it.
    #[inline]
    pub(crate) fn authoritative(&mut self, zone: &Zone) {
        self.flags |= AA;
        if self.query.edns.is_some_and(|edns| edns.zone_version) {
            self.options.zone_version = Some((zone.labels, zone.serial));
        }
    }

    /// Note that the server speaks of itself.
    pub(crate) fn about_itself(&mut self) {
        self.flags |= AA;
    }

    /// Add an `RRset` to the answer.
    #[inline]
    pub(crate) fn answer(&mut self, zone: &Zone, set: &Set, owner: u16) -> Result<(), Full> {
        self.writer.records(zone.records(set), owner)?;
        self.answers = self.answers.saturating_add(set.count);
        Ok(())
    }

    /// Say that there is nothing: with the SOA record, which says how long that may be kept (RFC 2308).
    pub(crate) fn negative(&mut self, zone: &Zone, rcode: Rcode, subject: u32) -> Result<(), Full> {
        self.rcode = rcode;
        if self.answers == 0 {
            (self.kind, self.subject) = match rcode {
                Rcode::NxDomain => (Kind::NxDomain, zone.id),
                _ => (Kind::NoData, subject),
            };
        }
        let owner = self.suffix(usize::from(zone.apex)).ok_or(Full)?;
        self.writer.records(&zone.soa, owner)?;
        self.authorities = 1;
        Ok(())
    }

    /// Refer to the name servers of a zone below; all glue or a truncated answer (RFC 9471).
    pub(crate) fn refer(
        &mut self,
        zone: &Zone,
        at: &Node,
        delegation: &Delegation,
    ) -> Result<(), Full> {
        (self.kind, self.subject) = (Kind::Referral, zone.subject(at));
        let (servers, count) = zone.nameservers(delegation);
        let owner = self.suffix(zone.name(at).len()).ok_or(Full)?;
        let base = u16::try_from(self.writer.position()).map_err(|_| Full)?;
        self.writer.records(servers, owner)?;
        self.authorities = count;
        let (glue, count) = zone.glue(delegation);
        if delegation.pointed {
            self.writer.records_from(glue, base)?;
        } else {
            self.writer.put(glue)?;
        }
        self.additionals = count;
        Ok(())
    }

    /// Add records to the additional section, or none of them: where they do not fit, they are no loss
    /// (RFC 2181 section 9).
    #[inline]
    pub(crate) fn offer(&mut self, records: &[u8], count: u16) {
        if self.writer.put(records).is_ok() {
            self.additionals = self.additionals.saturating_add(count);
        }
    }

    /// A pointer to the last `length` octets of the name in question.
    fn suffix(&self, length: usize) -> Option<u16> {
        let before = self.query.name.len().checked_sub(length)?;
        pointer(before.checked_add(HEADER)?)
    }

    /// Nothing but header and question fit: the client asks again by TCP (RFC 2181 section 9).
    pub(crate) fn truncate(&mut self) {
        self.writer.rewind(self.query.top.len());
        self.flags |= TC;
        if let Some((_, scope)) = &mut self.options.ecs {
            *scope = 0;
        }
        (self.answers, self.authorities, self.additionals) = (0, 0, 0);
    }

    /// Write OPT and the header.
    #[inline]
    pub(crate) fn finish(&mut self, id: u16, counters: &Counters) -> Option<Answered> {
        let rcode = self.rcode as u8;
        self.writer.release();
        let opt = self.writer.position();
        if let Some(edns) = &self.query.edns {
            edns.write(&mut self.writer, rcode, self.payload, &self.options)
                .ok()?;
            self.additionals = self.additionals.saturating_add(1);
        }
        self.writer.header([
            id,
            self.flags | u16::from(rcode & 0x0F),
            u16::from(self.query.asks()),
            self.answers,
            self.authorities,
            self.additionals,
        ]);
        counters.answered(self.rcode);
        Some(Answered {
            length: self.writer.position(),
            opt,
            kind: self.kind,
            subject: self.subject,
            vouched: self.vouched,
        })
    }
}

impl Answered {
    /// A response that is nothing but a header.
    pub(crate) fn header_only(
        counters: &Counters,
        head: Head,
        rcode: Rcode,
        out: &mut [u8],
    ) -> Option<Self> {
        let mut writer = Writer::new(out, HEADER);
        writer.put(&[0; HEADER]).ok()?;
        writer.header([head.id, head.flags | QR | rcode as u16, 0, 0, 0, 0]);
        counters.answered(rcode);
        Some(Self {
            length: HEADER,
            opt: HEADER,
            kind: Kind::Error,
            subject: 0,
            vouched: false,
        })
    }

    /// Cut the response in `out` down to header, question and the options that clients cannot do without.
    /// It is truncated, unless it has no records anyway: an error says the same by TCP.
    ///
    /// Returns its length: that of the query, plus 16 octets of a server cookie where the query brought
    /// none.
    pub(crate) fn bare(&self, out: &mut [u8]) -> Option<usize> {
        let message = out.get_mut(..self.length)?;
        let (head, body) = message.split_at_mut_checked(HEADER)?;
        let [_, _, flags, _, _, questions, counts @ ..] = head else {
            return None;
        };
        if self.kind != Kind::Error {
            *flags |= (TC >> 8) as u8;
        }
        let question = match questions {
            0 => 0,
            _ => name::length(body)?.checked_add(4)?,
        };
        counts.fill(0);
        let end = HEADER.checked_add(question)?;
        if self.opt == self.length {
            return Some(end);
        }
        *counts.last_mut()? = 1;
        let kept = edns::trim(message.get_mut(self.opt..)?)?;
        message.copy_within(self.opt..self.opt.checked_add(kept)?, end);
        end.checked_add(kept)
    }
}

/// A compression pointer to an offset (RFC 1035 section 4.1.4), where 14 bits reach.
pub(crate) fn pointer(offset: usize) -> Option<u16> {
    let offset = u16::try_from(offset).ok()?;
    (offset < 0x4000).then_some(offset | 0xC000)
}
