//! One compiled plan: the nodes, and how a walk through them begins.

use std::net::IpAddr;
use std::sync::Arc;

use super::alias::{Column, alias_table};
use super::spec::{NodeSpec, PlanError, PlanSpec};
use super::{Backends, Hash, Leaf, MAX_DEPTH, SlotCache};
use crate::networks::Map;

/// A compiled plan.
pub(crate) struct Tree {
    /// The type of the queries that it answers; CNAME: all that no other tree answers.
    pub(super) rtype: u16,
    /// Children before parents, the root last, but for a `Network`.
    pub(crate) nodes: Box<[Node]>,
    /// How many of them are cycles.
    pub(super) cycles: usize,
    /// Where walks begin.
    start: Start,
}

/// Where a walk begins. Only here does the plan ask in which network a client is: the prefixes of one map
/// do not overlap, and neither do the scopes of answers (RFC 7871 section 7.2.1).
enum Start {
    Everywhere(Branch),
    ByNetwork {
        map: Arc<Map>,
        branches: Box<[Branch]>,
    },
}

/// A node that walks begin at.
#[derive(Clone, Copy)]
pub(crate) struct Branch {
    pub(crate) node: u32,
    /// How many leading bits of IPv4 and IPv6 addresses any node below looks at. The most count for
    /// every answer: whichever is drawn, a resolver may keep it beside the others.
    prefix: (u8, u8),
}

impl Tree {
    /// Where the walk for `client` begins, and the scope of what it ends in: the leading bits of the
    /// address that the answer depends on.
    #[inline]
    pub(crate) fn start(&self, client: IpAddr) -> Option<(Branch, u8)> {
        let (branch, network) = match &self.start {
            Start::Everywhere(branch) => (branch, 0),
            Start::ByNetwork { map, branches } => {
                let (label, length) = map.find(client);
                (branches.get(label as usize)?, length)
            }
        };
        let hashed = match client {
            IpAddr::V4(_) => branch.prefix.0,
            IpAddr::V6(_) => branch.prefix.1,
        };
        Some((*branch, network.max(hashed)))
    }

    /// Compile `spec` for queries of type `rtype`.
    pub(super) fn compile(
        spec: &PlanSpec,
        rtype: u16,
        backends: &mut Backends,
        slots: &mut SlotCache,
    ) -> Result<Self, PlanError> {
        let (last, inner) = spec.nodes.split_last().ok_or(PlanError::Empty)?;
        let (specs, network) = match last {
            NodeSpec::Network { map, choices } => (inner, Some((map, choices))),
            _ => (&*spec.nodes, None),
        };
        let mut sights: Vec<Sight> = Vec::with_capacity(specs.len());
        let mut nodes = Vec::with_capacity(specs.len());
        let mut cycles = 0;
        for node in specs {
            sights.push(Sight::of(node, &sights)?);
            nodes.push(match node {
                NodeSpec::Answer {
                    backends: carried,
                    ttl,
                    rcode,
                    given,
                } => {
                    let mut leaf = match given {
                        Some(given) => Leaf::given(given, rtype, *ttl)?,
                        None => Leaf::own(carried, rtype, *ttl)?,
                    };
                    leaf.rcode = *rcode;
                    leaf.backends = carried.iter().map(|one| backends.place(one)).collect();
                    Node::Answer(leaf)
                }
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
                    bound,
                } => Node::Hash(Hash::compile(
                    *count,
                    choices,
                    *prefix,
                    bound.as_ref(),
                    slots,
                )?),
                NodeSpec::Network { .. } => return Err(PlanError::NetworkBelow),
            });
        }
        let branch = |&node: &u32| {
            let sight = sights.get(node as usize).ok_or(PlanError::Order)?;
            let prefix = sight.prefix;
            Ok(Branch { node, prefix })
        };
        let start = match network {
            None => Start::Everywhere(branch(&(specs.len() as u32 - 1))?),
            Some((map, choices)) => {
                if map.greatest() as usize >= choices.len() {
                    return Err(PlanError::Label(map.greatest(), choices.len()));
                }
                Start::ByNetwork {
                    map: Arc::clone(map),
                    branches: choices.iter().map(branch).collect::<Result<_, _>>()?,
                }
            }
        };
        Ok(Self {
            rtype,
            nodes: nodes.into(),
            cycles: cycles as usize,
            start,
        })
    }
}

/// A compiled node.
pub(crate) enum Node {
    Answer(Leaf),
    Cycle { turn: u32, steps: Box<[u32]> },
    Random(Box<[Column]>),
    Hash(Hash),
}

/// What is known of a node and those below it.
struct Sight {
    depth: usize,
    prefix: (u8, u8),
}

impl Sight {
    /// The sight of `node`, given those of the nodes before it.
    fn of(node: &NodeSpec, before: &[Self]) -> Result<Self, PlanError> {
        let mut sight = Self {
            depth: 0,
            prefix: (0, 0),
        };
        let children: Vec<u32> = match node {
            NodeSpec::Answer { .. } => {
                sight.depth = 1;
                return Ok(sight);
            }
            NodeSpec::Cycle(steps) => steps.clone(),
            NodeSpec::Random(choices) => choices.iter().map(|choice| choice.1).collect(),
            NodeSpec::Hash {
                choices, prefix, ..
            } => {
                sight.prefix = *prefix;
                choices.iter().map(|choice| choice.2).collect()
            }
            NodeSpec::Network { choices, .. } => choices.clone(),
        };
        if children.is_empty() {
            return Err(PlanError::NoBranches);
        }
        for child in children {
            let below = before.get(child as usize).ok_or(PlanError::Order)?;
            sight.depth = sight.depth.max(below.depth);
            sight.prefix.0 = sight.prefix.0.max(below.prefix.0);
            sight.prefix.1 = sight.prefix.1.max(below.prefix.1);
        }
        sight.depth += 1;
        if sight.depth > MAX_DEPTH {
            return Err(PlanError::TooDeep);
        }
        Ok(sight)
    }
}
