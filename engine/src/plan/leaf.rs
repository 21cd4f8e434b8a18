//! Leaves: the records of an answer, written in wire format when a plan is published.

use std::collections::HashSet;
use std::net::IpAddr;

use super::PlanError;
use super::spec::{BackendSpec, Given};
use crate::wire::{CLASS_IN, OWNER_IS_QUESTION, Rcode, name, rtype};

/// The largest answer that is sure to fit into a message beside question and OPT.
const MAX_ANSWER: usize = 60_000;

/// A compiled answer.
pub struct Leaf {
    /// The records, owned by `OWNER_IS_QUESTION`; empty for NODATA.
    pub records: Box<[u8]>,
    /// How many records there are.
    pub count: u16,
    /// Records for the additional section, with their owner names in full.
    pub additional: Box<[u8]>,
    /// How many of them there are.
    pub additional_count: u16,
    /// `NoError` or `ServFail`.
    pub rcode: Rcode,
    /// The backends that it carries, by their place in `Plans`.
    pub backends: Box<[u32]>,
}

impl Leaf {
    /// The answer that the backends' own addresses or target make to a query of type `rtype`.
    pub(super) fn own(backends: &[BackendSpec], rtype: u16, ttl: u32) -> Result<Self, PlanError> {
        let mut records = Records::default();
        let mut seen = HashSet::new();
        for backend in backends {
            if let Some(target) = &backend.target {
                if backends.len() > 1 || name::length(target) != Some(target.len()) {
                    return Err(PlanError::TargetNotAlone);
                }
                records.add(QUESTION, rtype::CNAME, ttl, target)?;
                continue;
            }
            for address in &backend.addresses {
                if !seen.insert(*address) {
                    continue; // an RRset holds each record once (RFC 2181 section 5)
                }
                match (rtype, address) {
                    (rtype::A, IpAddr::V4(v4)) => {
                        records.add(QUESTION, rtype, ttl, &v4.octets())?;
                    }
                    (rtype::AAAA, IpAddr::V6(v6)) => {
                        records.add(QUESTION, rtype, ttl, &v6.octets())?;
                    }
                    _ => {}
                }
            }
        }
        Ok(Self::of(records, Records::default()))
    }

    /// The answer that is `given`, record by record.
    pub(super) fn given(given: &Given, rtype: u16, ttl: u32) -> Result<Self, PlanError> {
        let (mut records, mut additional) = (Records::default(), Records::default());
        for rdata in &given.rdatas {
            records.add(QUESTION, rtype, ttl, rdata)?;
        }
        for rrset in &given.additional {
            if name::length(&rrset.owner) != Some(rrset.owner.len()) {
                return Err(PlanError::BadOwner);
            }
            for rdata in &rrset.rdatas {
                additional.add(&rrset.owner, rrset.rtype, rrset.ttl, rdata)?;
            }
        }
        Ok(Self::of(records, additional))
    }

    fn of(records: Records, additional: Records) -> Self {
        Self {
            records: records.wire.into(),
            count: records.count,
            additional: additional.wire.into(),
            additional_count: additional.count,
            rcode: Rcode::NoError,
            backends: Box::default(),
        }
    }
}

/// Owned by the name in question.
const QUESTION: &[u8] = &OWNER_IS_QUESTION.to_be_bytes();

/// Records in wire format, one after another.
#[derive(Default)]
struct Records {
    wire: Vec<u8>,
    count: u16,
}

impl Records {
    fn add(&mut self, owner: &[u8], rtype: u16, ttl: u32, rdata: &[u8]) -> Result<(), PlanError> {
        // owner, type, class, ttl and length take 10 octets and more, so the count fits as well
        if rdata.len() > MAX_ANSWER || self.wire.len() > MAX_ANSWER - rdata.len() {
            return Err(PlanError::TooLarge);
        }
        self.wire.extend_from_slice(owner);
        self.wire.extend_from_slice(&rtype.to_be_bytes());
        self.wire.extend_from_slice(&CLASS_IN.to_be_bytes());
        self.wire.extend_from_slice(&ttl.to_be_bytes());
        self.wire
            .extend_from_slice(&(rdata.len() as u16).to_be_bytes());
        self.wire.extend_from_slice(rdata);
        self.count += 1;
        Ok(())
    }
}
