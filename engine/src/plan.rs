//! What plans compile to: a flat array of nodes whose leaves are records in wire format.

use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use thiserror::Error;

use crate::wire::{CLASS_IN, OWNER_IS_QUESTION, Rcode, name, rtype};

/// How deep plans may nest: the bound on a walk, and so on a query's cost. Python's `MAX_DEPTH`.
pub const MAX_DEPTH: usize = 16;

/// The largest answer that is sure to fit into a message beside question and OPT.
const MAX_ANSWER: usize = 60_000;

/// A plan as published: nodes in an array, children before their parents, the root last.
#[derive(Clone, Debug, Default)]
pub struct PlanSpec {
    /// The nodes; those that others refer to come first.
    pub nodes: Vec<NodeSpec>,
}

/// A node as published; children are indices into the same array.
#[derive(Clone, Debug)]
pub enum NodeSpec {
    /// These backends' records are the answer.
    Answer {
        /// In the order of the answer.
        backends: Vec<BackendSpec>,
        /// Seconds.
        ttl: u32,
        /// `NoError` or `ServFail`.
        rcode: Rcode,
    },
    /// The next step in turn.
    Cycle(Vec<u32>),
    /// A choice by its weight.
    Random(Vec<(f64, u32)>),
    /// A choice by the client's network.
    Hash {
        /// How many slots networks are hashed to.
        slots: u32,
        /// Seed of the choice's key, weight, child.
        choices: Vec<(u64, f64, u32)>,
        /// Leading bits of IPv4 and IPv6 addresses that make a network.
        prefix: (u8, u8),
    },
}

/// Which service: the zone's origin and the owner name relative to it.
pub type ServiceKey = (String, String);

/// A service's plans as published: for A, AAAA and every other type.
pub type ServiceSpec = [Option<PlanSpec>; 3];

/// A backend as published.
#[derive(Clone, Debug, Default)]
pub struct BackendSpec {
    /// The pool that it is a member of.
    pub pool: String,
    /// Its name there.
    pub name: String,
    /// Addresses of both families.
    pub addresses: Vec<IpAddr>,
    /// The target of a CNAME, in wire format.
    pub target: Option<Vec<u8>>,
}

/// Plans that cannot be published.
#[derive(Debug, Error, PartialEq)]
#[allow(missing_docs, reason = "the messages say it")]
pub enum PlanError {
    #[error("a plan has no nodes")]
    Empty,
    #[error("a node has no branches")]
    NoBranches,
    #[error("a node refers to a later one")]
    Order,
    #[error("the plan is deeper than {MAX_DEPTH} nodes")]
    TooDeep,
    #[error("weight {0} is not a finite number above 0")]
    Weight(f64),
    #[error("{0} slots: between 1 and 65,536 are possible")]
    Slots(u32),
    #[error("a node has {0} choices: 65,535 are possible")]
    Choices(usize),
    #[error("the prefix is longer than an address: /{0} and /{1}")]
    Prefix(u8, u8),
    #[error("the records of one answer take more than 60,000 octets")]
    TooLarge,
    #[error("an answer with a target carries more than that one backend")]
    TargetNotAlone,
}

/// The plans of a service by query type; see Python's `ServicePlan`.
#[derive(Default)]
pub struct ServicePlan {
    /// For queries of type A.
    pub a: Option<Plan>,
    /// For queries of type AAAA.
    pub aaaa: Option<Plan>,
    /// For every other type.
    pub other: Option<Plan>,
}

/// A compiled plan.
pub struct Plan {
    /// Children before parents, the root last.
    pub(crate) nodes: Box<[Node]>,
    pub(crate) turns: Arc<[Turn]>,
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
    /// The counters of the backends that it carries.
    pub tallies: Box<[u32]>,
}

/// A column of Walker's alias table: the nodes that rolls below the threshold and others lead to.
pub(crate) struct Column {
    pub(crate) threshold: u32,
    pub(crate) below: u32,
    pub(crate) above: u32,
}

/// A compiled hash: for each slot the place of its choice.
pub(crate) struct Hash {
    pub(crate) slots: Box<[u16]>,
    pub(crate) nodes: Box<[u32]>,
    pub(crate) prefix: (u8, u8),
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
    /// Compile the three plans, going on in the turns of `before` where there are as many cycles.
    /// `tally` gives each backend the counter of its answers.
    pub fn compile(
        [a, aaaa, other]: &ServiceSpec,
        before: Option<&ServicePlan>,
        tally: &mut dyn FnMut(&BackendSpec) -> u32,
    ) -> Result<Self, PlanError> {
        let none = Self::default();
        let before = before.unwrap_or(&none);
        let mut compile = |spec: &Option<PlanSpec>, rtype, before: &Option<Plan>| {
            spec.as_ref()
                .map(|spec| Plan::compile(spec, rtype, before.as_ref(), tally))
                .transpose()
        };
        Ok(Self {
            a: compile(a, rtype::A, &before.a)?,
            aaaa: compile(aaaa, rtype::AAAA, &before.aaaa)?,
            other: compile(other, rtype::CNAME, &before.other)?,
        })
    }
}

impl Plan {
    /// Compile `spec` for queries of type A, AAAA or, for all others, CNAME.
    pub fn compile(
        spec: &PlanSpec,
        rtype: u16,
        before: Option<&Plan>,
        tally: &mut dyn FnMut(&BackendSpec) -> u32,
    ) -> Result<Self, PlanError> {
        let mut cycles = 0;
        let mut depths: Vec<usize> = Vec::with_capacity(spec.nodes.len());
        let mut nodes = Vec::with_capacity(spec.nodes.len());
        for node in &spec.nodes {
            depths.push(depth(node, &depths)?);
            nodes.push(match node {
                NodeSpec::Answer {
                    backends,
                    ttl,
                    rcode,
                } => Node::Answer(Leaf::compile(backends, *ttl, *rcode, rtype, tally)?),
                NodeSpec::Cycle(steps) => {
                    cycles += 1;
                    Node::Cycle {
                        turn: cycles - 1,
                        steps: steps.as_slice().into(),
                    }
                }
                NodeSpec::Random(choices) => Node::Random(alias_table(choices)?),
                NodeSpec::Hash {
                    slots,
                    choices,
                    prefix,
                } => Node::Hash(Hash::compile(*slots, choices, *prefix)?),
            });
        }
        if depths.last().ok_or(PlanError::Empty)? > &MAX_DEPTH {
            return Err(PlanError::TooDeep);
        }
        let kept = before.filter(|plan| plan.turns.len() == cycles as usize);
        let turns = kept.map_or_else(
            || (0..cycles).map(|_| Turn::default()).collect(),
            |plan| Arc::clone(&plan.turns),
        );
        Ok(Self {
            nodes: nodes.into(),
            turns,
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
        tally: &mut dyn FnMut(&BackendSpec) -> u32,
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
        for backend in backends {
            if let Some(target) = &backend.target {
                if backends.len() > 1 || name::length(target) != Some(target.len()) {
                    return Err(PlanError::TargetNotAlone);
                }
                add(rtype::CNAME, target)?;
                continue;
            }
            for address in &backend.addresses {
                match (rtype, address) {
                    (rtype::A, IpAddr::V4(v4)) => add(rtype, &v4.octets())?,
                    (rtype::AAAA, IpAddr::V6(v6)) => add(rtype, &v6.octets())?,
                    _ => {}
                }
            }
        }
        let tallies = backends.iter().map(tally).collect();
        Ok(Self {
            records: records.into(),
            count,
            rcode,
            tallies,
        })
    }
}

/// Walker's alias method as set up by Vose (1991): any distribution in one draw and one comparison.
#[expect(clippy::cast_sign_loss, reason = "what is left of a weight is in 0..1")]
fn alias_table(choices: &[(f64, u32)]) -> Result<Box<[Column]>, PlanError> {
    for &(weight, _) in choices {
        check_weight(weight)?;
    }
    let total: f64 = choices.iter().map(|choice| choice.0).sum();
    if !total.is_finite() {
        return Err(PlanError::Weight(total));
    }
    let scale = f64::from(count(choices)?) / total;
    let mut rest: Vec<f64> = choices.iter().map(|choice| choice.0 * scale).collect();
    let mut table: Vec<Column> = choices
        .iter()
        .map(|&(_, node)| Column {
            threshold: u32::MAX,
            below: node,
            above: node,
        })
        .collect();
    let (mut small, mut large): (Vec<usize>, Vec<usize>) =
        (0..rest.len()).partition(|&index| rest[index] < 1.0);
    while let (Some(less), Some(&more)) = (small.pop(), large.last()) {
        table[less].threshold = (rest[less] * 2_f64.powi(32)) as u32;
        table[less].above = choices[more].1;
        rest[more] -= 1.0 - rest[less];
        if rest[more] < 1.0 {
            large.pop();
            small.push(more);
        }
    }
    Ok(table.into())
}

fn count<T>(choices: &[T]) -> Result<u16, PlanError> {
    u16::try_from(choices.len()).map_err(|_| PlanError::Choices(choices.len()))
}

fn check_weight(weight: f64) -> Result<(), PlanError> {
    if weight.is_finite() && weight > 0.0 {
        Ok(())
    } else {
        Err(PlanError::Weight(weight))
    }
}

impl Hash {
    /// Give each slot to a choice by weighted rendezvous; see Python's `Hash`.
    #[expect(clippy::cast_precision_loss, reason = "an f64 holds all of 53 bits")]
    fn compile(
        slots: u32,
        choices: &[(u64, f64, u32)],
        prefix: (u8, u8),
    ) -> Result<Self, PlanError> {
        if slots == 0 || slots > 1 << 16 {
            return Err(PlanError::Slots(slots));
        }
        if prefix.0 > 32 || prefix.1 > 128 {
            return Err(PlanError::Prefix(prefix.0, prefix.1));
        }
        let places = 0..count(choices)?;
        for &(_, weight, _) in choices {
            check_weight(weight)?;
        }
        let owner = |slot: u32| {
            let slot = mix(u64::from(slot));
            let mut best = (f64::INFINITY, 0);
            for (index, &(seed, weight, _)) in places.clone().zip(choices) {
                let uniform = ((mix(seed ^ slot) >> 11) as f64 + 0.5) * 2_f64.powi(-53);
                let cost = -uniform.ln() / weight;
                if cost < best.0 {
                    best = (cost, index);
                }
            }
            best.1
        };
        Ok(Self {
            slots: (0..slots).map(owner).collect(),
            nodes: choices.iter().map(|choice| choice.2).collect(),
            prefix,
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
