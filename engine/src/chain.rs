//! Following aliases: from a CNAME to its target (RFC 1034 section 3.6.2), and from a name below a
//! DNAME to the name that it stands for (RFC 6672).
//!
//! A chain is followed inside of one zone: beyond, the resolver asks who knows.

#![deny(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects
)]

use crate::lookup::Found;
use crate::reply::{Kind, Reply, pointer};
use crate::respond::Place;
use crate::snapshot::Snapshot;
use crate::wire::name::{Lower, MAX_NAME};
use crate::wire::writer::Full;
use crate::wire::{CLASS_IN, OWNER_IS_QUESTION, Rcode, rtype};
use crate::zones::{Node, Set, Zone};

/// How many aliases one answer follows; resolvers ask anew for the rest.
pub(crate) const MAX_CHAIN: usize = 8;

/// Octets of a record before its rdata, where its owner is a pointer: owner 2, type 2, class 2, TTL 4,
/// length 2.
const RECORD: usize = 12;

/// Where an answer goes on.
#[derive(Clone, Copy)]
pub(crate) enum Next<'s> {
    /// At the target of a CNAME that is written already, and stands where `owner` points.
    Alias { target: &'s [u8], owner: u16 },
    /// At the name that a DNAME makes of the current one, which stands where `owner` points.
    Dname {
        dname: &'s Set,
        /// Octets of the DNAME's owner, the end of the current name that is replaced.
        from: usize,
        owner: u16,
        /// The number of the DNAME's node among all nodes.
        subject: u32,
    },
}

impl<'s> Next<'s> {
    /// The way on from a name below the DNAME of `node`.
    pub(crate) fn renamed(zone: &Zone, node: &Node, dname: &'s Set, owner: u16) -> Self {
        Self::Dname {
            dname,
            from: zone.name(node).len(),
            owner,
            subject: zone.subject(node),
        }
    }
}

/// Follow the chain from `next` on to its end; `stand` answers from a node of the zone.
#[cold]
#[inline(never)]
pub(crate) fn follow<'s, 'q, 'w>(
    reply: &mut Reply<'q, 'w>,
    snapshot: &'s Snapshot,
    home: &Zone,
    mut next: Next<'s>,
    mut stand: impl FnMut(&mut Reply<'q, 'w>, Place<'s>) -> Result<Option<Next<'s>>, Full>,
) -> Result<(), Full> {
    let zones = &snapshot.zones;
    let is_home = |zone: &Zone| std::ptr::eq(zone, home);
    let mut met = [Lower::new(reply.query.name); MAX_CHAIN];
    let mut current = Lower::new(&[]); // the name as it stands in the message, in its own case
    current.replace(reply.query.name);
    let mut told = [u32::MAX; MAX_CHAIN]; // the nodes whose DNAME the answer has
    for turn in 0..MAX_CHAIN {
        let owner = match next {
            Next::Alias { target, owner } => {
                current.replace(target);
                owner
            }
            Next::Dname {
                dname,
                from,
                owner,
                subject,
            } => {
                if reply.answers == 0 {
                    (reply.kind, reply.subject) = (Kind::Answer, subject);
                }
                // no record stands in a message twice (RFC 2181 section 5)
                if !told.contains(&subject) {
                    let kept = current.as_slice().len().checked_sub(from).ok_or(Full)?;
                    let at = usize::from(owner & !0xC000).saturating_add(kept);
                    reply.answer(home, dname, pointer(at).ok_or(Full)?)?;
                }
                if let Some(place) = told.get_mut(turn) {
                    *place = subject;
                }
                match rename(reply, home, dname, from, owner, &mut current)? {
                    Some(owner) => owner,
                    None => return Ok(()),
                }
            }
        };
        let name = Lower::new(current.as_slice());
        // A chain that comes back to a name has said all that there is.
        if met
            .iter()
            .take(turn.saturating_add(1))
            .any(|seen| seen.as_slice() == name.as_slice())
        {
            return Ok(());
        }
        if let Some(place) = met.get_mut(turn.saturating_add(1)) {
            *place = name;
        }
        let found = match zones.find(name.as_slice(), 0) {
            Found::Node(zone, node) if is_home(zone) => stand(reply, Place { node, zone, owner })?,
            Found::Renamed(zone, node, dname) if is_home(zone) => {
                Some(Next::renamed(zone, node, dname, owner))
            }
            // the chain's last name is what the rcode is about (RFC 6604)
            Found::Missing(zone) if is_home(zone) => {
                return reply.negative(zone, Rcode::NxDomain, 0);
            }
            _ => None,
        };
        match found {
            Some(on) => next = on,
            None => return Ok(()),
        }
    }
    Ok(())
}

/// Write the CNAME record that a DNAME makes of the `current` name, which becomes its target (RFC 6672
/// section 3.1). Returns a pointer to that; None where the answer ends here.
fn rename(
    reply: &mut Reply<'_, '_>,
    zone: &Zone,
    dname: &Set,
    from: usize,
    owner: u16,
    current: &mut Lower,
) -> Result<Option<u16>, Full> {
    let record = zone.records(dname);
    let kept = current.as_slice().len().checked_sub(from).ok_or(Full)?;
    let target = record.get(RECORD..).ok_or(Full)?;
    let ttl = record.get(6..10).ok_or(Full)?;
    if kept.saturating_add(target.len()) > MAX_NAME {
        reply.rcode = Rcode::YxDomain;
        return Ok(None);
    }
    current.splice(kept, target);
    reply.writer.u16(owner)?;
    reply.writer.u16(rtype::CNAME)?;
    reply.writer.u16(CLASS_IN)?;
    reply.writer.put(ttl)?;
    let target_at = reply.writer.position().saturating_add(2);
    reply
        .writer
        .counted(|writer| writer.put(current.as_slice()))?;
    reply.answers = reply.answers.saturating_add(1);
    if reply.query.qtype == rtype::CNAME {
        return Ok(None); // the synthesised record is what was asked for
    }
    Ok(pointer(target_at).filter(|&owner| owner != OWNER_IS_QUESTION))
}
