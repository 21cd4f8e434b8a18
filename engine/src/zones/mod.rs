//! What zones compile to: one table of names, and the records of each ready to be copied out.
//!
//! Every name that exists is a node: owners, empty non-terminals (RFC 8020), and the ancestors of
//! every apex up to the root, which are marked as outside. So along a name's ancestors existence is
//! monotone, and the closest encloser is found by bisection however many labels a hostile query has.

mod build;

use std::collections::HashMap;
use std::hash::BuildHasher;

use foldhash::fast::FixedState;
use hashbrown::HashTable;
use thiserror::Error;

use crate::plan::ServiceKey;
use build::Builder;

/// A zone as published.
#[derive(Clone, Debug, Default)]
pub struct ZoneSpec {
    /// The apex, in lower case.
    pub origin: Vec<u8>,
    /// Static `RRsets`, exactly one SOA among them.
    pub rrsets: Vec<RrsetSpec>,
    /// The owner names of services.
    pub services: Vec<(Vec<u8>, ServiceKey)>,
}

/// A static `RRset` as published.
#[derive(Clone, Debug)]
pub struct RrsetSpec {
    /// Owner name, in lower case.
    pub owner: Vec<u8>,
    /// TYPE.
    pub rtype: u16,
    /// TTL in seconds.
    pub ttl: u32,
    /// RDATA of each record, names uncompressed.
    pub rdatas: Vec<Vec<u8>>,
}

/// Zones that cannot be served.
#[derive(Debug, Error, PartialEq, Eq)]
#[allow(missing_docs, reason = "the messages say it")]
pub enum ZoneError {
    #[error("{0} is no domain name in lower case and wire format")]
    BadName(String),
    #[error("zone {0} stands twice")]
    DuplicateZone(String),
    #[error("zone {0} needs exactly one SOA record")]
    Soa(String),
    #[error("{owner} lies outside of zone {zone}")]
    OutOfZone { owner: String, zone: String },
    #[error("{0} has no records of the type that it is published with")]
    EmptyRrset(String),
    #[error("the records of one type at {0} take more than 60,000 octets")]
    TooLarge(String),
    #[error(
        "the name servers of the delegation {0} and their addresses take more than 60,000 octets"
    )]
    Delegation(String),
    #[error("too many names or records")]
    TooMany,
}

/// The largest `RRset`, or delegation with its glue, that is sure to fit into a message beside question,
/// CNAMEs and OPT.
const MAX_RRSET: usize = 60_000;

/// "None" among indices.
pub(crate) const NONE: u32 = u32::MAX;

/// Zones, compiled: immutable from now on.
#[derive(Default)]
pub struct Zones {
    hasher: FixedState,
    table: HashTable<u32>,
    names: Vec<u8>,
    nodes: Vec<Node>,
    sets: Vec<Set>,
    wire: Vec<u8>,
    cuts: Vec<Cut>,
    served: Vec<Zone>,
    /// The most labels that a name has, the root's included.
    deepest: usize,
}

/// A name that exists.
#[derive(Clone, Copy)]
pub struct Node {
    name: u32,
    sets: u32,
    /// The cut at or above this name in its zone.
    pub(crate) cut: u32,
    /// The wildcard right below this name.
    pub(crate) wildcard: u32,
    pub(crate) service: u32,
    /// `NONE`: outside of every zone.
    pub(crate) zone: u32,
    set_count: u16,
    length: u8,
}

/// A static `RRset`: its records in wire format, owned by `OWNER_IS_QUESTION`.
#[derive(Clone, Copy)]
pub struct Set {
    /// TYPE.
    pub rtype: u16,
    /// How many records there are.
    pub count: u16,
    start: u32,
    length: u32,
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
    ns: Set,
    glue: Set,
}

/// What answers need to know of their zone.
pub struct Zone {
    /// A number that no other zone has.
    pub id: u32,
    /// Octets of the apex' name.
    pub apex: u8,
    /// Labels of the apex' name, the root's not counted.
    pub labels: u8,
    /// The SOA's serial.
    pub serial: u32,
    /// The SOA record with the negative TTL (RFC 2308 section 3), owned by `OWNER_IS_QUESTION`.
    pub soa: Box<[u8]>,
    /// What the zone above knows of this one, where that is served here too.
    pub(crate) parent: Option<Parent>,
}

/// The parent's side of a zone cut, which DS records belong to (RFC 4035 section 3.1.4.1).
#[derive(Clone, Copy)]
pub(crate) struct Parent {
    /// The zone above.
    pub(crate) zone: u32,
    /// Its DS records for the zone below.
    pub(crate) ds: Option<Set>,
}

impl Node {
    /// A number that no other node has.
    #[must_use]
    pub fn id(&self) -> u32 {
        self.name
    }
}

impl Zones {
    /// Compile `specs`; `places` says where each service stands among the plans.
    pub fn compile(
        specs: &[ZoneSpec],
        places: &HashMap<ServiceKey, u32>,
    ) -> Result<Self, ZoneError> {
        Builder::new(specs)?.build(places)
    }

    /// The node of `name`, which is in lower case.
    #[inline]
    #[must_use]
    pub fn node(&self, name: &[u8]) -> Option<&Node> {
        let found = self.table.find(self.hasher.hash_one(name), |&index| {
            self.nodes
                .get(index as usize)
                .is_some_and(|node| self.name(node) == name)
        });
        self.nodes.get(*found? as usize)
    }

    /// The name of a node, in lower case.
    #[inline]
    #[must_use]
    pub fn name(&self, node: &Node) -> &[u8] {
        let start = node.name as usize;
        self.names
            .get(start..start.wrapping_add(usize::from(node.length)))
            .unwrap_or(&[])
    }

    /// The static `RRsets` of a node.
    #[inline]
    #[must_use]
    pub fn sets(&self, node: &Node) -> &[Set] {
        let start = node.sets as usize;
        self.sets
            .get(start..start.wrapping_add(usize::from(node.set_count)))
            .unwrap_or(&[])
    }

    /// The `RRset` of one type.
    #[inline]
    #[must_use]
    pub fn set(&self, node: &Node, rtype: u16) -> Option<&Set> {
        self.sets(node).iter().find(|set| set.rtype == rtype)
    }

    /// Whether nothing stands at `node`: it exists for what is below it (RFC 4592 section 2.2.2).
    #[must_use]
    pub fn is_empty(&self, node: &Node) -> bool {
        node.set_count == 0 && node.service == NONE
    }

    /// Whether `node` is the apex of its `zone`.
    #[must_use]
    pub fn is_apex(&self, node: &Node, zone: &Zone) -> bool {
        node.length == zone.apex
    }

    /// The records of an `RRset`.
    #[inline]
    #[must_use]
    pub fn records(&self, set: &Set) -> &[u8] {
        let start = set.start as usize;
        self.wire
            .get(start..start.wrapping_add(set.length as usize))
            .unwrap_or(&[])
    }

    /// The most labels that a name has, the root's included.
    #[must_use]
    pub fn deepest(&self) -> usize {
        self.deepest
    }

    /// A node by its index.
    #[must_use]
    pub fn node_at(&self, index: u32) -> Option<&Node> {
        self.nodes.get(index as usize)
    }

    /// The zone of a node; None outside of every zone.
    #[must_use]
    pub fn zone(&self, node: &Node) -> Option<&Zone> {
        self.served.get(node.zone as usize)
    }

    /// A cut by its index.
    #[must_use]
    pub fn cut(&self, index: u32) -> Option<&Cut> {
        self.cuts.get(index as usize)
    }

    /// A zone by its index.
    #[must_use]
    pub fn zone_at(&self, index: u32) -> Option<&Zone> {
        self.served.get(index as usize)
    }

    /// The NS records of a delegation.
    #[must_use]
    pub fn nameservers(&self, delegation: &Delegation) -> (&[u8], u16) {
        (self.records(&delegation.ns), delegation.ns.count)
    }

    /// The addresses of a delegation's name servers, with their owner names in full.
    #[must_use]
    pub fn glue(&self, delegation: &Delegation) -> (&[u8], u16) {
        (self.records(&delegation.glue), delegation.glue.count)
    }
}
