//! What the records of a zone may and may not be to each other: the one definition of it.
//!
//! Each rule looks at a name and tells what breaks it; all of them run, so all is told at once. What
//! services may be to records is told in Python (`dnslb.config.rules`), as they are few.

use super::NONE;
use super::draft::Draft;
use super::findings::{Finding, Kind};
use super::table::{Node, Table};
use crate::master::Place;
use crate::wire::name::{self, Lower, is_within};
use crate::wire::rtype;

/// Types beside a CNAME (RFC 4034 section 2.5).
const BESIDE_CNAME: [u16; 3] = [rtype::CNAME, rtype::RRSIG, rtype::NSEC];

const GLUE: [u16; 2] = [rtype::A, rtype::AAAA];

/// Types on the parent's side of a delegation, and the glue of a server of that name.
const AT_CUT: [u16; 6] = [
    rtype::NS,
    rtype::DS,
    rtype::RRSIG,
    rtype::NSEC,
    rtype::A,
    rtype::AAAA,
];

/// CNAMEs that one answer follows.
const MAX_CHAIN: u16 = 8;

/// How far a name is along its CNAMEs: not looked at, being looked at, and else how many there are.
const UNKNOWN: u16 = u16::MAX;
const OPEN: u16 = u16::MAX - 1;

/// What ends the zone at or above a name, the highest that does. In one number, as every name of a large
/// zone has it just when memory is fullest.
#[derive(Clone, Copy, PartialEq, Eq)]
enum End {
    Nothing,
    Delegation(u32),
    Dname(u32),
}

/// An `End`, packed: nodes are fewer than 2^31.
#[derive(Clone, Copy)]
struct Packed(u32);

const DNAME_BIT: u32 = 1 << 31;

impl End {
    fn pack(self) -> Packed {
        Packed(match self {
            Self::Nothing => NONE,
            Self::Delegation(node) => node,
            Self::Dname(node) => node | DNAME_BIT,
        })
    }
}

impl Packed {
    fn end(self) -> End {
        match self.0 {
            NONE => End::Nothing,
            node if node & DNAME_BIT == 0 => End::Delegation(node),
            node => End::Dname(node & !DNAME_BIT),
        }
    }
}

impl Draft {
    /// Settle, and find what breaks a rule.
    pub fn check(&mut self) {
        self.settle();
        self.tell_oversize();
        let ends = self.ends();
        for index in 0..self.table.nodes.len() as u32 {
            if self.table.nodes[index as usize].set_count > 0 {
                self.check_aliases(index);
                self.check_ends(index, &ends);
                self.check_targets(index, &ends);
            }
        }
        self.check_chains(&ends);
    }

    /// Take account of other zones at `apexes`, which lie in this one. Tell the names that are never
    /// answered from here: those at or below them, but for the delegation to these and its glue.
    pub fn check_nested(&mut self, apexes: &[Vec<u8>]) {
        self.nested.extend_from_slice(apexes);
        let mut below = vec![NONE; self.table.nodes.len()];
        for apex in apexes {
            if let Some(index) = self.table.find_index(apex) {
                below[index as usize] = index;
            }
        }
        for index in 1..below.len() {
            if below[index] == NONE {
                below[index] = below[self.parents[index] as usize];
            }
            let at = below[index];
            let node = self.table.nodes[index];
            if at == NONE || self.table.is_empty(&node) {
                continue;
            }
            let apex = self.table.nodes[at as usize];
            let fits = |number| {
                GLUE.contains(&number)
                    || (at as usize == index && [rtype::NS, rtype::DS].contains(&number))
            };
            let delegated = self.table.set(&apex, rtype::NS).is_some();
            let types = self.table.sets(&node).iter().map(|set| set.rtype);
            if delegated && node.set_count > 0 && types.clone().all(fits) {
                continue;
            }
            let place = match self.services.get(node.service as usize) {
                Some(&place) => place,
                None => self.place(&node, 0),
            };
            self.findings.add(Finding {
                owner: self.table.name(&node).to_vec(),
                names: vec![self.table.name(&apex).to_vec()],
                ..Finding::new(Kind::Nested, place)
            });
        }
    }

    /// Where the first record of a node's set was written.
    fn place(&self, node: &Node, set: usize) -> Place {
        let places = self.places(node.set.start as usize + set);
        places.first().copied().unwrap_or_default()
    }

    fn ends(&self) -> Vec<Packed> {
        let mut ends: Vec<Packed> = Vec::with_capacity(self.table.nodes.len());
        for (index, node) in (0_u32..).zip(&self.table.nodes) {
            let above = ends.get(self.parents[index as usize] as usize);
            let has = |number| self.table.set(node, number).is_some();
            let end = match above.map_or(End::Nothing, |above| above.end()) {
                End::Nothing if index > 0 && has(rtype::NS) => End::Delegation(index),
                End::Nothing if has(rtype::DNAME) => End::Dname(index),
                above => above,
            };
            ends.push(end.pack());
        }
        ends
    }

    /// Tell something of a node's set.
    fn tell(&mut self, kind: Kind, node: &Node, set: usize, fill: impl FnOnce(&mut Finding)) {
        let mut finding = Finding {
            owner: self.table.name(node).to_vec(),
            rtype: self.table.sets(node)[set].rtype,
            ..Finding::new(kind, self.place(node, set))
        };
        fill(&mut finding);
        self.findings.add(finding);
    }

    /// A CNAME stands alone, and neither it nor a DNAME has company of its own type.
    fn check_aliases(&mut self, index: u32) {
        let node = self.table.nodes[index as usize];
        for set in 0..usize::from(node.set_count) {
            let sets = self.table.sets(&node);
            let (number, count) = (sets[set].rtype, sets[set].count);
            if ![rtype::CNAME, rtype::DNAME].contains(&number) {
                continue;
            }
            if number == rtype::CNAME {
                let types = sets.iter().map(|set| set.rtype);
                let types: Vec<u16> = types.filter(|one| !BESIDE_CNAME.contains(one)).collect();
                if index == 0 {
                    self.tell(Kind::CnameApex, &node, set, |_| {});
                } else if !types.is_empty() {
                    self.tell(Kind::CnameBeside, &node, set, |finding| {
                        finding.types = types;
                    });
                }
            }
            if count > 1 {
                let numbers = [u64::from(count), 1];
                self.tell(Kind::Several, &node, set, |finding| {
                    finding.numbers = numbers;
                });
            }
        }
    }

    /// Nothing but glue stands below a delegation, nothing but its own at it, nothing below a DNAME.
    fn check_ends(&mut self, index: u32, ends: &[Packed]) {
        let node = self.table.nodes[index as usize];
        let end = ends[index as usize].end();
        let cut = end == End::Delegation(index);
        let wildcard = self.table.name(&node).starts_with(b"\x01*");
        for set in 0..usize::from(node.set_count) {
            let number = self.table.sets(&node)[set].rtype;
            match end {
                End::Delegation(at) if at != index && !GLUE.contains(&number) => {
                    self.tell_below(Kind::BelowCut, &node, set, at);
                }
                End::Delegation(at) if at == index && !AT_CUT.contains(&number) => {
                    self.tell(Kind::AtCut, &node, set, |_| {});
                }
                End::Dname(at) if at != index => {
                    self.tell_below(Kind::BelowDname, &node, set, at);
                }
                _ => {}
            }
            if wildcard && number == rtype::NS && cut {
                self.tell(Kind::WildcardCut, &node, set, |_| {});
            }
            if wildcard && number == rtype::DNAME {
                self.tell(Kind::WildcardDname, &node, set, |_| {});
            }
        }
    }

    fn tell_below(&mut self, kind: Kind, node: &Node, set: usize, above: u32) {
        let above = self.table.name(&self.table.nodes[above as usize]).to_vec();
        self.tell(kind, node, set, |finding| finding.names = vec![above]);
    }

    /// Name servers of the zone have addresses; other targets in the zone lead somewhere.
    fn check_targets(&mut self, index: u32, ends: &[Packed]) {
        let node = self.table.nodes[index as usize];
        for set in 0..usize::from(node.set_count) {
            let entry = self.table.sets(&node)[set];
            let Some(skip) = target_at(entry.rtype) else {
                continue;
            };
            let mut told = Vec::new();
            for (record, (_, rdata)) in self.table.rdatas(&entry).enumerate() {
                let target = Lower::new(rdata.get(skip..).unwrap_or_default());
                let place = || self.places(node.set.start as usize + set)[record];
                let kind = if index == 0 && entry.rtype == rtype::NS {
                    self.check_server(target.as_slice())
                } else {
                    self.check_target(index, entry.rtype, target.as_slice(), place, ends)
                };
                if let Some(kind) = kind {
                    told.push(Finding {
                        owner: self.table.name(&node).to_vec(),
                        rtype: entry.rtype,
                        names: vec![target.as_slice().to_vec()],
                        ..Finding::new(kind, place())
                    });
                }
            }
            for finding in told {
                self.findings.add(finding);
            }
        }
    }

    fn check_server(&self, target: &[u8]) -> Option<Kind> {
        if !is_within(target, self.table.origin()) {
            return None;
        }
        let has = |number| has(&self.table, target, number);
        if has(rtype::CNAME) {
            return Some(Kind::ServerAlias);
        }
        (!GLUE.into_iter().any(has)).then_some(Kind::ServerAddress)
    }

    fn check_target(
        &self,
        index: u32,
        number: u16,
        target: &[u8],
        place: impl Fn() -> Place,
        ends: &[Packed],
    ) -> Option<Kind> {
        // the target "." says that there is none (RFC 7505, RFC 2782)
        if target == [0] || !is_within(target, self.table.origin()) {
            return None;
        }
        let owner = self.table.name(&self.table.nodes[index as usize]);
        if number != rtype::CNAME && has(&self.table, target, rtype::CNAME) {
            return Some(Kind::TargetAlias);
        }
        if number == rtype::NS {
            let glue = || {
                GLUE.into_iter()
                    .any(|number| has(&self.table, target, number))
            };
            return (is_within(target, owner) && !glue()).then_some(Kind::Glue);
        }
        if self.table.node(target).is_some() {
            return None;
        }
        let encloser = self.closest(target);
        let node = self.table.nodes[encloser as usize];
        let end = ends[encloser as usize].end();
        let wildcard = self.table.find_index(&wildcard_of(self.table.name(&node)));
        let there = wildcard.is_some() || end != End::Nothing;
        (!there && !self.is_doubled(target, place())).then_some(Kind::TargetMissing)
    }

    /// Whether a name in a YAML file ends in the origin twice: that was told where it was read.
    fn is_doubled(&self, target: &[u8], place: Place) -> bool {
        let origin = self.table.origin();
        let relative = &target[..target.len() - origin.len()];
        place.file == 0 && origin.len() > 1 && is_within(&[relative, &[0]].concat(), origin)
    }

    /// The node of the closest ancestor of a name in the zone that exists.
    fn closest(&self, target: &[u8]) -> u32 {
        let labels = name::Labels::new(target);
        let mut ancestors = labels.starts().iter();
        ancestors
            .find_map(|&start| self.table.find_index(&target[usize::from(start)..]))
            .unwrap_or(0)
    }

    /// CNAMEs end somewhere, and not too far away.
    fn check_chains(&mut self, ends: &[Packed]) {
        let count = self.table.nodes.len();
        let mut lengths = vec![UNKNOWN; count];
        let mut path = Vec::new();
        for start in 0..count as u32 {
            let mut at = start;
            let mut length = loop {
                match lengths[at as usize] {
                    UNKNOWN => {}
                    OPEN => {
                        let from = path.iter().position(|&one| one == at).unwrap_or(0);
                        self.tell_chain(Kind::Loop, &path[from..]);
                        // neither it nor what leads there is told once more
                        for index in path.drain(from..) {
                            lengths[index as usize] = 0;
                        }
                        break 0;
                    }
                    length => break length,
                }
                let Some(next) = self.next(at, ends) else {
                    lengths[at as usize] = 0;
                    break 0;
                };
                lengths[at as usize] = OPEN;
                path.push(at);
                at = next;
            };
            while let Some(index) = path.pop() {
                length = length.saturating_add(1).min(OPEN - 1);
                lengths[index as usize] = length;
                // once for each chain, where it becomes too long
                if length == MAX_CHAIN + 1 {
                    self.tell_chain(Kind::Chain, &[index]);
                }
            }
        }
    }

    /// The node whose records a CNAME at `index` leads to; None without one.
    fn next(&self, index: u32, ends: &[Packed]) -> Option<u32> {
        let node = &self.table.nodes[index as usize];
        let set = self.table.set(node, rtype::CNAME)?;
        let (_, rdata) = self.table.rdatas(set).next()?;
        let target = Lower::new(rdata);
        let target = target.as_slice();
        let delegated = matches!(ends[index as usize].end(), End::Delegation(_));
        if delegated || !is_within(target, self.table.origin()) {
            return None;
        }
        if let Some(exact) = self.table.find_index(target) {
            return Some(exact);
        }
        let encloser = self.closest(target);
        let end = ends[encloser as usize].end();
        if end != End::Nothing {
            return None;
        }
        let above = self.table.name(&self.table.nodes[encloser as usize]);
        self.table.find_index(&wildcard_of(above))
    }

    fn tell_chain(&mut self, kind: Kind, path: &[u32]) {
        // a loop is told from the name that was written first
        let first = (0..path.len()).min_by_key(|&at| path[at]).unwrap_or(0);
        let turned = path[first..].iter().chain(&path[..first]);
        let names = turned
            .take(64)
            .map(|&index| self.table.name(&self.table.nodes[index as usize]).to_vec())
            .collect();
        let node = self.table.nodes[path[first] as usize];
        let mut sets = self.table.sets(&node).iter();
        let set = sets.position(|set| set.rtype == rtype::CNAME).unwrap_or(0);
        self.tell(kind, &node, set, |finding| {
            finding.names = names;
            finding.numbers = [u64::from(MAX_CHAIN), 0];
        });
    }
}

/// Where the target begins in the rdata of a type that has one.
fn target_at(number: u16) -> Option<usize> {
    match number {
        rtype::NS | rtype::CNAME => Some(0),
        rtype::MX => Some(2),
        rtype::SRV => Some(6),
        _ => None,
    }
}

fn has(table: &Table, name: &[u8], number: u16) -> bool {
    table
        .node(name)
        .is_some_and(|node| table.set(node, number).is_some())
}

fn wildcard_of(name: &[u8]) -> Vec<u8> {
    [b"\x01*", name].concat()
}
