//! Walking a plan: from its root to the leaf that answers this client now.

#![deny(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects
)]

use std::net::IpAddr;

use crate::plan::{Hash, Leaf, MAX_DEPTH, Node, Tree, Turn, mix};

/// A worker's source of random numbers (`SplitMix64`, Steele et al. 2014): fair, not secret.
#[derive(Clone)]
pub struct Dice(u64);

impl Dice {
    /// Dice that roll the sequence of `seed`.
    #[must_use]
    pub const fn new(seed: u64) -> Self {
        Self(seed)
    }

    /// The next number.
    pub(crate) fn roll(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        mix(self.0)
    }
}

/// Walk `tree` for `client`: the leaf, and the scope of the answer. None would be a tree that
/// `Tree::compile` let pass wrongly.
#[inline]
pub(crate) fn select<'p>(
    (tree, turns): (&'p Tree, &[Turn]),
    client: IpAddr,
    dice: &mut Dice,
) -> Option<(&'p Leaf, u8)> {
    let (start, scope) = tree.start(client)?;
    let mut node = tree.nodes.get(start.node as usize)?;
    for _ in 0..MAX_DEPTH {
        let next = match node {
            Node::Answer(leaf) => return Some((leaf, scope)),
            Node::Cycle { turn, steps } => {
                let turn = turns.get(*turn as usize)?.take();
                *steps.get(turn.checked_rem(steps.len() as u64)? as usize)?
            }
            Node::Random(table) => {
                let roll = dice.roll();
                let column = table.get(below(roll >> 32 << 32, table.len()))?;
                if (roll as u32) < column.threshold {
                    column.below
                } else {
                    column.above
                }
            }
            Node::Hash(hash) => {
                let choice = *hash
                    .slots
                    .get(below(hash.network(client), hash.slots.len()))?;
                *hash.nodes.get(usize::from(choice))?
            }
        };
        node = tree.nodes.get(next as usize)?;
    }
    match node {
        Node::Answer(leaf) => Some((leaf, scope)),
        _ => None,
    }
}

impl Hash {
    /// The hash of the client's network; Python's `Hash.slot`.
    fn network(&self, client: IpAddr) -> u64 {
        let (version, bits, prefix) = match client {
            IpAddr::V4(v4) => (4, u128::from(v4.to_bits()) << 96, self.prefix.0),
            IpAddr::V6(v6) => (6, v6.to_bits(), self.prefix.1),
        };
        let kept = !u128::MAX.checked_shr(u32::from(prefix)).unwrap_or(0);
        let network = bits & kept;
        let high = (network >> 64) as u64;
        let low = (network as u64).wrapping_add(version);
        mix(high ^ mix(low))
    }
}

/// Map 64 evenly spread bits to `0..count`, evenly (Lemire 2019).
fn below(bits: u64, count: usize) -> usize {
    (u128::from(bits).wrapping_mul(count as u128) >> 64) as usize
}
