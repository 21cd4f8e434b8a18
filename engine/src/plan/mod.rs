//! What plans compile to: a flat array of nodes whose leaves are records in wire format.

mod alias;
mod hash;
mod spec;

use std::collections::{HashMap, HashSet};
use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

pub(crate) use alias::Column;
use alias::alias_table;
pub(crate) use hash::Hash;
pub use hash::SlotCache;
pub use spec::{BackendSpec, NodeSpec, PlanError, PlanSpec, ServiceKey, ServiceSpec};

use crate::wire::{CLASS_IN, OWNER_IS_QUESTION, Rcode, name, rtype};

/// How deep plans may nest: the bound on a walk, and so on a query's cost. Python's `MAX_DEPTH`.
pub const MAX_DEPTH: usize = 16;

/// The largest answer that is sure to fit into a message beside question and OPT.
const MAX_ANSWER: usize = 60_000;

/// The plans of one service; see Python's `ServicePlan`.
///
/// What depends on the service's name alone, its turns and its counters, stands beside the plans, so
/// that services alike in all else share them.
#[derive(Default)]
pub struct ServicePlan {
    plans: Arc<Plans>,
    turns: [Arc<[Turn]>; 3],
    tallies: Box<[u32]>,
}

/// Compiled plans for queries of type A, of type AAAA, and of every other type.
#[derive(Default)]
pub struct Plans {
    trees: [Option<Tree>; 3],
    /// Every backend in them; leaves name them by their place here.
    backends: Vec<BackendKey>,
}

/// A backend's pool and name.
pub type BackendKey = (String, String);

/// A compiled plan.
pub(crate) struct Tree {
    /// Children before parents, the root last.
    pub(crate) nodes: Box<[Node]>,
    /// How many of them are cycles.
    cycles: usize,
    /// How many leading bits of IPv4 and IPv6 addresses any of them looks at: the scope of every
    /// answer (RFC 7871), since resolvers must not meet scopes that overlap.
    scope: (u8, u8),
}

impl Tree {
    /// The scope of answers to `client`.
    pub(crate) fn scope(&self, client: IpAddr) -> u8 {
        match client {
            IpAddr::V4(_) => self.scope.0,
            IpAddr::V6(_) => self.scope.1,
        }
    }
}

/// A compiled node.
pub(crate) enum Node {
    Answer(Leaf),
    Cycle { turn: u32, steps: Box<[u32]> },
    Random(Box<[Column]>),
    Hash(Hash),
}

/// A compiled answer.
pub struct Leaf {
    /// The records, owned by `OWNER_IS_QUESTION`; empty for NODATA.
    pub records: Box<[u8]>,
    /// How many records there are.
    pub count: u16,
    /// `NoError` or `ServFail`.
    pub rcode: Rcode,
    /// The backends that it carries, by their place in `Plans`.
    pub backends: Box<[u32]>,
}

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
        let turns = |index: usize| {
            let cycles = plans.trees[index].as_ref().map_or(0, |tree| tree.cycles);
            let kept = before.map(|before| &before.turns[index]);
            match kept.filter(|turns| turns.len() == cycles) {
                Some(turns) => Arc::clone(turns),
                None => (0..cycles).map(|_| Turn::default()).collect(),
            }
        };
        Self {
            plans: Arc::clone(plans),
            turns: [turns(0), turns(1), turns(2)],
            tallies: plans.backends.iter().map(tally).collect(),
        }
    }

    /// The plan for queries of `qtype`, with the turns that its cycles have taken. None where the
    /// service has nothing to say.
    pub(crate) fn tree(&self, qtype: u16) -> Option<(&Tree, &[Turn])> {
        let index = match qtype {
            rtype::A => 0,
            rtype::AAAA => 1,
            _ => 2,
        };
        let tree = self.plans.trees.get(index)?.as_ref()?;
        Some((tree, self.turns.get(index)?))
    }

    /// The counter of a leaf's backend.
    pub(crate) fn tally(&self, backend: u32) -> Option<u32> {
        self.tallies.get(backend as usize).copied()
    }
}

impl Plans {
    /// Compile the three plans.
    pub fn compile(
        [a, aaaa, other]: &ServiceSpec,
        slots: &mut SlotCache,
    ) -> Result<Self, PlanError> {
        let mut backends = Backends::default();
        let mut compile = |spec: &Option<PlanSpec>, rtype| {
            spec.as_ref()
                .map(|spec| Tree::compile(spec, rtype, &mut backends, slots))
                .transpose()
        };
        let trees = [
            compile(a, rtype::A)?,
            compile(aaaa, rtype::AAAA)?,
            compile(other, rtype::CNAME)?,
        ];
        Ok(Self {
            trees,
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

impl Tree {
    /// Compile `spec` for queries of type A, AAAA or, for all others, CNAME.
    fn compile(
        spec: &PlanSpec,
        rtype: u16,
        backends: &mut Backends,
        slots: &mut SlotCache,
    ) -> Result<Self, PlanError> {
        let mut cycles = 0;
        let mut scope = (0, 0);
        let mut depths: Vec<usize> = Vec::with_capacity(spec.nodes.len());
        let mut nodes = Vec::with_capacity(spec.nodes.len());
        for node in &spec.nodes {
            depths.push(depth(node, &depths)?);
            nodes.push(match node {
                NodeSpec::Answer {
                    backends: carried,
                    ttl,
                    rcode,
                } => Node::Answer(Leaf::compile(carried, *ttl, *rcode, rtype, backends)?),
                NodeSpec::Cycle(steps) => {
                    cycles += 1;
                    Node::Cycle {
                        turn: cycles - 1,
                        steps: steps.as_slice().into(),
                    }
                }
                NodeSpec::Random(choices) => Node::Random(alias_table(choices)?),
                NodeSpec::Hash {
                    slots: count,
                    choices,
                    prefix,
                } => {
                    scope = (scope.0.max(prefix.0), scope.1.max(prefix.1));
                    Node::Hash(Hash::compile(*count, choices, *prefix, slots)?)
                }
            });
        }
        if depths.last().ok_or(PlanError::Empty)? > &MAX_DEPTH {
            return Err(PlanError::TooDeep);
        }
        Ok(Self {
            nodes: nodes.into(),
            cycles: cycles as usize,
            scope,
        })
    }
}

/// The depth of the tree below `node`, given those of the nodes before it.
fn depth(node: &NodeSpec, depths: &[usize]) -> Result<usize, PlanError> {
    let children: Vec<u32> = match node {
        NodeSpec::Answer { .. } => return Ok(1),
        NodeSpec::Cycle(steps) => steps.clone(),
        NodeSpec::Random(choices) => choices.iter().map(|choice| choice.1).collect(),
        NodeSpec::Hash { choices, .. } => choices.iter().map(|choice| choice.2).collect(),
    };
    let mut deepest = 0;
    for child in &children {
        deepest = deepest.max(*depths.get(*child as usize).ok_or(PlanError::Order)?);
    }
    if children.is_empty() {
        return Err(PlanError::NoBranches);
    }
    Ok(deepest + 1)
}

impl Leaf {
    fn compile(
        backends: &[BackendSpec],
        ttl: u32,
        rcode: Rcode,
        rtype: u16,
        places: &mut Backends,
    ) -> Result<Self, PlanError> {
        let mut records = Vec::new();
        let mut count = 0_u16;
        let mut add = |rtype: u16, rdata: &[u8]| {
            records.extend_from_slice(&OWNER_IS_QUESTION.to_be_bytes());
            records.extend_from_slice(&rtype.to_be_bytes());
            records.extend_from_slice(&CLASS_IN.to_be_bytes());
            records.extend_from_slice(&ttl.to_be_bytes());
            records.extend_from_slice(&(rdata.len() as u16).to_be_bytes());
            records.extend_from_slice(rdata);
            count += 1;
            if records.len() > MAX_ANSWER {
                Err(PlanError::TooLarge)
            } else {
                Ok(())
            }
        };
        let mut seen = HashSet::new();
        for backend in backends {
            if let Some(target) = &backend.target {
                if backends.len() > 1 || name::length(target) != Some(target.len()) {
                    return Err(PlanError::TargetNotAlone);
                }
                add(rtype::CNAME, target)?;
                continue;
            }
            for address in &backend.addresses {
                if !seen.insert(*address) {
                    continue; // an RRset holds each record once (RFC 2181 section 5)
                }
                match (rtype, address) {
                    (rtype::A, IpAddr::V4(v4)) => add(rtype, &v4.octets())?,
                    (rtype::AAAA, IpAddr::V6(v6)) => add(rtype, &v6.octets())?,
                    _ => {}
                }
            }
        }
        let backends = backends.iter().map(|backend| places.place(backend));
        Ok(Self {
            records: records.into(),
            count,
            rcode,
            backends: backends.collect(),
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
