//! Building maps, prefix by prefix.

use super::bits::Bits;
use super::{Cell, LABELS, Map, Partition};

/// Builds a map from prefixes that do not overlap, in the order of their addresses; the addresses
/// between them have the default label.
pub struct Builder {
    v4: Cut<u32>,
    v6: Cut<u128>,
    default: u32,
}

impl Builder {
    /// A map without prefixes as yet. Labels are below `LABELS`; a larger one counts as the default.
    #[must_use]
    pub fn new(default: u32) -> Self {
        Self {
            v4: Cut::new(),
            v6: Cut::new(),
            default: default.min(LABELS - 1),
        }
    }

    /// Add a prefix of IPv4. One that overlaps those before it is left out.
    pub fn v4(&mut self, start: u32, length: u8, label: u32) {
        let default = self.default;
        self.v4.prefix(start, length, self.checked(label), default);
    }

    /// Add a prefix of IPv6, likewise.
    pub fn v6(&mut self, start: u128, length: u8, label: u32) {
        let default = self.default;
        self.v6.prefix(start, length, self.checked(label), default);
    }

    /// The map.
    #[must_use]
    pub fn finish(self) -> Map {
        Map {
            v4: self.v4.finish(self.default),
            v6: self.v6.finish(self.default),
        }
    }

    fn checked(&self, label: u32) -> u32 {
        if label < LABELS { label } else { self.default }
    }
}

/// A family that is being cut: all addresses before `next` are in a prefix.
pub(super) struct Cut<B> {
    starts: Vec<B>,
    cells: Vec<Cell>,
    /// None when there are no addresses left.
    next: Option<B>,
}

impl<B: Bits> Cut<B> {
    pub(super) fn new() -> Self {
        Self {
            starts: Vec::new(),
            cells: Vec::new(),
            next: Some(B::ZERO),
        }
    }

    pub(super) fn with_capacity(capacity: usize) -> Self {
        Self {
            starts: Vec::with_capacity(capacity),
            cells: Vec::with_capacity(capacity),
            ..Self::new()
        }
    }

    /// Add the prefix that begins at the next address.
    pub(super) fn push(&mut self, start: B, mut length: u8, label: u32) {
        self.next = start.last(length).after();
        let mut first = start;
        // two halves of a network that have one label are one prefix
        while let (Some(&before), Some(&cell)) = (self.starts.last(), self.cells.last())
            && length > 0
            && cell == Cell::new(label, length)
            && before == first.sibling(length)
        {
            self.starts.pop();
            self.cells.pop();
            first = before;
            length = length.saturating_sub(1);
        }
        self.starts.push(first);
        self.cells.push(Cell::new(label, length));
    }

    /// Add prefixes up to and including `to`, as few as there can be.
    pub(super) fn fill(&mut self, to: B, label: u32) {
        while let Some(next) = self.next
            && next <= to
        {
            self.push(next, next.widest(to), label);
        }
    }

    fn prefix(&mut self, start: B, length: u8, label: u32, default: u32) {
        let fits = self.next.is_some_and(|next| next <= start);
        if !fits || length > B::WIDTH || !start.begins(length) {
            return;
        }
        if let Some(before) = start.before() {
            self.fill(before, default);
        }
        self.push(start, length, label);
    }

    pub(super) fn finish(mut self, default: u32) -> Partition<B> {
        self.fill(B::ZERO.last(0), default);
        Partition::new(self.starts, self.cells)
    }
}
