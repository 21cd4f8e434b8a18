//! Looking ahead: what the answers to a batch will need from memory is asked for before the first is made.
//!
//! In a large zone a name's slot, node and records are in no cache of the CPU, and each tells where the
//! next one is. Query by query, these are three waits, one after the other. For all queries of a batch
//! at once, they are three in all.

#![deny(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects
)]

use std::hint::black_box;

use crate::wire::HEADER;
use crate::wire::name::{self, Lower};
use crate::zones::{Zone, Zones};

/// The most queries of a batch that are looked at.
const WINDOW: usize = 64;

/// The fewest for which it pays.
const FEW: usize = 3;

/// Octets of the longest name that is worth it. To walk through many labels, which is to be done again
/// for the answer, takes as long as to wait for memory.
const LONGEST: usize = 80;

/// A query, on the way to its records.
#[derive(Clone, Copy)]
struct Step<'z> {
    zone: &'z Zone,
    hash: u64,
}

impl Zones {
    /// Have the CPU fetch what the answers to `packets`, the queries of one batch, will look at.
    #[inline]
    pub fn look_ahead<'p>(&self, packets: impl ExactSizeIterator<Item = &'p [u8]>) {
        if self.is_large && packets.len() >= FEW {
            self.fetch(packets);
        }
    }

    /// Each loop reads what the one before it told the places of. Within a loop no read waits for another.
    #[inline(never)]
    fn fetch<'p>(&self, packets: impl Iterator<Item = &'p [u8]>) {
        let mut room = [None; WINDOW];
        let mut count = 0_usize;
        let found = packets.filter_map(|packet| self.first_step(packet));
        for (step, found) in room.iter_mut().zip(found) {
            *step = Some(found);
            count = count.wrapping_add(1);
        }
        let steps = || room.iter().take(count).flatten();
        black_box(steps().fold(0, |sum, step| sum ^ step.zone.touch_slot(step.hash)));
        let mut nodes = [None; WINDOW];
        for (node, step) in nodes.iter_mut().zip(steps()) {
            *node = step.zone.likely(step.hash).map(|node| (step.zone, node));
        }
        let nodes = || nodes.iter().take(count).flatten();
        black_box(nodes().fold(0, |sum, (zone, node)| sum ^ zone.touch_node(*node)));
        black_box(nodes().fold(0, |sum, (zone, node)| sum ^ zone.touch_octets(*node)));
    }

    fn first_step(&self, packet: &[u8]) -> Option<Step<'_>> {
        let body = packet.get(HEADER..)?;
        let near = body.get(..LONGEST).unwrap_or(body);
        let asked = near.get(..name::length(near)?)?;
        let lower;
        let asked = if name::is_lower(asked) {
            asked
        } else {
            lower = Lower::new(asked);
            lower.as_slice()
        };
        let zone = self.enclosing(asked)?;
        Some(Step {
            zone,
            hash: zone.hash(asked),
        })
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use super::*;
    use crate::zones::{RrsetSpec, ZoneSpec};

    fn wire(text: &str) -> Vec<u8> {
        name::from_text(text).unwrap()
    }

    fn zone(origin: &str, names: &[&str]) -> ZoneSpec {
        let set = |owner: &str, rtype, rdata: &[u8]| RrsetSpec {
            owner: wire(owner),
            rtype,
            ttl: 300,
            rdatas: vec![rdata.to_vec()],
        };
        let soa = [&wire(origin)[..], &wire(origin), &[0; 20]].concat();
        let mut rrsets = vec![set(origin, 6, &soa)];
        rrsets.extend(names.iter().map(|name| set(name, 1, &[192, 0, 2, 1])));
        ZoneSpec::new(&wire(origin), &rrsets, &[]).unwrap()
    }

    fn query(name: &[u8]) -> Vec<u8> {
        [&[0; HEADER][..], name, b"\0\x01\0\x01"].concat()
    }

    #[test]
    fn what_is_fetched_is_what_is_asked_for() {
        let specs = [
            zone("example.com.", &["a.example.com.", "b.example.com."]),
            zone("sub.example.com.", &["a.sub.example.com."]),
        ];
        let zones = Zones::compile(&specs, &HashMap::default()).unwrap();
        for (asked, found) in [
            ("a.example.com.", "a.example.com."),
            ("B.eXample.com.", "b.example.com."),
            ("a.SUB.example.com.", "a.sub.example.com."),
        ] {
            let step = zones.first_step(&query(&wire(asked))).unwrap();
            let node = step.zone.likely(step.hash).unwrap();
            let node = step.zone.node_at(node).unwrap();
            assert_eq!(step.zone.name(node), wire(found), "{asked}");
        }
        let step = zones.first_step(&query(&wire("c.example.com."))).unwrap();
        assert_eq!(step.zone.likely(step.hash), None);
        assert!(zones.first_step(&query(&wire("example.net."))).is_none());
    }

    #[test]
    fn any_packets_may_come() {
        let zones = Zones::compile(&[zone("example.", &[])], &HashMap::default()).unwrap();
        let long = query(&[63; 400]);
        let deep = query(&wire(&format!("{}example.", "a.".repeat(100))));
        let whole = query(&wire("a.example."));
        let torn = (0..whole.len()).map(|length| &whole[..length]);
        let many = torn.chain([&long[..]]).chain([&whole[..]; 2 * WINDOW]);
        let packets: Vec<&[u8]> = many.collect();
        assert!(zones.first_step(packets[HEADER + 3]).is_none());
        assert!(zones.first_step(&long).is_none());
        assert!(zones.first_step(&deep).is_none());
        zones.fetch(packets.into_iter());
    }
}
