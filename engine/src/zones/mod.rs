//! Zones: from reading them, record by record, to the tables that answers are found in.
//!
//! ```text
//! Draft   a zone while it is read          rules   what its records may be to each other
//! Table   a zone, compiled                 Zones   all that are served, by apex
//! ```

mod draft;
mod findings;
mod finish;
mod index;
mod rules;
mod spec;
mod table;

use std::collections::HashMap;
use std::hash::BuildHasher;
use std::ops::Deref;
use std::sync::Arc;

use foldhash::fast::FixedState;
use thiserror::Error;

use crate::plan::ServiceKey;
use crate::wire::name::{self, Labels};
use index::Index;

pub use draft::Draft;
pub use findings::{Finding, Findings, Kind};
pub use spec::{RrsetSpec, ZoneSpec};
pub use table::{Cut, Delegation, End, Node, Set, Table};

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
    #[error("the services of zone {0} are not those that it was read with")]
    Services(String),
}

/// The largest `RRset`, or delegation with its glue, that is sure to fit into a message beside question,
/// CNAMEs and OPT.
const MAX_RRSET: usize = 60_000;

/// "None" among indices.
pub(crate) const NONE: u32 = u32::MAX;

/// All zones that are served: immutable.
#[derive(Default)]
pub struct Zones {
    hasher: FixedState,
    apexes: Index,
    served: Vec<Zone>,
    /// The labels of the shortest and the longest apex.
    shortest: usize,
    longest: usize,
    /// Whether the tables are so large that it pays to look ahead.
    pub(crate) is_large: bool,
}

/// Octets of tables that a CPU's caches hold by themselves.
const CACHED: usize = 4 << 20;

/// A zone that is served.
pub struct Zone {
    /// A number that no other zone has.
    pub id: u32,
    /// What the numbers of its nodes begin with.
    base: u32,
    /// Where its services stand among the plans.
    places: Box<[u32]>,
    table: Arc<Table>,
}

impl Deref for Zone {
    type Target = Table;

    #[inline]
    fn deref(&self) -> &Table {
        &self.table
    }
}

impl Zone {
    /// Where the plan of a node's service stands among the plans; for a node without, nowhere.
    #[inline]
    #[must_use]
    pub fn place(&self, node: &Node) -> usize {
        let place = self.places.get(node.service as usize);
        place.map_or(usize::MAX, |&place| place as usize)
    }

    /// A number for a node that no other node of any zone has.
    #[inline]
    #[must_use]
    pub fn subject(&self, node: &Node) -> u32 {
        self.base.wrapping_add(node.name)
    }
}

impl Zones {
    /// Put `specs` together; `places` says where each service stands among the plans.
    pub fn compile(
        specs: &[ZoneSpec],
        places: &HashMap<ServiceKey, u32>,
    ) -> Result<Self, ZoneError> {
        let mut zones = Self {
            shortest: usize::MAX,
            ..Self::default()
        };
        let mut base = 0_u32;
        for (id, spec) in (0..).zip(specs) {
            let table = &spec.table;
            let apex = table.origin();
            if zones.at(apex).is_some() {
                return Err(ZoneError::DuplicateZone(name::to_text(apex)));
            }
            let labels = usize::from(table.labels);
            zones.shortest = zones.shortest.min(labels);
            zones.longest = zones.longest.max(labels);
            let places = spec.services.iter().map(|key| places.get(key));
            zones.served.push(Zone {
                id,
                base,
                places: places.map(|place| place.copied().unwrap_or(NONE)).collect(),
                table: Arc::clone(table),
            });
            base = base.wrapping_add(table.octets.len() as u32);
            zones.apexes.add(zones.hasher.hash_one(apex), id);
        }
        zones.nest();
        let sizes = zones.served.iter().map(|zone| zone.size());
        zones.is_large = sizes.sum::<usize>() > CACHED;
        Ok(zones)
    }

    /// Have the zones take account of those that lie in them. A table that does not yet is copied.
    fn nest(&mut self) {
        let mut missed = Vec::new();
        for zone in &self.served {
            let apex = zone.origin();
            let above = Labels::new(apex).starts().get(1).copied();
            let parent = above.and_then(|start| self.enclosing(apex.get(usize::from(start)..)?));
            if let Some(parent) = parent
                && !parent.allows_for(apex)
            {
                missed.push((parent.id as usize, apex.to_vec()));
            }
        }
        for (parent, apex) in missed {
            Arc::make_mut(&mut self.served[parent].table).allow_for(&apex);
        }
    }

    /// The zone with this apex.
    #[inline]
    fn at(&self, apex: &[u8]) -> Option<&Zone> {
        let found = self.apexes.find(self.hasher.hash_one(apex), |id| {
            let zone = self.served.get(id as usize);
            zone.is_some_and(|zone| zone.origin() == apex)
        });
        self.served.get(found? as usize)
    }

    /// The zone that a name belongs to: the one with the closest apex at or above it.
    #[inline]
    #[must_use]
    pub fn enclosing(&self, name: &[u8]) -> Option<&Zone> {
        if let [only] = &*self.served {
            // most servers have few zones and many have one, for which nothing need be looked up
            return name::is_within(name, only.origin()).then_some(only);
        }
        let labels = Labels::new(name);
        let starts = labels.starts();
        let count = starts.len().checked_sub(1)?;
        let far = count.saturating_sub(self.longest);
        let near = count.checked_sub(self.shortest)?;
        let mut ancestors = starts.get(far..=near)?.iter();
        ancestors.find_map(|&start| self.at(name.get(usize::from(start)..)?))
    }
}
