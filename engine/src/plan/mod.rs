//! What plans compile to: a flat array of nodes whose leaves are records in wire format.

mod alias;
mod bounded;
mod hash;
mod leaf;
mod ranking;
mod spec;
mod tree;

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

pub use bounded::LoadBound;
pub(crate) use hash::Hash;
pub use hash::SlotCache;
#[cfg(any(feature = "python", test))]
pub(crate) use hash::owners;
pub use leaf::Leaf;
pub use ranking::Share;
pub use spec::{BackendSpec, Given, NodeSpec, PlanError, PlanSpec, ServiceKey, ServiceSpec};
pub(crate) use tree::{Node, Tree};

use crate::wire::rtype;

/// How deep plans may nest: the bound on a walk, and so on a query's cost. Python's `MAX_DEPTH`.
pub const MAX_DEPTH: usize = 16;

/// The plans of one service; see Python's `ServicePlan`.
///
/// What depends on the service's name alone, its turns and its counters, stands beside the plans, so
/// that services alike in all else share them.
#[derive(Default)]
pub struct ServicePlan {
    plans: Arc<Plans>,
    /// The turns of each tree's cycles.
    turns: Box<[Arc<[Turn]>]>,
    tallies: Box<[u32]>,
}

/// Compiled plans, one for each type that the service answers.
#[derive(Default)]
pub struct Plans {
    trees: Box<[Tree]>,
    /// Every backend in them; leaves name them by their place here.
    backends: Vec<BackendKey>,
}

/// A backend's pool and name.
pub type BackendKey = (String, String);

/// How many turns a `Cycle` has taken, in a cache line of its own since all workers add to it.
#[derive(Default)]
#[repr(align(64))]
pub(crate) struct Turn(AtomicU64);

impl Turn {
    /// Take the next turn.
    pub(crate) fn take(&self) -> u64 {
        self.0.fetch_add(1, Ordering::Relaxed)
    }
}

impl ServicePlan {
    /// The plans of a service, going on in the turns of `before` where there are as many cycles.
    /// `tally` gives each backend the counter of its answers.
    pub fn new(
        plans: &Arc<Plans>,
        before: Option<&Self>,
        tally: impl FnMut(&BackendKey) -> u32,
    ) -> Self {
        let turns = |tree: &Tree| {
            let kept = before.and_then(|before| before.turns_of(tree.rtype));
            match kept.filter(|turns| turns.len() == tree.cycles) {
                Some(turns) => Arc::clone(turns),
                None => (0..tree.cycles).map(|_| Turn::default()).collect(),
            }
        };
        Self {
            plans: Arc::clone(plans),
            turns: plans.trees.iter().map(turns).collect(),
            tallies: plans.backends.iter().map(tally).collect(),
        }
    }

    /// The plan for queries of `qtype`, with the turns that its cycles have taken. None where the
    /// service has nothing to say.
    pub(crate) fn tree(&self, qtype: u16) -> Option<(&Tree, &[Turn])> {
        let place = self.place(qtype).or_else(|| self.place(rtype::CNAME))?;
        Some((self.plans.trees.get(place)?, self.turns.get(place)?))
    }

    /// Where the tree for exactly `rtype` stands; there are a handful.
    fn place(&self, rtype: u16) -> Option<usize> {
        self.plans.trees.iter().position(|tree| tree.rtype == rtype)
    }

    fn turns_of(&self, rtype: u16) -> Option<&Arc<[Turn]>> {
        self.turns.get(self.place(rtype)?)
    }

    /// The counter of a leaf's backend.
    pub(crate) fn tally(&self, backend: u32) -> Option<u32> {
        self.tallies.get(backend as usize).copied()
    }
}

impl Plans {
    /// Compile the plans of all types.
    pub fn compile(specs: &ServiceSpec, slots: &mut SlotCache) -> Result<Self, PlanError> {
        let mut backends = Backends::default();
        let mut trees: Vec<Tree> = Vec::with_capacity(specs.len());
        for (rtype, spec) in specs {
            if trees.iter().any(|tree| tree.rtype == *rtype) {
                return Err(PlanError::TypeTwice(*rtype));
            }
            trees.push(Tree::compile(spec, *rtype, &mut backends, slots)?);
        }
        Ok(Self {
            trees: trees.into(),
            backends: backends.keys,
        })
    }
}

/// Numbers backends in the order of their first sight.
#[derive(Default)]
struct Backends {
    keys: Vec<BackendKey>,
    places: HashMap<BackendKey, u32>,
}

impl Backends {
    fn place(&mut self, backend: &BackendSpec) -> u32 {
        let key = (backend.pool.clone(), backend.name.clone());
        let next = self.keys.len() as u32;
        *self.places.entry(key).or_insert_with_key(|key| {
            self.keys.push(key.clone());
            next
        })
    }
}

/// A 64-bit finalizer (the output function of `SplitMix64`, Steele et al. 2014).
#[must_use]
pub(crate) const fn mix(value: u64) -> u64 {
    let value = value.wrapping_add(0x9E37_79B9_7F4A_7C15);
    let value = (value ^ (value >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    let value = (value ^ (value >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    value ^ (value >> 31)
}
