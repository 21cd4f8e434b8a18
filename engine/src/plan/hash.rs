//! `Hash`: weighted rendezvous, worked out for every slot when a plan is published.

use std::collections::HashMap;
use std::sync::{Arc, Weak};

use super::PlanError;
use super::bounded::{LoadBound, bounded};
use super::ranking::{NOBODY, Ranking, Share};
use super::spec::{check_weight, count};

/// A compiled hash: for each slot the place of its choice.
pub(crate) struct Hash {
    pub(crate) slots: Arc<[u16]>,
    pub(crate) nodes: Box<[u32]>,
    pub(crate) prefix: (u8, u8),
}

/// What the owners of slots depend on: how many slots, the seed and weight of each choice, and the
/// bound, its members likewise.
type SlotsKey = (u32, Vec<(u64, u64)>, Option<(u64, Vec<(u64, u64)>)>);

/// The slots in use. Services over the same members, and both families of each, share theirs.
#[derive(Default)]
pub struct SlotCache(HashMap<SlotsKey, Weak<[u16]>>);

impl SlotCache {
    /// Forget what no plan uses any more.
    pub fn sweep(&mut self) {
        self.0.retain(|_, slots| slots.strong_count() > 0);
    }

    fn get(
        &mut self,
        slots: u32,
        choices: &[Share],
        bound: Option<&LoadBound>,
    ) -> Result<Arc<[u16]>, PlanError> {
        let bits = |shares: &[Share]| shares.iter().map(|one| (one.0, one.1.to_bits())).collect();
        let bound_bits = bound.map(|bound| (bound.factor.to_bits(), bits(&bound.among)));
        let key = (slots, bits(choices), bound_bits);
        if let Some(known) = self.0.get(&key).and_then(Weak::upgrade) {
            return Ok(known);
        }
        let made = owners(slots, choices, bound)?;
        self.0.insert(key, Arc::downgrade(&made));
        Ok(made)
    }
}

impl Hash {
    /// Give each slot to a choice by weighted rendezvous; see Python's `Hash`.
    pub(super) fn compile(
        slots: u32,
        choices: &[(u64, f64, u32)],
        prefix: (u8, u8),
        bound: Option<&LoadBound>,
        cache: &mut SlotCache,
    ) -> Result<Self, PlanError> {
        if prefix.0 > 32 || prefix.1 > 128 {
            return Err(PlanError::Prefix(prefix.0, prefix.1));
        }
        let shares: Vec<Share> = choices.iter().map(|&(seed, by, _)| (seed, by)).collect();
        Ok(Self {
            slots: cache.get(slots, &shares, bound)?,
            nodes: choices.iter().map(|choice| choice.2).collect(),
            prefix,
        })
    }
}

/// For each slot the place of its choice.
pub(crate) fn owners(
    slots: u32,
    choices: &[Share],
    bound: Option<&LoadBound>,
) -> Result<Arc<[u16]>, PlanError> {
    if slots == 0 || slots > 1 << 16 {
        return Err(PlanError::Slots(slots));
    }
    if choices.is_empty() {
        return Err(PlanError::NoBranches);
    }
    check_shares(choices)?;
    if let Some(bound) = bound {
        check_shares(&bound.among)?;
        if !(bound.factor >= 1.0 && bound.factor.is_finite()) {
            return Err(PlanError::Bound(bound.factor));
        }
        return Ok(bounded(slots, choices, bound).into());
    }
    let ranking = Ranking::new(choices);
    Ok((0..slots).map(|slot| ranking.next(slot, NOBODY)).collect())
}

/// There are not too many, and each is a part of a sum.
fn check_shares(shares: &[Share]) -> Result<(), PlanError> {
    count(shares)?;
    for &(_, weight) in shares {
        check_weight(weight)?;
    }
    match shares.iter().map(|share| share.1).sum() {
        sum if f64::is_finite(sum) => Ok(()),
        sum => Err(PlanError::Weight(sum)),
    }
}
