//! Connections in the order of time: who was used the longest ago, who has waited for the longest.
//!
//! A connection is known by its slot, a small number that is used again once it has closed. Every
//! operation takes constant time, however many connections there are.

use std::mem;
use std::time::Instant;

/// No slot.
const NONE: u32 = u32::MAX;

/// A list of slots; its links are kept apart, because many lists can share them.
pub(super) struct List {
    front: u32,
    back: u32,
}

/// The neighbours of each slot, in the one list that it is in, if it is in any.
#[derive(Default)]
pub(super) struct Links(Vec<Option<Link>>);

#[derive(Clone, Copy)]
struct Link {
    before: u32,
    after: u32,
}

impl Default for List {
    fn default() -> Self {
        Self {
            front: NONE,
            back: NONE,
        }
    }
}

impl List {
    /// The slot that was pushed first.
    pub(super) fn first(&self) -> Option<usize> {
        (self.front != NONE).then_some(self.front as usize)
    }
}

impl Links {
    /// Put `slot` at the end of `list`, which is the one that it is in if it is in any.
    pub(super) fn push(&mut self, list: &mut List, slot: usize) {
        let at = slot as u32;
        if list.back == at {
            return;
        }
        self.remove(list, slot);
        if slot >= self.0.len() {
            self.0.resize(slot + 1, None);
        }
        self.0[slot] = Some(Link {
            before: list.back,
            after: NONE,
        });
        match self.link(list.back) {
            Some(link) => link.after = at,
            None => list.front = at,
        }
        list.back = at;
    }

    /// Take `slot` out of `list`, which is the one that it is in if it is in any.
    pub(super) fn remove(&mut self, list: &mut List, slot: usize) {
        let Some(Link { before, after }) = self.0.get_mut(slot).and_then(mem::take) else {
            return;
        };
        match self.link(before) {
            Some(link) => link.after = after,
            None => list.front = after,
        }
        match self.link(after) {
            Some(link) => link.before = before,
            None => list.back = before,
        }
    }

    fn link(&mut self, slot: u32) -> Option<&mut Link> {
        self.0.get_mut(slot as usize)?.as_mut()
    }
}

/// One list, and when each slot was pushed.
#[derive(Default)]
pub(super) struct Order {
    list: List,
    links: Links,
    since: Vec<Option<Instant>>,
}

impl Order {
    /// Put `slot` at the end, from wherever it is. `now` is never earlier than in the call before.
    pub(super) fn push(&mut self, slot: usize, now: Instant) {
        self.links.push(&mut self.list, slot);
        if slot >= self.since.len() {
            self.since.resize(slot + 1, None);
        }
        self.since[slot] = Some(now);
    }

    /// Take `slot` out, if it is there.
    pub(super) fn remove(&mut self, slot: usize) {
        if let Some(since) = self.since.get_mut(slot)
            && since.take().is_some()
        {
            self.links.remove(&mut self.list, slot);
        }
    }

    /// The slot that was pushed first, and when.
    pub(super) fn first(&self) -> Option<(usize, Instant)> {
        let slot = self.list.first()?;
        Some((slot, (*self.since.get(slot)?)?))
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    /// Empties the order from its front.
    fn drain(order: &mut Order) -> Vec<usize> {
        std::iter::from_fn(|| {
            let (slot, _) = order.first()?;
            order.remove(slot);
            Some(slot)
        })
        .collect()
    }

    #[test]
    fn first_in_first_out_until_pushed_again() {
        let mut order = Order::default();
        let now = Instant::now();
        for slot in [4, 0, 2, 1] {
            order.push(slot, now);
        }
        let later = now + Duration::from_secs(1);
        order.push(0, later); // from the middle
        order.push(4, later); // from the front
        order.push(4, later); // from the end
        order.remove(2);
        order.remove(3); // is not there
        assert_eq!(order.first(), Some((1, now)));
        assert_eq!(drain(&mut order), [1, 0, 4]);
        order.push(2, later);
        assert_eq!(drain(&mut order), [2]);
        assert_eq!(order.first(), None);
    }

    #[test]
    fn lists_share_links() {
        let (mut links, mut odd, mut even) = Default::default();
        for slot in 0..6 {
            let list = if slot % 2 == 0 { &mut even } else { &mut odd };
            Links::push(&mut links, list, slot);
        }
        links.push(&mut odd, 1);
        links.remove(&mut even, 0);
        assert_eq!((odd.first(), even.first()), (Some(3), Some(2)));
        for slot in [2, 4] {
            links.remove(&mut even, slot);
        }
        assert_eq!((odd.first(), even.first()), (Some(3), None));
    }
}
