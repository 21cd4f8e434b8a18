//! A label for every address, and the network over which it holds.
//!
//! All of IPv4 and all of IPv6 are cut into prefixes that do not overlap, and two halves of a network
//! that have one label are one prefix: of all such cuts it is the one with the fewest prefixes, and
//! equal maps are cut alike. So the prefix that an address falls in is the ECS scope of an answer that
//! depends on the label: the shortest over which it is constant, never overlapping another (RFC 7871
//! section 7.2.1).

#![deny(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects
)]

mod bits;
mod build;
mod combine;

use std::net::IpAddr;

use bits::Bits;
pub use build::Builder;
pub use combine::{MapError, Pair};

/// Labels are below this bound: label and prefix length share 32 bits.
pub const LABELS: u32 = 1 << 24;

/// The longest index: more than 64 Ki entries would save a comparison and cost cache lines.
const MAX_INDEX_BITS: u32 = 16;

/// A label for every address.
#[derive(Debug, PartialEq)]
pub struct Map {
    v4: Partition<u32>,
    v6: Partition<u128>,
}

impl Map {
    /// The label of `address`, and how long the prefix is over which it holds.
    #[inline]
    #[must_use]
    pub fn find(&self, address: IpAddr) -> (u32, u8) {
        let cell = match address {
            IpAddr::V4(v4) => self.v4.find(v4.to_bits()),
            IpAddr::V6(v6) => self.v6.find(v6.to_bits()),
        };
        (cell.label(), cell.length())
    }

    /// How many prefixes there are of IPv4 and of IPv6.
    #[must_use]
    pub fn sizes(&self) -> (usize, usize) {
        (self.v4.cells.len(), self.v6.cells.len())
    }

    /// Octets that it takes.
    #[must_use]
    pub fn octets(&self) -> usize {
        self.v4.octets().saturating_add(self.v6.octets())
    }

    /// The prefixes of IPv4, in the order of their addresses: address, length, label.
    #[must_use]
    pub fn v4(&self) -> impl ExactSizeIterator<Item = (u32, u8, u32)> {
        self.v4.iter()
    }

    /// The prefixes of IPv6, likewise.
    #[must_use]
    pub fn v6(&self) -> impl ExactSizeIterator<Item = (u128, u8, u32)> {
        self.v6.iter()
    }

    /// The largest label.
    #[must_use]
    pub fn greatest(&self) -> u32 {
        self.v4.greatest().max(self.v6.greatest())
    }
}

/// A label and the length of the prefix that has it.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Cell(u32);

impl Cell {
    /// `label` is below `LABELS`.
    const fn new(label: u32, length: u8) -> Self {
        Self(label << 8 | length as u32)
    }

    const fn label(self) -> u32 {
        self.0 >> 8
    }

    const fn length(self) -> u8 {
        self.0 as u8
    }
}

/// A whole address family, cut into prefixes.
#[derive(Debug, PartialEq)]
struct Partition<B> {
    /// The first address of each prefix, ascending from 0.
    starts: Box<[B]>,
    cells: Box<[Cell]>,
    /// For each value of an address's leading bits, how many prefixes begin below it; one more at the end.
    index: Box<[u32]>,
    /// How far an address is shifted to leave those bits.
    shift: u32,
}

impl<B: Bits> Partition<B> {
    /// `starts` ascend from 0, one a cell.
    fn new(starts: Vec<B>, cells: Vec<Cell>) -> Self {
        let wanted = starts.len().checked_ilog2().unwrap_or(0);
        let bits = wanted.clamp(1, MAX_INDEX_BITS);
        let shift = u32::from(B::WIDTH).saturating_sub(bits);
        let mut index = Vec::with_capacity((1_usize << bits).saturating_add(1));
        let mut begun = 0_usize;
        for value in 0..1_usize << bits {
            while starts
                .get(begun)
                .is_some_and(|start| start.leading(shift) < value)
            {
                begun = begun.saturating_add(1);
            }
            index.push(begun as u32);
        }
        index.push(starts.len() as u32);
        Self {
            starts: starts.into(),
            cells: cells.into(),
            index: index.into(),
            shift,
        }
    }

    /// The prefix that `address` is in: the last one that begins at or before it.
    #[inline]
    fn find(&self, address: B) -> Cell {
        let leading = address.leading(self.shift);
        let bounds = self.index.get(leading..).and_then(<[u32]>::first_chunk);
        let &[from, to] = bounds.unwrap_or(&[0, 0]);
        let near = self.starts.get(from as usize..to as usize);
        let within = near
            .unwrap_or_default()
            .partition_point(|start| *start <= address);
        let begun = (from as usize).saturating_add(within);
        let cell = self.cells.get(begun.saturating_sub(1));
        // a whole family is never cut into no prefix at all
        cell.copied().unwrap_or(Cell::new(0, 0))
    }

    fn octets(&self) -> usize {
        let (starts, cells, index) = (&*self.starts, &*self.cells, &*self.index);
        size_of_val(starts)
            .saturating_add(size_of_val(cells))
            .saturating_add(size_of_val(index))
    }

    fn iter(&self) -> impl ExactSizeIterator<Item = (B, u8, u32)> {
        let whole = self.starts.iter().zip(&*self.cells);
        whole.map(|(start, cell)| (*start, cell.length(), cell.label()))
    }

    fn greatest(&self) -> u32 {
        self.cells
            .iter()
            .map(|cell| cell.label())
            .max()
            .unwrap_or(0)
    }
}

#[cfg(test)]
mod tests;
