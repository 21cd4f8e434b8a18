//! Packet in, answer out: a pure function of snapshot, client, time, query and dice.
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

use crate::chain::{self, Next};
use crate::lookup::Found;
use crate::plan::ServicePlan;
pub use crate::reply::{Answered, Kind};
use crate::reply::{Reply, pointer};
use crate::select::{Dice, select};
use crate::settings::Settings;
use crate::snapshot::Snapshot;
use crate::stats::{Counters, Drop, Transport};
use crate::wire::edns::Ede;
use crate::wire::name::{self, Lower};
use crate::wire::query::{Fault, Head, Query};
use crate::wire::writer::Full;
use crate::wire::{CLASS_CH, CLASS_IN, MAX_MESSAGE, OWNER_IS_QUESTION, Rcode, rtype};
use crate::zones::{Node, Zone};

/// An answer to ANY that is small and says why (RFC 8482 section 4.2): HINFO "RFC8482" "".
const ANY_ANSWER: &[u8] = b"\xC0\x0C\x00\x0D\x00\x01\x00\x00\x0E\x10\x00\x09\x07RFC8482\x00";

/// What a sender without EDNS takes (RFC 1035 section 4.2.1).
const CLASSIC_PAYLOAD: usize = 512;

/// What answers depend on besides the snapshot and the packet.
#[derive(Clone, Copy, Debug)]
pub struct Arrival {
    /// Who sent the packet.
    pub client: IpAddr,
    /// When it came, in milliseconds since 1970.
    pub now: u64,
}

/// Answer `packet` into `out`, which has room for the transport's largest message.
///
/// Returns what was written; None for silence. Both are counted.
#[inline]
pub fn respond(
    snapshot: &Snapshot,
    counters: &Counters,
    dice: &mut Dice,
    arrival: Arrival,
    packet: &[u8],
    out: &mut [u8],
) -> Option<Answered> {
    let head = match Head::parse(packet) {
        Ok(head) => head,
        Err(Fault::Response) => return silence(counters, Drop::Response),
        Err(_) => return silence(counters, Drop::Short),
    };
    let query = match Query::parse(head, packet) {
        Ok(query) => query,
        Err(Fault::Error(rcode)) => return Answered::header_only(counters, head, rcode, out),
        Err(_) => return silence(counters, Drop::Short),
    };
    let mut reply = Reply::new(head, &query, out);
    reply.start().ok()?;
    if let Some((rcode, why)) = see_to_options(&mut reply, &snapshot.settings, counters, arrival) {
        reply.fail(rcode, why);
    } else if fill(&mut reply, snapshot, counters, dice, arrival.client) == Err(Full) {
        reply.truncate();
    }
    reply.finish(head.id, counters)
}

fn silence(counters: &Counters, reason: Drop) -> Option<Answered> {
    counters.dropped(reason);
    None
}

/// See to a query's OPT record, before the question, and bound the response by what its sender takes.
/// Returns why the query is not looked at any further, if so.
#[inline]
fn see_to_options<'s>(
    reply: &mut Reply<'s, '_>,
    settings: &'s Settings,
    counters: &Counters,
    arrival: Arrival,
) -> Option<(Rcode, Option<Ede>)> {
    let tcp = counters.transport() == Transport::Tcp;
    let Some(edns) = &reply.query.edns else {
        reply.bound(if tcp { MAX_MESSAGE } else { CLASSIC_PAYLOAD });
        return None;
    };
    reply.payload = settings.udp_payload;
    let mut refusal = None;
    // A network of no bits is a wish not to be located (RFC 7871 section 7.1.2).
    reply.located = edns
        .ecs
        .filter(|ecs| ecs.source > 0 && settings.trusts(arrival.client))
        .map(|ecs| ecs.address);
    let options = &mut reply.options;
    options.ecs = edns.ecs.map(|ecs| (ecs, 0));
    if edns.nsid {
        options.nsid = settings.identity.as_deref();
    }
    if edns.keepalive && tcp {
        options.keepalive = Some(settings.keepalive);
    }
    if edns.version > 0 {
        refusal = Some((Rcode::BadVers, None));
    } else if edns.malformed {
        refusal = Some((Rcode::FormErr, None));
    } else if let (Some(cookie), Some(cookies)) = (&edns.cookie, &settings.cookies) {
        let seconds = arrival.now / 1000;
        let judged = cookies.judge(cookie, arrival.client, seconds as u32);
        options.cookie = Some((cookie.client, judged.server));
        reply.vouched = judged.valid;
        let refused = if reply.query.asks() {
            cookies.required && !tcp
        } else {
            // who asks for nothing but a cookie wants to know what its own is worth (RFC 7873 section 5.4)
            !cookie.is_first
        };
        if refused && !judged.valid {
            refusal = Some((Rcode::BadCookie, None));
        }
    }
    let asked = usize::from(edns.udp_size.min(settings.udp_payload));
    reply.bound(if tcp {
        MAX_MESSAGE
    } else {
        asked.max(CLASSIC_PAYLOAD)
    });
    refusal
}

/// Write what there is for the question.
#[inline]
fn fill(
    reply: &mut Reply<'_, '_>,
    snapshot: &Snapshot,
    counters: &Counters,
    dice: &mut Dice,
    client: IpAddr,
) -> Result<(), Full> {
    let query = reply.query;
    if !query.asks() {
        return Ok(()); // the cookie is all that was asked for
    }
    if query.qclass != CLASS_IN {
        return other_class(reply, &snapshot.settings);
    }
    match query.qtype {
        rtype::AXFR | rtype::IXFR => {
            reply.fail(Rcode::Refused, Some(Ede::NotSupported));
            return Ok(());
        }
        rtype::NXNAME => {
            reply.fail(Rcode::FormErr, Some(Ede::InvalidQueryType));
            return Ok(());
        }
        _ => {}
    }
    if snapshot.generation == 0 {
        reply.fail(Rcode::ServFail, Some(Ede::NotReady));
        return Ok(());
    }
    let zones = &snapshot.zones;
    let lower;
    let name = if name::is_lower(query.name) {
        query.name
    } else {
        lower = Lower::new(query.name);
        lower.as_slice()
    };
    match zones.find(name, query.qtype) {
        Found::Node(zone, node) => {
            reply.authoritative(zone);
            let at = Place {
                node,
                zone,
                owner: OWNER_IS_QUESTION,
            };
            match stand(reply, snapshot, counters, dice, client, at)? {
                None => Ok(()),
                Some(next) => chain::follow(reply, snapshot, zone, next, |reply, at| {
                    stand(reply, snapshot, counters, dice, client, at)
                }),
            }
        }
        Found::Renamed(zone, node, dname) => {
            reply.authoritative(zone);
            let next = Next::renamed(zone, node, dname, OWNER_IS_QUESTION);
            chain::follow(reply, snapshot, zone, next, |reply, at| {
                stand(reply, snapshot, counters, dice, client, at)
            })
        }
        Found::Delegated(zone, at, delegation) => reply.refer(zone, at, delegation),
        Found::ParentSide(zone, node) => {
            reply.authoritative(zone);
            let subject = node.map_or(zone.id, |node| zone.subject(node));
            match node.and_then(|node| zone.set(node, rtype::DS)) {
                Some(ds) => {
                    (reply.kind, reply.subject) = (Kind::Answer, subject);
                    reply.answer(zone, ds, OWNER_IS_QUESTION)
                }
                None => reply.negative(zone, Rcode::NoError, subject),
            }
        }
        Found::Missing(zone) => {
            reply.authoritative(zone);
            reply.negative(zone, Rcode::NxDomain, 0)
        }
        Found::Outside => {
            reply.fail(Rcode::Refused, Some(Ede::NotAuthoritative));
            Ok(())
        }
    }
}

/// What stands at a name, and a pointer to where the message has that name.
#[derive(Clone, Copy)]
pub(crate) struct Place<'z> {
    pub(crate) node: &'z Node,
    pub(crate) zone: &'z Zone,
    pub(crate) owner: u16,
}

/// Answer from a node. Returns where the answer goes on, if it does.
#[inline]
fn stand<'s>(
    reply: &mut Reply<'_, '_>,
    snapshot: &'s Snapshot,
    counters: &Counters,
    dice: &mut Dice,
    client: IpAddr,
    at: Place<'s>,
) -> Result<Option<Next<'s>>, Full> {
    if reply.answers == 0 {
        (reply.kind, reply.subject) = (Kind::Answer, at.zone.subject(at.node));
    }
    if let Some(plan) = snapshot.plans.get(at.zone.place(at.node))
        && balance(reply, plan, counters, dice, client, at.owner)?
    {
        return Ok(None);
    }
    records(reply, at)
}

/// Answer from a service's plan. False where the plan has nothing to say for this type.
#[inline]
fn balance(
    reply: &mut Reply<'_, '_>,
    plan: &ServicePlan,
    counters: &Counters,
    dice: &mut Dice,
    client: IpAddr,
    owner: u16,
) -> Result<bool, Full> {
    let Some(tree) = plan.tree(reply.query.qtype) else {
        return Ok(false);
    };
    let client = reply.located.unwrap_or(client);
    let Some((leaf, network)) = select(tree, client, dice) else {
        return Ok(false);
    };
    if leaf.count == 0 {
        // The scope stays 0, wherever the client is: resolvers keep NODATA and SERVFAIL for
        // everybody (RFC 7871 section 7.4).
        reply.rcode = leaf.rcode;
        let failed = leaf.rcode != Rcode::NoError;
        if failed && reply.answers == 0 {
            reply.kind = Kind::Error;
        }
        return Ok(failed);
    }
    reply.writer.records(&leaf.records, owner)?;
    reply.answers = reply.answers.saturating_add(leaf.count);
    if let (Some(_), Some((_, scope))) = (reply.located, &mut reply.options.ecs) {
        *scope = network;
    }
    reply.offer(&leaf.additional, leaf.additional_count);
    for tally in leaf.backends.iter().filter_map(|&place| plan.tally(place)) {
        counters.tally(tally);
    }
    Ok(true)
}

/// Answer from the static records of a node. Returns where a CNAME leads.
fn records<'s>(reply: &mut Reply<'_, '_>, at: Place<'s>) -> Result<Option<Next<'s>>, Full> {
    let Place { node, zone, owner } = at;
    let qtype = reply.query.qtype;
    let wanted = if qtype == rtype::ANY {
        // a CNAME alone is a minimal answer (RFC 8482 section 4.2), and stands alone anyway
        rtype::CNAME
    } else {
        qtype
    };
    if let Some(set) = zone.set(node, wanted) {
        reply.answer(zone, set, owner)?;
        return Ok(None);
    }
    if qtype == rtype::ANY && !zone.is_empty(node) {
        reply.writer.records(ANY_ANSWER, owner)?;
        reply.answers = reply.answers.saturating_add(1);
        return Ok(None);
    }
    let Some(cname) = zone.set(node, rtype::CNAME) else {
        reply.negative(zone, Rcode::NoError, zone.subject(node))?;
        return Ok(None);
    };
    // owner 2, type 2, class 2, ttl 4, length 2; then the target
    let target_at = reply.writer.position().saturating_add(12);
    reply.answer(zone, cname, owner)?;
    let target = zone.records(cname).get(12..);
    Ok(pointer(target_at)
        .zip(target)
        .map(|(owner, target)| Next::Alias { target, owner }))
}

/// Questions of class CH are about the server itself (RFC 4892); those of other classes are refused.
#[cold]
fn other_class(reply: &mut Reply<'_, '_>, settings: &Settings) -> Result<(), Full> {
    let query = reply.query;
    if query.qclass != CLASS_CH {
        reply.fail(Rcode::Refused, Some(Ede::NotSupported));
        return Ok(());
    }
    let text = match Lower::new(query.name).as_slice() {
        b"\x02id\x06server\x00" | b"\x08hostname\x04bind\x00" => &settings.identity,
        b"\x07version\x04bind\x00" | b"\x07version\x06server\x00" => &settings.version,
        _ => &None,
    };
    let Some(text) = text else {
        reply.fail(Rcode::Refused, Some(Ede::Prohibited));
        return Ok(());
    };
    reply.about_itself();
    reply.kind = Kind::NoData;
    if !matches!(query.qtype, rtype::TXT | rtype::ANY) {
        return Ok(());
    }
    reply.kind = Kind::Answer;
    let length = u8::try_from(text.len()).map_err(|_| Full)?;
    reply.writer.u16(OWNER_IS_QUESTION)?;
    reply.writer.u16(rtype::TXT)?;
    reply.writer.u16(CLASS_CH)?;
    reply.writer.put(&[0; 4])?; // never to be kept
    reply.writer.counted(|writer| {
        writer.u8(length)?;
        writer.put(text)
    })?;
    reply.answers = 1;
    Ok(())
}
