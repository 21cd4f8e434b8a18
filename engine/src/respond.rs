//! Packet in, answer out: a pure function of snapshot, client, query and dice.
//!
//! UDP, TCP, tests, fuzzers and Python's `Engine.answer` all call `respond`. It does no I/O, takes no
//! lock, allocates nothing. Checks come in the order of their cost; of a packet that passes them all,
//! what is patched into precompiled records is the header, the question as received, owner pointers
//! after a CNAME or a wildcard, and OPT.

#![deny(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects
)]

use std::net::IpAddr;

use crate::lookup::Found;
use crate::plan::ServicePlan;
use crate::select::{Dice, select};
use crate::snapshot::Snapshot;
use crate::stats::{Counters, Drop, Transport};
use crate::wire::edns::Edns;
use crate::wire::name::Lower;
use crate::wire::query::{Fault, Head, Query};
use crate::wire::writer::{Full, Writer};
use crate::wire::{CLASS_IN, HEADER, MAX_MESSAGE, OWNER_IS_QUESTION, Rcode, rtype};
use crate::zones::{Cut, Node, Zone};

/// The largest UDP payload we send and announce: it passes everywhere unfragmented (RFC 9715).
pub const UDP_PAYLOAD: u16 = 1232;

/// What a sender without EDNS takes (RFC 1035 section 4.2.1).
const CLASSIC_PAYLOAD: u16 = 512;

/// How many CNAMEs one answer follows inside of a zone; resolvers ask anew for the rest.
const MAX_CHAIN: usize = 8;

/// An answer to ANY that is small and says why (RFC 8482 section 4.2): HINFO "RFC8482" "".
const ANY_ANSWER: &[u8] = b"\xC0\x0C\x00\x0D\x00\x01\x00\x00\x0E\x10\x00\x09\x07RFC8482\x00";

const QR: u16 = 0x8000;
const AA: u16 = 0x0400;
const TC: u16 = 0x0200;

/// Answer `packet` of `client` into `out`, which has room for the transport's largest message.
///
/// Returns the answer's length; None for silence. Both are counted.
#[inline]
pub fn respond(
    snapshot: &Snapshot,
    counters: &Counters,
    dice: &mut Dice,
    client: IpAddr,
    packet: &[u8],
    out: &mut [u8],
) -> Option<usize> {
    let head = match Head::parse(packet) {
        Ok(head) => head,
        Err(Fault::Response) => return silence(counters, Drop::Response),
        Err(_) => return silence(counters, Drop::Short),
    };
    let query = match Query::parse(head, packet) {
        Ok(query) => query,
        Err(Fault::Error(rcode)) => return error(counters, head, rcode, out),
        Err(_) => return silence(counters, Drop::Short),
    };
    let limit = match (counters.transport(), &query.edns) {
        (Transport::Tcp, _) => MAX_MESSAGE,
        (Transport::Udp, None) => usize::from(CLASSIC_PAYLOAD),
        (Transport::Udp, Some(edns)) => {
            usize::from(edns.udp_size.clamp(CLASSIC_PAYLOAD, UDP_PAYLOAD))
        }
    };
    let opt = query.edns.as_ref().map_or(0, Edns::length);
    let mut reply = Reply {
        query: &query,
        writer: Writer::new(out, limit.saturating_sub(opt)),
        flags: head.flags | QR,
        rcode: Rcode::NoError,
        scope: 0,
        answers: 0,
        authorities: 0,
        additionals: 0,
    };
    reply.writer.put(&[0; HEADER]).ok()?;
    reply.writer.put(query.question).ok()?;
    if reply.fill(snapshot, counters, dice, client) == Err(Full) {
        reply.truncate();
    }
    reply.writer.extend(opt);
    reply.finish(head.id, counters)
}

fn silence(counters: &Counters, reason: Drop) -> Option<usize> {
    counters.dropped(reason);
    None
}

/// A response that is nothing but a header.
fn error(counters: &Counters, head: Head, rcode: Rcode, out: &mut [u8]) -> Option<usize> {
    let mut writer = Writer::new(out, HEADER);
    writer.put(&[0; HEADER]).ok()?;
    writer.header([head.id, head.flags | QR | rcode as u16, 0, 0, 0, 0]);
    counters.answered(rcode);
    Some(HEADER)
}

/// A response in the making.
struct Reply<'q, 'w> {
    query: &'q Query<'q>,
    writer: Writer<'w>,
    flags: u16,
    rcode: Rcode,
    scope: u8,
    answers: u16,
    authorities: u16,
    additionals: u16,
}

impl Reply<'_, '_> {
    /// Write what the snapshot holds for the question.
    #[inline]
    fn fill(
        &mut self,
        snapshot: &Snapshot,
        counters: &Counters,
        dice: &mut Dice,
        client: IpAddr,
    ) -> Result<(), Full> {
        let query = self.query;
        if query.edns.is_some_and(|edns| edns.version > 0) {
            self.rcode = Rcode::BadVers;
            return Ok(());
        }
        if query.qclass != CLASS_IN || matches!(query.qtype, rtype::AXFR | rtype::IXFR) {
            self.rcode = Rcode::Refused;
            return Ok(());
        }
        let zones = &snapshot.zones;
        let mut name = Lower::new(query.name);
        let mut owner = OWNER_IS_QUESTION;
        let mut home = None;
        let mut chain: [&[u8]; MAX_CHAIN] = [&[]; MAX_CHAIN]; // the targets so far
        for turn in 0..=MAX_CHAIN {
            let first = home.is_none();
            let parent_side = first && query.qtype == rtype::DS;
            let node = match zones.find(name.as_slice(), parent_side) {
                Found::Outside if first => {
                    self.rcode = Rcode::Refused;
                    return Ok(());
                }
                Found::Cut(cut) if first => return self.refer(snapshot, cut),
                Found::Missing(zone) if first || is(home, zone) => {
                    self.flags |= AA;
                    self.rcode = Rcode::NxDomain;
                    return self.negative(zone);
                }
                Found::Node(node) => node,
                // The chain left the zone: the resolver goes on from here.
                Found::Outside | Found::Cut(_) | Found::Missing(_) => return Ok(()),
            };
            let Some(zone) = zones.zone(node) else {
                return Ok(());
            };
            if !first && !is(home, zone) {
                return Ok(());
            }
            home = Some(zone);
            self.flags |= AA;
            if let Some(plan) = snapshot.plans.get(node.service as usize)
                && self.balance(plan, counters, dice, client, owner)?
            {
                return Ok(());
            }
            let Some((target, at)) = self.records(snapshot, node, zone, owner)? else {
                return Ok(());
            };
            // A chain that comes back to a name has said all that there is.
            let is_target = |seen: &&[u8]| seen.eq_ignore_ascii_case(target);
            if is_target(&query.name) || chain.iter().take(turn).any(is_target) {
                return Ok(());
            }
            if let Some(place) = chain.get_mut(turn) {
                *place = target;
            }
            name = Lower::new(target);
            owner = at;
        }
        Ok(())
    }

    /// Answer from a service's plan. False where the plan has nothing to say for this type.
    #[inline]
    fn balance(
        &mut self,
        plan: &ServicePlan,
        counters: &Counters,
        dice: &mut Dice,
        client: IpAddr,
        owner: u16,
    ) -> Result<bool, Full> {
        let Some(tree) = plan.tree(self.query.qtype) else {
            return Ok(false);
        };
        let ecs = self.query.edns.and_then(|edns| edns.ecs);
        // A network of no bits is a wish not to be located (RFC 7871 section 7.1.2).
        let client = match ecs {
            Some(ecs) if ecs.source > 0 => ecs.address,
            _ => client,
        };
        let Some(leaf) = select(tree, client, dice) else {
            return Ok(false);
        };
        if leaf.count == 0 {
            // The scope stays 0, wherever the client is: resolvers keep NODATA and SERVFAIL for
            // everybody (RFC 7871 section 7.4).
            self.rcode = leaf.rcode;
            return Ok(leaf.rcode != Rcode::NoError);
        }
        self.writer.records(&leaf.records, owner)?;
        self.answers = self.answers.saturating_add(leaf.count);
        self.scope = tree.0.scope(client);
        for tally in leaf.backends.iter().filter_map(|&place| plan.tally(place)) {
            counters.tally(tally);
        }
        Ok(true)
    }

    /// Answer from the static records of `node`. Returns a CNAME's target and a pointer to where it
    /// stands in the message, when the answer goes on there.
    fn records<'s>(
        &mut self,
        snapshot: &'s Snapshot,
        node: &Node,
        zone: &Zone,
        owner: u16,
    ) -> Result<Option<(&'s [u8], u16)>, Full> {
        let zones = &snapshot.zones;
        let qtype = self.query.qtype;
        let wanted = if qtype == rtype::ANY {
            // a CNAME alone is a minimal answer (RFC 8482 section 4.2), and stands alone anyway
            rtype::CNAME
        } else {
            qtype
        };
        if let Some(set) = zones.set(node, wanted) {
            self.writer.records(zones.records(set), owner)?;
            self.answers = self.answers.saturating_add(set.count);
            return Ok(None);
        }
        if qtype == rtype::ANY && !zones.is_empty(node) {
            self.writer.records(ANY_ANSWER, owner)?;
            self.answers = self.answers.saturating_add(1);
            return Ok(None);
        }
        let Some(cname) = zones.set(node, rtype::CNAME) else {
            self.negative(zone)?;
            return Ok(None);
        };
        // owner 2, type 2, class 2, ttl 4, length 2; then the target
        let target_at = self.writer.position().saturating_add(12);
        let record = zones.records(cname);
        self.writer.records(record, owner)?;
        self.answers = self.answers.saturating_add(1);
        Ok(pointer(target_at).and_then(|at| Some((record.get(12..)?, at))))
    }

    /// Add the SOA record that says how long a negative answer may be kept (RFC 2308).
    fn negative(&mut self, zone: &Zone) -> Result<(), Full> {
        let owner = self.suffix(usize::from(zone.apex)).ok_or(Full)?;
        self.writer.records(&zone.soa, owner)?;
        self.authorities = 1;
        Ok(())
    }

    /// Refer to the name servers of a zone below; all glue or a truncated answer (RFC 9471).
    fn refer(&mut self, snapshot: &Snapshot, cut: &Cut) -> Result<(), Full> {
        let zones = &snapshot.zones;
        let length = zones
            .node_at(cut.node)
            .map_or(0, |node| zones.name(node).len());
        let (servers, count) = zones.delegation(cut);
        let owner = self.suffix(length).ok_or(Full)?;
        self.writer.records(servers, owner)?;
        self.authorities = count;
        let (glue, count) = zones.glue(cut);
        self.writer.put(glue)?;
        self.additionals = count;
        Ok(())
    }

    /// A pointer to the last `length` octets of the name in question.
    fn suffix(&self, length: usize) -> Option<u16> {
        let before = self.query.name.len().checked_sub(length)?;
        pointer(before.checked_add(HEADER)?)
    }

    /// Nothing but header and question fit: the client asks again by TCP (RFC 2181 section 9).
    fn truncate(&mut self) {
        self.writer
            .rewind(HEADER.saturating_add(self.query.question.len()));
        self.flags |= TC;
        self.scope = 0;
        (self.answers, self.authorities, self.additionals) = (0, 0, 0);
    }

    /// Write OPT and the header.
    #[inline]
    fn finish(mut self, id: u16, counters: &Counters) -> Option<usize> {
        let rcode = self.rcode as u8;
        if let Some(edns) = &self.query.edns {
            edns.write(&mut self.writer, rcode, UDP_PAYLOAD, self.scope)
                .ok()?;
            self.additionals = self.additionals.saturating_add(1);
        }
        self.writer.header([
            id,
            self.flags | u16::from(rcode & 0x0F),
            1,
            self.answers,
            self.authorities,
            self.additionals,
        ]);
        counters.answered(self.rcode);
        Some(self.writer.position())
    }
}

fn is(home: Option<&Zone>, zone: &Zone) -> bool {
    home.is_some_and(|home| std::ptr::eq(home, zone))
}

/// A compression pointer to an offset (RFC 1035 section 4.1.4), where 14 bits reach.
fn pointer(offset: usize) -> Option<u16> {
    let offset = u16::try_from(offset).ok()?;
    (offset < 0x4000).then_some(offset | 0xC000)
}
