//! `Hash`: weighted rendezvous, worked out for every slot when a plan is published.

use std::cmp::Reverse;
use std::collections::HashMap;
use std::sync::{Arc, Weak};

use super::spec::{check_weight, count};
use super::{PlanError, mix};

/// A compiled hash: for each slot the place of its choice.
pub(crate) struct Hash {
    pub(crate) slots: Arc<[u16]>,
    pub(crate) nodes: Box<[u32]>,
    pub(crate) prefix: (u8, u8),
}

/// What the owners of slots depend on: how many slots, and the seed and weight of each choice.
type SlotsKey = (u32, Vec<(u64, u64)>);

/// The slots in use. Services over the same members, and both families of each, share theirs.
#[derive(Default)]
pub struct SlotCache(HashMap<SlotsKey, Weak<[u16]>>);

impl SlotCache {
    /// Forget what no plan uses any more.
    pub fn sweep(&mut self) {
        self.0.retain(|_, slots| slots.strong_count() > 0);
    }

    fn get(&mut self, slots: u32, choices: &[(u64, f64, u32)], places: u16) -> Arc<[u16]> {
        let members = choices
            .iter()
            .map(|&(seed, weight, _)| (seed, weight.to_bits()));
        let key = (slots, members.collect());
        if let Some(known) = self.0.get(&key).and_then(Weak::upgrade) {
            return known;
        }
        let even = choices
            .windows(2)
            .all(|pair| pair[0].1.to_bits() == pair[1].1.to_bits());
        let made: Arc<[u16]> = (0..slots)
            .map(|slot| owner(slot, choices, places, even))
            .collect();
        self.0.insert(key, Arc::downgrade(&made));
        made
    }
}

impl Hash {
    /// Give each slot to a choice by weighted rendezvous; see Python's `Hash`.
    pub(super) fn compile(
        slots: u32,
        choices: &[(u64, f64, u32)],
        prefix: (u8, u8),
        cache: &mut SlotCache,
    ) -> Result<Self, PlanError> {
        if slots == 0 || slots > 1 << 16 {
            return Err(PlanError::Slots(slots));
        }
        if prefix.0 > 32 || prefix.1 > 128 {
            return Err(PlanError::Prefix(prefix.0, prefix.1));
        }
        let places = count(choices)?;
        for &(_, weight, _) in choices {
            check_weight(weight)?;
        }
        Ok(Self {
            slots: cache.get(slots, choices, places),
            nodes: choices.iter().map(|choice| choice.2).collect(),
            prefix,
        })
    }
}

/// The place of the choice that `slot` belongs to.
#[expect(clippy::cast_precision_loss, reason = "an f64 holds all of 53 bits")]
fn owner(slot: u32, choices: &[(u64, f64, u32)], places: u16, even: bool) -> u16 {
    let slot = mix(u64::from(slot));
    if even {
        // of equal weights the largest number costs least, and of equal numbers the first
        let number = |&(place, &(seed, _, _)): &(u16, &(u64, f64, u32))| {
            (mix(seed ^ slot) >> 11, Reverse(place))
        };
        return (0..places)
            .zip(choices)
            .max_by_key(number)
            .map_or(0, |best| best.0);
    }
    let mut best = (f64::INFINITY, 0);
    for (place, &(seed, weight, _)) in (0..places).zip(choices) {
        let uniform = ((mix(seed ^ slot) >> 11) as f64 + 0.5) * 2_f64.powi(-53);
        let cost = -uniform.ln() / weight;
        if cost < best.0 {
            best = (cost, place);
        }
    }
    best.1
}
