//! A zone while it is read: its table grows record by record, in the form that it is served in.
//!
//! Records come as they stand in the files, mostly with those of one name and type side by side; these
//! are written once, where they stay. What comes later than its neighbours waits, and `settle` moves
//! the names that it belongs to behind the others. So nothing is stored twice but for those.

use std::collections::HashMap;
use std::hash::BuildHasher;

use super::findings::{Finding, Findings, Kind};
use super::table::{Node, Set, Table};
use super::{MAX_RRSET, NONE, ZoneError};
use crate::master::{Place, Record};
use crate::wire::name::{self, Labels};
use crate::wire::{CLASS_IN, OWNER_IS_QUESTION, rtype};

/// Octets of a record besides its rdata: a pointer to its owner, type, class, TTL and length.
const PER_RECORD: usize = 12;

/// Octets of names or records that offsets reach, with room for one more of each.
const MAX_OCTETS: usize = u32::MAX as usize - (1 << 17);

/// Octets of a master file for each name in it, or rather less: for room that is made in advance.
const PER_NAME: usize = 30;

/// A zone while it is read.
pub struct Draft {
    pub(super) table: Table,
    /// Of each node, the node above.
    pub(super) parents: Vec<u32>,
    /// Of each set, where the places of its records begin.
    firsts: Vec<u32>,
    places: Vec<Place>,
    /// Where each service was written.
    pub(super) services: Vec<Place>,
    /// How many files were read, a YAML file included, whether there is one or not.
    files: u16,
    last: u32,
    late: Vec<Late>,
    late_rdata: Vec<u8>,
    /// The octets of sets that are too large, by node and type, and the first record's place.
    oversize: HashMap<(u32, u16), (usize, Place)>,
    /// The apexes of other zones that lie in this one.
    pub(super) nested: Vec<Vec<u8>>,
    /// Whether there was more than offsets of 32 bits reach.
    pub(super) full: bool,
    pub(super) findings: Findings,
}

/// A record that comes later than others of its name and type.
struct Late {
    node: u32,
    rtype: u16,
    ttl: u32,
    start: u32,
    length: u32,
    place: Place,
}

impl Draft {
    /// An empty zone at `origin`, a name in lower case.
    pub fn new(origin: &[u8]) -> Result<Self, ZoneError> {
        well_formed(origin)?;
        let mut draft = Self {
            table: Table {
                apex: origin.len() as u8,
                labels: (Labels::new(origin).starts().len() - 1) as u8,
                ..Table::default()
            },
            parents: Vec::new(),
            firsts: Vec::new(),
            places: Vec::new(),
            services: Vec::new(),
            files: 1,
            last: 0,
            late: Vec::new(),
            late_rdata: Vec::new(),
            oversize: HashMap::new(),
            nested: Vec::new(),
            full: false,
            findings: Findings::default(),
        };
        let hash = draft.table.hasher.hash_one(origin);
        draft.add_node(hash, origin, NONE);
        Ok(draft)
    }

    /// The zone so far; complete but for what waits for `settle`.
    #[must_use]
    pub fn table(&self) -> &Table {
        &self.table
    }

    /// Where the records of a set were written.
    pub(super) fn places(&self, set: usize) -> &[Place] {
        let start = self.firsts[set] as usize;
        &self.places[start..start + usize::from(self.table.sets[set].count)]
    }

    /// The number of the next file; 0 is the YAML file.
    #[must_use]
    pub fn files(&self) -> u16 {
        self.files
    }

    /// Count files that were read.
    pub fn add_files(&mut self, count: usize) {
        let count = u16::try_from(count).unwrap_or(u16::MAX);
        self.files = self.files.saturating_add(count);
    }

    /// Where the records of one name and type were written.
    #[must_use]
    pub fn places_of(&self, owner: &[u8], rtype: u16) -> &[Place] {
        let Some(node) = self.table.node(owner) else {
            return &[];
        };
        let found = self
            .table
            .sets(node)
            .iter()
            .position(|set| set.rtype == rtype);
        found.map_or(&[], |at| self.places(node.set.start as usize + at))
    }

    /// What was found so far, which is then forgotten.
    pub fn take_findings(&mut self) -> Findings {
        std::mem::take(&mut self.findings)
    }

    /// Add a record; `ttl` is for one without its own. What lies outside of the zone is found wrong.
    pub fn add(&mut self, record: &Record<'_>, ttl: u32) {
        let ttl = record.ttl.unwrap_or(ttl);
        let longest = [self.table.octets.len(), self.late_rdata.len()];
        if longest.iter().any(|&length| length > MAX_OCTETS) {
            self.full = true;
            return;
        }
        let Some(node) = self.node(record.owner) else {
            self.findings.add(Finding {
                owner: record.owner.to_vec(),
                ..Finding::new(Kind::Outside, record.place)
            });
            return;
        };
        let Node { set, set_count, .. } = self.table.nodes[node as usize];
        let sets = set.start as usize;
        let end = sets + usize::from(set_count);
        let open = set_count == 0 || end == self.table.sets.len();
        let mine = sets..end;
        let last = mine.clone().next_back();
        if open && last.is_some_and(|last| self.table.sets[last].rtype == record.rtype) {
            self.append(node, end - 1, ttl, record.rdata, record.place);
        } else if open
            && !self.table.sets[mine]
                .iter()
                .any(|set| set.rtype == record.rtype)
        {
            let set = self.add_set(node, record.rtype);
            self.append(node, set, ttl, record.rdata, record.place);
        } else {
            self.late.push(Late {
                node,
                rtype: record.rtype,
                ttl,
                start: self.late_rdata.len() as u32,
                length: record.rdata.len() as u32,
                place: record.place,
            });
            self.late_rdata.extend_from_slice(record.rdata);
        }
    }

    /// Add a service; its number is how many there were before it.
    pub fn add_service(&mut self, owner: &[u8], place: Place) -> Result<(), ZoneError> {
        well_formed(owner)?;
        let Some(node) = self.node(owner) else {
            return Err(ZoneError::OutOfZone {
                owner: name::to_text(owner),
                zone: name::to_text(self.table.origin()),
            });
        };
        self.table.nodes[node as usize].service = self.services.len() as u32;
        self.services.push(place);
        Ok(())
    }

    /// Bring the records that came late to those of their name and type.
    pub fn settle(&mut self) {
        let mut late = std::mem::take(&mut self.late);
        let rdata = std::mem::take(&mut self.late_rdata);
        late.sort_by_key(|record| (record.node, record.rtype)); // keeps the order of each set
        for group in late.chunk_by(|a, b| a.node == b.node) {
            let node = group[0].node;
            self.move_sets(node);
            for records in group.chunk_by(|a, b| a.rtype == b.rtype) {
                let set = self.reopen(node, records[0].rtype);
                for record in records {
                    let range = record.start as usize..;
                    let rdata = &rdata[range][..record.length as usize];
                    self.append(node, set, record.ttl, rdata, record.place);
                }
            }
        }
    }

    /// Move the sets of a node behind all others, so that there can be more.
    fn move_sets(&mut self, node: u32) {
        let at = &mut self.table.nodes[node as usize];
        let start = at.set.start as usize;
        let old = start..start + usize::from(at.set_count);
        at.set.start = self.table.sets.len() as u32;
        self.table.sets.extend_from_within(old.clone());
        self.firsts.extend_from_within(old);
    }

    /// The set of one type at a node whose sets are the last ones; its records become the last ones.
    fn reopen(&mut self, node: u32, rtype: u16) -> usize {
        let start = self.table.nodes[node as usize].set.start as usize;
        let sets = &mut self.table.sets;
        let Some(index) = (start..sets.len()).find(|&index| sets[index].rtype == rtype) else {
            return self.add_set(node, rtype);
        };
        let set = &mut sets[index];
        let records = set.start as usize..(set.start + set.length) as usize;
        set.start = self.table.octets.len() as u32;
        self.table.octets.extend_from_within(records);
        let first = self.firsts[index] as usize;
        self.firsts[index] = self.places.len() as u32;
        let places = first..first + usize::from(self.table.sets[index].count);
        self.places.extend_from_within(places);
        index
    }

    fn add_set(&mut self, node: u32, rtype: u16) -> usize {
        let index = self.table.sets.len();
        let at = &mut self.table.nodes[node as usize];
        if at.set_count == 0 {
            at.set.start = index as u32;
        }
        at.set_count += 1; // types are fewer than a u16 has numbers
        self.table.sets.push(Set {
            rtype,
            count: 0,
            start: self.table.octets.len() as u32,
            length: 0,
        });
        self.firsts.push(self.places.len() as u32);
        index
    }

    /// Write a record behind those of its set, which are the last ones written.
    fn append(&mut self, node: u32, index: usize, ttl: u32, rdata: &[u8], place: Place) {
        let set = self.table.sets[index];
        let size = PER_RECORD + rdata.len();
        // no more is found of a set that is too large: each record is compared with all of it
        if let Some((octets, _)) = self.oversize.get_mut(&(node, set.rtype)) {
            *octets += size;
            return;
        }
        let finding = |draft: &Self, kind| Finding {
            owner: draft.table.name(&draft.table.nodes[node as usize]).to_vec(),
            rtype: set.rtype,
            ..Finding::new(kind, place)
        };
        let mut shared = ttl;
        let mut twice = false;
        for (position, (known, other)) in self.table.rdatas(&set).enumerate() {
            if position == 0 {
                shared = known;
            }
            twice |= other == rdata;
        }
        // the signatures of one name cover several types, each with its own TTL (RFC 4034 section 3)
        if set.rtype == rtype::RRSIG {
            shared = ttl;
        }
        if ttl != shared {
            let finding = Finding {
                numbers: [u64::from(shared), u64::from(ttl)],
                ..finding(self, Kind::Ttl)
            };
            self.findings.add(finding);
        }
        if twice {
            let finding = Finding {
                rdata: rdata.to_vec(),
                ..finding(self, Kind::Twice)
            };
            self.findings.add(finding);
            return;
        }
        if set.length as usize + size > MAX_RRSET {
            let first = self.places(index).first().copied().unwrap_or(place);
            let octets = set.length as usize + size;
            self.oversize.insert((node, set.rtype), (octets, first));
            return;
        }
        let wire = &mut self.table.octets;
        write_record(
            wire,
            &OWNER_IS_QUESTION.to_be_bytes(),
            set.rtype,
            shared,
            rdata,
        );
        self.places.push(place);
        let set = &mut self.table.sets[index];
        set.count += 1; // fits: a record takes 12 octets or more of 60,000
        set.length += size as u32;
    }

    /// The node of `owner`, which exists from now on, and so do its ancestors in the zone. None outside.
    fn node(&mut self, owner: &[u8]) -> Option<u32> {
        if self.is_at(self.last, owner) {
            return Some(self.last);
        }
        let hash = self.table.hasher.hash_one(owner);
        let node = match self.table.find_hashed(hash, owner) {
            Some(known) => known,
            None => self.new_node(hash, owner)?,
        };
        self.last = node;
        Some(node)
    }

    fn is_at(&self, node: u32, name: &[u8]) -> bool {
        self.table.name(&self.table.nodes[node as usize]) == name
    }

    /// A node for `owner`, which has none, and for those of its ancestors that have none.
    fn new_node(&mut self, hash: u64, owner: &[u8]) -> Option<u32> {
        let apex = usize::from(self.table.apex);
        let starts = Labels::new(owner);
        let mut missing = 1;
        let mut parent = None;
        for &start in starts.starts().get(1..)? {
            let ancestor = &owner[usize::from(start)..];
            if ancestor.len() < apex {
                return None;
            }
            // most names stand right below the apex, and else near each other
            parent = [0, self.last]
                .into_iter()
                .find(|&node| self.is_at(node, ancestor));
            parent = parent.or_else(|| self.table.find_index(ancestor));
            if parent.is_some() {
                break;
            }
            missing += 1;
        }
        let mut parent = parent?;
        for &start in starts.starts()[1..missing].iter().rev() {
            let name = &owner[usize::from(start)..];
            parent = self.add_node(self.table.hasher.hash_one(name), name, parent);
        }
        Some(self.add_node(hash, owner, parent))
    }

    fn add_node(&mut self, hash: u64, name: &[u8], parent: u32) -> u32 {
        self.parents.push(parent);
        self.table.add_node(hash, name)
    }

    /// Make room for what is in a file of so many octets; what is short of it grows as it is read. Room
    /// that is not used takes address space, but no memory, and what grows would leave its old room behind.
    pub fn expect(&mut self, octets: u64) {
        let octets = usize::try_from(octets).unwrap_or_default().min(MAX_OCTETS);
        let names = octets / PER_NAME;
        self.parents.reserve(names);
        self.firsts.reserve(names);
        self.places.reserve(names);
        self.table.reserve(names, octets);
    }

    /// Tell which sets are too large.
    pub(super) fn tell_oversize(&mut self) {
        let mut oversize: Vec<_> = self
            .oversize
            .iter()
            .map(|(&key, &value)| (key, value))
            .collect();
        oversize.sort_unstable_by_key(|&(key, _)| key);
        for ((node, rtype), (octets, place)) in oversize {
            self.findings.add(Finding {
                owner: self.table.name(&self.table.nodes[node as usize]).to_vec(),
                rtype,
                numbers: [octets as u64, MAX_RRSET as u64],
                ..Finding::new(Kind::TooLarge, place)
            });
        }
    }

    /// Give back the memory that says where records were written.
    pub(super) fn forget_places(&mut self) {
        (self.firsts, self.places) = (Vec::new(), Vec::new());
    }

    /// Why the zone cannot be served as it is, if so.
    pub(super) fn unfit(&self) -> Option<ZoneError> {
        let text = |node: u32| name::to_text(self.table.name(&self.table.nodes[node as usize]));
        if self.full {
            return Some(ZoneError::TooMany);
        }
        if let Some(&(node, _)) = self.oversize.keys().next() {
            return Some(ZoneError::TooLarge(text(node)));
        }
        let outside = |finding: &&Finding| finding.kind == Kind::Outside;
        let found = self.findings.kept[0].iter().find(outside)?;
        Some(ZoneError::OutOfZone {
            owner: name::to_text(&found.owner),
            zone: text(0),
        })
    }
}

pub(super) fn well_formed(name: &[u8]) -> Result<(), ZoneError> {
    let lower = !name.iter().any(u8::is_ascii_uppercase);
    if lower && name::length(name) == Some(name.len()) {
        return Ok(());
    }
    Err(ZoneError::BadName(name::to_text(name)))
}

pub(super) fn write_record(wire: &mut Vec<u8>, owner: &[u8], rtype: u16, ttl: u32, rdata: &[u8]) {
    wire.extend_from_slice(owner);
    wire.extend_from_slice(&rtype.to_be_bytes());
    wire.extend_from_slice(&CLASS_IN.to_be_bytes());
    wire.extend_from_slice(&ttl.to_be_bytes());
    wire.extend_from_slice(&(rdata.len() as u16).to_be_bytes());
    wire.extend_from_slice(rdata);
}
