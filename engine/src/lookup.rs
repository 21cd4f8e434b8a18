//! From an owner name to what the zones hold for it (RFC 1034 section 4.3.2, RFC 4592, RFC 6672).

#![deny(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects
)]

use crate::wire::name::Labels;
use crate::wire::rtype;
use crate::zones::{Delegation, End, Node, Set, Zone, Zones};

/// What stands at a name.
pub enum Found<'z> {
    /// The name itself, or the wildcard that stands in for it.
    Node(&'z Node),
    /// The name is at or below a delegation, whose node is told.
    Delegated(&'z Node, &'z Delegation),
    /// The name is below a DNAME, whose node and record are told.
    Renamed(&'z Node, &'z Set),
    /// The name is a zone's apex, and DS is asked for: what the zone above has of it.
    ParentSide(&'z Zone, Option<&'z Set>),
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
        match self.node(name) {
            Some(node) => self.exact(node, qtype),
            None => self.encloser(name),
        }
    }

    #[inline]
    fn exact<'z>(&'z self, node: &'z Node, qtype: u16) -> Found<'z> {
        if let Some(cut) = self.cut(node.cut) {
            let at = self.node_at(cut.node).unwrap_or(node);
            match &cut.end {
                End::Delegation(_) if std::ptr::eq(at, node) && qtype == rtype::DS => {}
                End::Rename(_) if std::ptr::eq(at, node) => {}
                End::Delegation(delegation) => return Found::Delegated(at, delegation),
                End::Rename(dname) => return Found::Renamed(at, dname),
            }
        }
        let Some(zone) = self.zone(node) else {
            return Found::Outside;
        };
        if qtype == rtype::DS
            && let Some(parent) = &zone.parent
            && self.is_apex(node, zone)
            && let Some(above) = self.zone_at(parent.zone)
        {
            return Found::ParentSide(above, parent.ds.as_ref());
        }
        Found::Node(node)
    }

    /// What the closest ancestor of a missing name says of it.
    fn encloser(&self, name: &[u8]) -> Found<'_> {
        let Some(node) = self.closest(name) else {
            return Found::Outside;
        };
        if let Some(cut) = self.cut(node.cut) {
            let at = self.node_at(cut.node).unwrap_or(node);
            return match &cut.end {
                End::Delegation(delegation) => Found::Delegated(at, delegation),
                End::Rename(dname) => Found::Renamed(at, dname),
            };
        }
        let Some(zone) = self.zone(node) else {
            return Found::Outside;
        };
        // Nothing is synthesised from a name that is another zone's, or another server's: what a
        // delegated wildcard means is undefined (RFC 4592 section 4.2).
        let wildcard = self.node_at(node.wildcard);
        match wildcard.filter(|wildcard| wildcard.zone == node.zone) {
            Some(wildcard) => match self.exact(wildcard, 0) {
                Found::Delegated(..) => Found::Missing(zone),
                found => found,
            },
            None => Found::Missing(zone),
        }
    }

    /// The closest ancestor that exists. A missing name's parent mostly does, so it is tried first;
    /// for the others bisection bounds the work, since along the ancestors existence is monotone. Those
    /// with more labels than any name has are not even looked for.
    fn closest(&self, name: &[u8]) -> Option<&Node> {
        let labels = Labels::new(name);
        let (_, ancestors) = labels.starts().split_first()?;
        let beyond = ancestors.len().saturating_sub(self.deepest());
        let mut ancestors = ancestors.get(beyond..)?;
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
