//! From names to nodes: slots of eight octets, looked through one after the other.
//!
//! What a slot keeps of a name's hash is all that its place follows from. So most looks touch one
//! cache line, a name is compared with hardly any but its own, and growing needs no names.

#![deny(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects
)]

use super::NONE;

/// The fewest slots, once there is a name.
const LEAST: usize = 8;

/// The nodes of a table by the hashes of their names.
#[derive(Clone, Default)]
pub(super) struct Index {
    /// More than there are names, so that there is always an empty one.
    slots: Vec<Slot>,
    count: usize,
}

/// A node, or NONE, and the upper half of its name's hash.
#[derive(Clone, Copy)]
struct Slot {
    tag: u32,
    node: u32,
}

const EMPTY: Slot = Slot { tag: 0, node: NONE };

impl Index {
    /// The node whose name has this `hash` and which `is` the one.
    #[inline]
    pub(super) fn find(&self, hash: u64, mut is: impl FnMut(u32) -> bool) -> Option<u32> {
        let tag = tag(hash);
        let mut place = self.place(tag);
        loop {
            let Some(slot) = self.slots.get(place) else {
                if self.slots.is_empty() {
                    return None;
                }
                place = 0; // behind the last one is the first
                continue;
            };
            if slot.node == NONE {
                return None;
            }
            if slot.tag == tag && is(slot.node) {
                return Some(slot.node);
            }
            place = place.wrapping_add(1);
        }
    }

    /// Add a node, whose name is not there yet.
    pub(super) fn add(&mut self, hash: u64, node: u32) {
        // four slots for three names
        if self.count.saturating_mul(4) >= self.slots.len().saturating_mul(3) {
            self.resize(self.count.saturating_mul(2));
        }
        self.put(Slot {
            tag: tag(hash),
            node,
        });
        self.count = self.count.saturating_add(1);
    }

    /// Make room for so many more.
    pub(super) fn reserve(&mut self, more: usize) {
        let names = self.count.saturating_add(more);
        let slots = names.saturating_add(names / 2);
        if slots > self.slots.len() {
            self.resize(slots);
        }
    }

    /// How many octets it takes.
    pub(super) fn size(&self) -> usize {
        size_of_val(&*self.slots)
    }

    /// Where the search for a name begins: a read that makes the search a quick one if it comes some
    /// time before. Returns what was read, which means nothing.
    #[inline]
    pub(super) fn touch(&self, hash: u64) -> u32 {
        let slot = self.slots.get(self.place(tag(hash)));
        slot.map_or(0, |slot| slot.node)
    }

    /// The node that `find` would look at first.
    #[inline]
    pub(super) fn likely(&self, hash: u64) -> Option<u32> {
        self.find(hash, |_| true)
    }

    /// The slot at which the search for a tag begins: as far into the slots as the tag is among numbers.
    #[inline]
    fn place(&self, tag: u32) -> usize {
        let place = u64::from(tag).wrapping_mul(self.slots.len() as u64) >> 32;
        place as usize
    }

    fn resize(&mut self, slots: usize) {
        let new = vec![EMPTY; slots.max(LEAST)];
        for slot in std::mem::replace(&mut self.slots, new) {
            if slot.node != NONE {
                self.put(slot);
            }
        }
    }

    fn put(&mut self, new: Slot) {
        let place = self.place(new.tag);
        let (before, from) = self.slots.split_at_mut(place);
        let mut slots = from.iter_mut().chain(before);
        if let Some(slot) = slots.find(|slot| slot.node == NONE) {
            *slot = new;
        }
    }
}

/// The half of a hash that is kept.
#[inline]
fn tag(hash: u64) -> u32 {
    (hash >> 32) as u32
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A number that looks like a hash.
    fn hash(of: u32) -> u64 {
        u64::from(of)
            .wrapping_add(1)
            .wrapping_mul(0x9E37_79B9_7F4A_7C15)
    }

    #[test]
    fn every_node_is_found_whatever_room_was_made() {
        for reserved in [0, 10, 999, 1_000, 5_000] {
            let mut index = Index::default();
            assert_eq!(index.find(hash(0), |_| true), None);
            index.reserve(reserved);
            for node in 0..1_000 {
                index.add(hash(node), node);
            }
            for node in 0..1_000 {
                assert_eq!(index.find(hash(node), |of| of == node), Some(node));
            }
            for node in 1_000..2_000 {
                assert_eq!(index.find(hash(node), |of| of == node), None);
            }
        }
    }

    #[test]
    fn nodes_of_one_hash_are_told_apart_and_the_end_goes_on_at_the_beginning() {
        for same in [0, u64::MAX] {
            let mut index = Index::default();
            for node in 0..20 {
                index.add(same, node);
            }
            for node in 0..20 {
                assert_eq!(index.find(same, |of| of == node), Some(node));
            }
            assert_eq!(index.find(same, |_| false), None);
        }
    }
}
