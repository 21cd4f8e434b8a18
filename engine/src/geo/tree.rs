//! The search tree: nodes of two children each, one for every bit of an address.
//!
//! The walk is not the reader's, because it has to bound what a malformed tree costs, and because
//! the reader takes every network for an alias of IPv4 whose data is that of `::/96`.

use std::net::IpAddr;

use maxminddb::Metadata;

use super::DatabaseError;

/// Octets of zero between the tree and the data section; pointers count from before them.
const SEPARATOR: u32 = 16;

/// How often each node may be met on average. In a tree it is once; writers may share what is alike,
/// but a tree made of shared halves would have up to 2^128 networks.
const MAX_MEETINGS: u64 = 4;

/// Where IPv4 is in the tree of an IPv6 database: `::/96`.
const IPV4_DEPTH: u8 = 96;

/// The tree of one file.
pub(super) struct Tree<'a> {
    octets: &'a [u8],
    nodes: u32,
    /// Octets of a node: 6, 7 or 8.
    size: usize,
    /// Leading bits of its addresses that are those of an IPv6 address: 0, or 96 in a tree for IPv4 alone.
    root: u8,
}

/// A network that has a data record.
#[derive(Clone, Copy)]
pub(super) struct Leaf {
    /// Its first address, as the file has it.
    pub(super) address: IpAddr,
    /// Its data, in octets from the start of the data section.
    pub(super) offset: u32,
    /// First address and prefix length, where it is of IPv4 or holds all of it.
    pub(super) v4: Option<(u32, u8)>,
    /// Likewise of IPv6, where it reaches beyond `::/96`.
    pub(super) v6: Option<(u128, u8)>,
}

/// A place of the tree: a child of `parent`, and its network in terms of IPv6.
struct Place {
    child: u32,
    parent: u32,
    start: u128,
    depth: u8,
}

impl<'a> Tree<'a> {
    /// The tree of a file whose metadata was compared with its size.
    pub(super) fn new(octets: &'a [u8], meta: &Metadata) -> Self {
        Self {
            octets,
            nodes: meta.node_count,
            size: usize::from(meta.record_size / 4),
            root: if meta.ip_version == 4 { IPV4_DEPTH } else { 0 },
        }
    }

    /// Visits the networks that have data, in the order of their addresses, IPv4 first.
    ///
    /// Other ways to the node of `::/96` are aliases of IPv4 (`2002::/16`, `::ffff:0:0/96`): clients do not have
    /// such addresses, and nothing is known of them.
    pub(super) fn walk(
        &self,
        mut visit: impl FnMut(Leaf) -> Result<(), DatabaseError>,
    ) -> Result<(), DatabaseError> {
        let mut left = u64::from(self.nodes).saturating_mul(MAX_MEETINGS);
        let mut ipv4 = None;
        let mut stack = vec![Place {
            child: 0,
            parent: 0,
            start: 0,
            depth: self.root,
        }];
        while let Some(place) = stack.pop() {
            let Place {
                child: node,
                start,
                depth,
                ..
            } = place;
            if node == self.nodes {
                continue; // nothing is known of these addresses
            }
            if node > self.nodes {
                visit(self.leaf(&place)?)?;
                continue;
            }
            if depth == IPV4_DEPTH && start == 0 {
                ipv4 = Some(node);
            } else if ipv4 == Some(node) && start >> 32 != 0 {
                continue;
            }
            if depth == 128 {
                return Err(DatabaseError::TooDeep(node));
            }
            left = left.checked_sub(1).ok_or(DatabaseError::Tangled)?;
            let [zero, one] = self.children(node);
            let child = |child, start| Place {
                child,
                parent: node,
                start,
                depth: depth + 1,
            };
            stack.push(child(one, start | 1 << (127 - depth)));
            stack.push(child(zero, start));
        }
        Ok(())
    }

    fn leaf(&self, place: &Place) -> Result<Leaf, DatabaseError> {
        let &Place { start, depth, .. } = place;
        let offset = (place.child - self.nodes)
            .checked_sub(SEPARATOR)
            .ok_or(DatabaseError::Outside { node: place.parent })?;
        let within = start >> 32 == 0 && depth >= IPV4_DEPTH;
        let v4 = if within {
            Some((start as u32, depth - IPV4_DEPTH))
        } else {
            (start == 0).then_some((0, 0))
        };
        let address = if self.root == IPV4_DEPTH {
            IpAddr::V4((start as u32).into())
        } else {
            IpAddr::V6(start.into())
        };
        Ok(Leaf {
            address,
            offset,
            v4,
            v6: (!within).then_some((start, depth)),
        })
    }

    /// What a node, whose number is below `self.nodes`, has under bit 0 and bit 1.
    #[expect(clippy::many_single_char_names, reason = "octets have no names")]
    fn children(&self, node: u32) -> [u32; 2] {
        let at = node as usize * self.size;
        match self.octets[at..at + self.size] {
            [a, b, c, d, e, f] => [
                u32::from_be_bytes([0, a, b, c]),
                u32::from_be_bytes([0, d, e, f]),
            ],
            // the octet in the middle holds the upper four bits of both
            [a, b, c, both, e, f, g] => [
                u32::from_be_bytes([both >> 4, a, b, c]),
                u32::from_be_bytes([both & 0x0f, e, f, g]),
            ],
            [a, b, c, d, e, f, g, h] => [
                u32::from_be_bytes([a, b, c, d]),
                u32::from_be_bytes([e, f, g, h]),
            ],
            _ => unreachable!("records have 24, 28 or 32 bits"),
        }
    }
}
