//! From an owner name to what the zones hold for it (RFC 1034 section 4.3.2, RFC 4592, RFC 6672).

#![deny(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects
)]

use crate::wire::name::Labels;
use crate::wire::rtype;
use crate::zones::{Delegation, End, Node, Set, Table, Zone, Zones};

/// What stands at a name, and in which zone.
pub enum Found<'z> {
    /// The name itself, or the wildcard that stands in for it.
    Node(&'z Zone, &'z Node),
    /// The name is at or below a delegation, whose node is told.
    Delegated(&'z Zone, &'z Node, &'z Delegation),
    /// The name is below a DNAME, whose node and record are told.
    Renamed(&'z Zone, &'z Node, &'z Set),
    /// The name is the apex of a zone below this one, and DS is asked for: the node that this one has of
    /// it, if any.
    ParentSide(&'z Zone, Option<&'z Node>),
    /// The name does not exist in this zone.
    Missing(&'z Zone),
    /// The name is in no zone of ours.
    Outside,
}

impl Zones {
    /// Find `name`, which is in lower case, for a query of `qtype`: DS of a zone below is asked of the
    /// zone above (RFC 4035 section 3.1.4.1), all else of the zone that the name is in.
    #[inline]
    #[must_use]
    pub fn find(&self, name: &[u8], qtype: u16) -> Found<'_> {
        let Some(zone) = self.enclosing(name) else {
            return Found::Outside;
        };
        if qtype == rtype::DS
            && name.len() == usize::from(zone.apex)
            && let Some(found) = self.parent_side(name)
        {
            return found;
        }
        match zone.node(name) {
            Some(node) => zone.exact(node, qtype),
            None => zone.encloser(name),
        }
    }

    /// What the zone above the one at `apex` has of it; None where that is not served here, or
    /// delegates a name between.
    #[cold]
    fn parent_side(&self, apex: &[u8]) -> Option<Found<'_>> {
        let (&length, rest) = apex.split_first().filter(|&(&length, _)| length > 0)?;
        let above = rest.get(usize::from(length)..)?;
        let parent = self.enclosing(above)?;
        let closest = parent.node(above).or_else(|| parent.closest(above));
        let cut = closest.and_then(|node| parent.cut(node.cut));
        // a DNAME at the parent's own apex renames what is below, but not the zones there
        if cut.is_some_and(|cut| cut.node != 0) {
            return None;
        }
        Some(Found::ParentSide(parent, parent.node(apex)))
    }
}

impl Zone {
    #[inline]
    fn exact<'z>(&'z self, node: &'z Node, qtype: u16) -> Found<'z> {
        if let Some(cut) = self.cut(node.cut) {
            let at = self.node_at(cut.node).unwrap_or(node);
            match &cut.end {
                End::Delegation(_) if std::ptr::eq(at, node) && qtype == rtype::DS => {}
                End::Rename(_) if std::ptr::eq(at, node) => {}
                End::Delegation(delegation) => return Found::Delegated(self, at, delegation),
                End::Rename(dname) => return Found::Renamed(self, at, dname),
            }
        }
        Found::Node(self, node)
    }

    /// What the closest ancestor of a missing name says of it.
    fn encloser(&self, name: &[u8]) -> Found<'_> {
        let Some(node) = self.closest(name) else {
            return Found::Missing(self);
        };
        if let Some(cut) = self.cut(node.cut) {
            let at = self.node_at(cut.node).unwrap_or(node);
            return match &cut.end {
                End::Delegation(delegation) => Found::Delegated(self, at, delegation),
                End::Rename(dname) => Found::Renamed(self, at, dname),
            };
        }
        // Nothing is synthesised from a name that is another server's: what a delegated wildcard means
        // is undefined (RFC 4592 section 4.2).
        match self
            .node_at(node.wildcard)
            .map(|wildcard| self.exact(wildcard, 0))
        {
            None | Some(Found::Delegated(..)) => Found::Missing(self),
            Some(found) => found,
        }
    }
}

impl Table {
    /// The closest ancestor in the zone that exists. A missing name's parent mostly does, so it is
    /// tried first; for the others bisection bounds the work, since along the ancestors existence is
    /// monotone. Those with more labels than any name has are not even looked for.
    fn closest(&self, name: &[u8]) -> Option<&Node> {
        let labels = Labels::new(name);
        let (_, ancestors) = labels.starts().split_first()?;
        let beyond = ancestors.len().saturating_sub(self.deepest);
        let inside = ancestors.len().checked_sub(usize::from(self.labels))?;
        let mut ancestors = ancestors.get(beyond..inside)?;
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
