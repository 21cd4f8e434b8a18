//! From an owner name to what the zones hold for it (RFC 1034 section 4.3.2, RFC 4592).

#![deny(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects
)]

use crate::wire::name::Labels;
use crate::zones::{Cut, Node, Zone, Zones};

/// What stands at a name.
pub enum Found<'z> {
    /// The name itself, or the wildcard that stands in for it.
    Node(&'z Node),
    /// The name is at or below a delegation.
    Cut(&'z Cut),
    /// The name does not exist in this zone.
    Missing(&'z Zone),
    /// The name is in no zone of ours.
    Outside,
}

impl Zones {
    /// Find `name`, which is in lower case. `parent_side` asks the delegating zone about the
    /// delegation point itself, as a query for DS does (RFC 4035 section 3.1.4.1).
    #[inline]
    #[must_use]
    pub fn find(&self, name: &[u8], parent_side: bool) -> Found<'_> {
        match self.node(name) {
            Some(node) => self.exact(node, parent_side),
            None => self.encloser(name),
        }
    }

    #[inline]
    fn exact<'z>(&'z self, node: &'z Node, parent_side: bool) -> Found<'z> {
        if let Some(cut) = self.cut(node.cut) {
            let at = self
                .node_at(cut.node)
                .is_some_and(|at| std::ptr::eq(at, node));
            if !(parent_side && at) {
                return Found::Cut(cut);
            }
        }
        if self.zone(node).is_none() {
            return Found::Outside;
        }
        Found::Node(node)
    }

    /// What the closest ancestor of a missing name says of it.
    fn encloser(&self, name: &[u8]) -> Found<'_> {
        let Some(node) = self.closest(name) else {
            return Found::Outside;
        };
        if let Some(cut) = self.cut(node.cut) {
            return Found::Cut(cut);
        }
        let Some(zone) = self.zone(node) else {
            return Found::Outside;
        };
        match self.node_at(node.wildcard) {
            Some(wildcard) => self.exact(wildcard, false),
            None => Found::Missing(zone),
        }
    }

    /// The closest ancestor that exists. A missing name's parent mostly does, so it is tried first;
    /// for the others bisection bounds the work, since along the ancestors existence is monotone.
    fn closest(&self, name: &[u8]) -> Option<&Node> {
        let labels = Labels::new(name);
        let (_, mut ancestors) = labels.starts().split_first()?;
        let at = |start: &u8| {
            name.get(usize::from(*start)..)
                .and_then(|name| self.node(name))
        };
        if let Some(parent) = ancestors.first().and_then(at) {
            return Some(parent);
        }
        let mut best = None;
        while !ancestors.is_empty() {
            let (nearer, further) = ancestors.split_at(ancestors.len() >> 1);
            let (middle, beyond) = further.split_first()?;
            if let Some(node) = at(middle) {
                best = Some(node);
                ancestors = nearer;
            } else {
                ancestors = beyond;
            }
        }
        best
    }
}
