//! Plans as published: what Python hands over, and why it may not be taken.

use std::net::IpAddr;
use std::sync::Arc;

use thiserror::Error;

use super::MAX_DEPTH;
use super::bounded::LoadBound;
use crate::networks::Map;
use crate::wire::Rcode;
use crate::zones::RrsetSpec;

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
        /// The records, where they are not just the backends' addresses or target.
        given: Option<Given>,
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
        /// How many slots one choice may have.
        bound: Option<LoadBound>,
    },
    /// A choice by where the client's address lies in a map: the child with the label's number. It is a
    /// plan's root, or the prefixes of several could overlap.
    Network {
        /// Its labels are places in `choices`.
        map: Arc<Map>,
        /// The children.
        choices: Vec<u32>,
    },
}

/// The records of an answer, as its plan's type has them.
#[derive(Clone, Debug, Default)]
pub struct Given {
    /// RDATA of each record, names uncompressed.
    pub rdatas: Vec<Vec<u8>>,
    /// What goes into the additional section, where there is room.
    pub additional: Vec<RrsetSpec>,
}

/// Which service: the zone's origin and the owner name relative to it.
pub type ServiceKey = (String, String);

/// A service's plans as published, each after the type that it answers. The plan for CNAME answers
/// every type that has none of its own, as a CNAME does.
pub type ServiceSpec = Vec<(u16, PlanSpec)>;

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
    #[error("bound {0} is not a finite number of 1 or more")]
    Bound(f64),
    #[error("the records of one answer take more than 60,000 octets")]
    TooLarge,
    #[error(
        "a network node stands below another node: it is the root of its plan, or there is none"
    )]
    NetworkBelow,
    #[error("a network node has {1} choices, and its map the label {0}")]
    Label(u32, usize),
    #[error("type {0} has two plans")]
    TypeTwice(u16),
    #[error("an owner in the additional section is no domain name in wire format")]
    BadOwner,
    #[error("an answer with a target carries more than that one backend")]
    TargetNotAlone,
}

/// Weights are shares, so they are finite and above 0.
pub(super) fn check_weight(weight: f64) -> Result<(), PlanError> {
    if weight.is_finite() && weight > 0.0 {
        Ok(())
    } else {
        Err(PlanError::Weight(weight))
    }
}

/// How many choices there are; a `Hash` notes them in 16 bits.
pub(super) fn count<T>(choices: &[T]) -> Result<u16, PlanError> {
    u16::try_from(choices.len()).map_err(|_| PlanError::Choices(choices.len()))
}
