//! One zone, compiled: a table of its names, and the records of each ready to be copied out.
//!
//! Every name that exists is a node: owners and empty non-terminals (RFC 8020). So along a name's
//! ancestors within the zone existence is monotone, and the closest encloser is found by bisection
//! however many labels a hostile query has.

use std::hash::BuildHasher;
use std::slice;

use foldhash::fast::FixedState;

use super::NONE;
use super::index::Index;
use crate::wire::name::Labels;

/// Octets of a cache line.
const LINE: usize = 64;

/// A zone, compiled: immutable from now on, and shared by the snapshots that serve it.
#[derive(Clone, Default)]
pub struct Table {
    pub(super) hasher: FixedState,
    pub(super) index: Index,
    /// Names and records as they came, so that most names have theirs right behind them.
    pub(super) octets: Vec<u8>,
    /// The apex first, and each name after the one above it.
    pub(super) nodes: Vec<Node>,
    /// The sets of nodes that do not have exactly one.
    pub(super) sets: Vec<Set>,
    pub(super) cuts: Vec<Cut>,
    /// The most labels that a name has, the root's included.
    pub(crate) deepest: usize,
    /// Octets of the apex' name.
    pub apex: u8,
    /// Labels of the apex' name, the root's not counted.
    pub labels: u8,
    /// The SOA's serial.
    pub serial: u32,
    /// The SOA record with the negative TTL (RFC 2308 section 3), owned by `OWNER_IS_QUESTION`.
    pub soa: Box<[u8]>,
}

/// A name that exists: half a cache line, in which most answers have all that they need to know.
#[derive(Clone, Copy)]
pub struct Node {
    pub(super) name: u32,
    /// The one `RRset` of a node; where there is none or there are several, or the zone is still being
    /// read, one without records that starts where the node's sets begin among the table's.
    pub(super) set: Set,
    /// The cut at or above this name.
    pub(crate) cut: u32,
    /// The wildcard right below this name.
    pub(crate) wildcard: u32,
    /// Which of the zone's services stands here.
    pub(crate) service: u32,
    pub(super) set_count: u16,
    pub(super) length: u8,
}

/// A static `RRset`: its records in wire format, owned by `OWNER_IS_QUESTION`.
#[derive(Clone, Copy, Default)]
pub struct Set {
    /// TYPE.
    pub rtype: u16,
    /// How many records there are.
    pub count: u16,
    pub(super) start: u32,
    pub(super) length: u32,
}

/// Where the names of a zone end.
#[derive(Clone, Copy)]
pub struct Cut {
    /// The node at which they do.
    pub node: u32,
    /// What becomes of the names below.
    pub end: End,
}

/// What becomes of the names below a cut.
#[derive(Clone, Copy)]
pub enum End {
    /// They, and the cut itself, are another server's (RFC 1034 section 4.2.1).
    Delegation(Delegation),
    /// They are other names: a DNAME (RFC 6672).
    Rename(Set),
}

/// The name servers of a zone below, and their addresses.
#[derive(Clone, Copy)]
pub struct Delegation {
    pub(super) ns: Set,
    pub(super) glue: Set,
    /// Whether the owners of glue are told by how far behind the beginning of the NS records the name
    /// stands, rather than in full.
    pub(crate) pointed: bool,
}

impl Table {
    /// The node of `name`, which is in lower case.
    #[inline]
    #[must_use]
    pub fn node(&self, name: &[u8]) -> Option<&Node> {
        self.node_at(self.find_index(name)?)
    }

    /// The hash of a name, for what looks ahead.
    #[inline]
    pub(crate) fn hash(&self, name: &[u8]) -> u64 {
        self.hasher.hash_one(name)
    }

    /// Read where the search for a name begins; see `ahead.rs`. What is read means nothing.
    #[inline]
    pub(crate) fn touch_slot(&self, hash: u64) -> u32 {
        self.index.touch(hash)
    }

    /// The node that a name with this hash most likely has.
    #[inline]
    pub(crate) fn likely(&self, hash: u64) -> Option<u32> {
        self.index.likely(hash)
    }

    /// Read from a node. What is read means nothing.
    #[inline]
    pub(crate) fn touch_node(&self, index: u32) -> u32 {
        self.node_at(index).map_or(0, |node| node.name)
    }

    /// Read a node's name and, where they stand right behind it, its records. What is read means nothing.
    #[inline]
    pub(crate) fn touch_octets(&self, index: u32) -> u32 {
        let Some(node) = self.node_at(index) else {
            return 0;
        };
        let start = node.name as usize;
        let read = |at: usize| self.octets.get(at).map_or(0, |&octet| u32::from(octet));
        read(start) ^ read(start.wrapping_add(LINE))
    }

    #[inline]
    pub(super) fn find_index(&self, name: &[u8]) -> Option<u32> {
        self.find_hashed(self.hasher.hash_one(name), name)
    }

    #[inline]
    pub(super) fn find_hashed(&self, hash: u64, name: &[u8]) -> Option<u32> {
        self.index.find(hash, |index| {
            self.node_at(index)
                .is_some_and(|node| self.name(node) == name)
        })
    }

    /// Add a node at which nothing stands, behind all others.
    pub(super) fn add_node(&mut self, hash: u64, name: &[u8]) -> u32 {
        let index = self.nodes.len() as u32;
        self.nodes.push(Node {
            name: self.octets.len() as u32,
            length: name.len() as u8,
            set: Set::default(),
            set_count: 0,
            cut: NONE,
            wildcard: NONE,
            service: NONE,
        });
        self.octets.extend_from_slice(name);
        self.deepest = Labels::new(name).starts().len().max(self.deepest);
        self.index.add(hash, index);
        index
    }

    /// How many octets are looked through for answers.
    pub(super) fn size(&self) -> usize {
        self.octets.len() + size_of_val(&*self.nodes) + self.index.size()
    }

    /// Make room for so many more names, one set for each, and so many more octets of names and records.
    pub(super) fn reserve(&mut self, names: usize, octets: usize) {
        self.nodes.reserve(names);
        self.sets.reserve(names);
        self.octets.reserve(octets);
        self.index.reserve(names);
    }

    /// Whether the table takes account of another zone at `apex`, which lies in this one.
    pub(super) fn allows_for(&self, apex: &[u8]) -> bool {
        let above = || {
            self.node(above(apex))
                .is_none_or(|above| above.wildcard == NONE)
        };
        self.node(apex).is_some() && (!apex.starts_with(b"\x01*") || above())
    }

    /// Take account of another zone at `apex`: the names above it exist in this one, and when it is a
    /// wildcard's name nothing is synthesised from that here.
    pub(super) fn allow_for(&mut self, apex: &[u8]) {
        let labels = Labels::new(apex);
        let mut cut = NONE;
        for &start in labels.starts().iter().rev() {
            let name = &apex[usize::from(start)..];
            match self.node(name) {
                Some(node) => cut = node.cut,
                None if name.len() > usize::from(self.apex) => {
                    let node = self.add_node(self.hasher.hash_one(name), name);
                    self.nodes[node as usize].cut = cut;
                }
                None => {}
            }
        }
        if apex.starts_with(b"\x01*")
            && let Some(above) = self.find_index(above(apex))
        {
            self.nodes[above as usize].wildcard = NONE;
        }
    }

    /// The name of a node, in lower case.
    #[inline]
    #[must_use]
    pub fn name(&self, node: &Node) -> &[u8] {
        let start = node.name as usize;
        self.octets
            .get(start..start.wrapping_add(usize::from(node.length)))
            .unwrap_or(&[])
    }

    /// The apex' name.
    #[must_use]
    pub fn origin(&self) -> &[u8] {
        self.nodes.first().map_or(&[], |apex| self.name(apex))
    }

    /// The static `RRsets` of a node.
    #[inline]
    #[must_use]
    pub fn sets<'t>(&'t self, node: &'t Node) -> &'t [Set] {
        if node.set.count > 0 {
            return slice::from_ref(&node.set);
        }
        let start = node.set.start as usize;
        self.sets
            .get(start..start.wrapping_add(usize::from(node.set_count)))
            .unwrap_or(&[])
    }

    /// The `RRset` of one type.
    #[inline]
    #[must_use]
    pub fn set<'t>(&'t self, node: &'t Node, rtype: u16) -> Option<&'t Set> {
        self.sets(node).iter().find(|set| set.rtype == rtype)
    }

    /// Whether nothing stands at `node`: it exists for what is below it (RFC 4592 section 2.2.2).
    #[must_use]
    pub fn is_empty(&self, node: &Node) -> bool {
        node.set_count == 0 && node.service == NONE
    }

    /// The records of an `RRset`.
    #[inline]
    #[must_use]
    pub fn records(&self, set: &Set) -> &[u8] {
        let start = set.start as usize;
        self.octets
            .get(start..start.wrapping_add(set.length as usize))
            .unwrap_or(&[])
    }

    /// A node by its index.
    #[must_use]
    pub fn node_at(&self, index: u32) -> Option<&Node> {
        self.nodes.get(index as usize)
    }

    /// Every node.
    #[must_use]
    pub fn nodes(&self) -> &[Node] {
        &self.nodes
    }

    /// A cut by its index.
    #[must_use]
    pub fn cut(&self, index: u32) -> Option<&Cut> {
        self.cuts.get(index as usize)
    }

    /// The NS records of a delegation.
    #[must_use]
    pub fn nameservers(&self, delegation: &Delegation) -> (&[u8], u16) {
        (self.records(&delegation.ns), delegation.ns.count)
    }

    /// The addresses of a delegation's name servers, their owners as `pointed` says.
    #[must_use]
    pub fn glue(&self, delegation: &Delegation) -> (&[u8], u16) {
        (self.records(&delegation.glue), delegation.glue.count)
    }

    /// The TTL and rdata of each record of an `RRset`.
    pub fn rdatas(&self, set: &Set) -> impl Iterator<Item = (u32, &[u8])> {
        let mut rest = self.records(set);
        std::iter::from_fn(move || {
            // owner, type and class take two octets each, then TTL and length
            let (head, after) = rest.split_first_chunk::<12>()?;
            let [_, _, _, _, _, _, t0, t1, t2, t3, l0, l1] = *head;
            let length = usize::from(u16::from_be_bytes([l0, l1]));
            let (rdata, after) = after.split_at_checked(length)?;
            rest = after;
            Some((u32::from_be_bytes([t0, t1, t2, t3]), rdata))
        })
    }

    /// A number that follows from the records, whatever their order is.
    #[must_use]
    pub fn digest(&self) -> u64 {
        let mut sum = 0_u64;
        for node in &self.nodes {
            for set in self.sets(node) {
                for (ttl, rdata) in self.rdatas(set) {
                    let head = (u64::from(set.rtype) << 32 | u64::from(ttl)).to_be_bytes();
                    let octets = [self.name(node), &head, rdata].into_iter().flatten();
                    // the sum needs every bit of each record to reach every bit of its number
                    sum = sum.wrapping_add(mixed(octets.fold(FNV, |hash, &octet| {
                        (hash ^ u64::from(octet)).wrapping_mul(FNV_PRIME)
                    })));
                }
            }
        }
        sum
    }
}

/// A name without its first label; for the root itself.
fn above(name: &[u8]) -> &[u8] {
    let first = name.first().map_or(0, |&length| usize::from(length) + 1);
    name.get(first..).filter(|_| first > 1).unwrap_or(name)
}

/// The parameters of FNV-1a, 64 bits.
const FNV: u64 = 0xCBF2_9CE4_8422_2325;
const FNV_PRIME: u64 = 0x0000_0100_0000_01B3;

/// The finalizer of `MurmurHash3`.
fn mixed(mut hash: u64) -> u64 {
    for factor in [0xFF51_AFD7_ED55_8CCD, 0xC4CE_B9FE_1A85_EC53] {
        hash = (hash ^ (hash >> 33)).wrapping_mul(factor);
    }
    hash ^ (hash >> 33)
}
