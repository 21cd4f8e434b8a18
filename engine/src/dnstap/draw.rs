//! Which query is sampled next: each with its probability, whatever came before.
//!
//! Every n-th query would meet those in step with it more often, such as the same step of a `Cycle`.
//! So the distance to the next one is drawn, and until then a worker only counts down.

#![deny(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects
)]

use crate::select::Dice;

/// Queries that pass while there is no room, so that a flood pays little for what is dropped.
const PENALTY: u64 = 256;

/// A worker's countdown to the query that it samples next, for the log and for `Server::samples`.
#[derive(Default)]
pub(crate) struct Draw {
    /// Queries until one is due for either; 0: none ever.
    left: u64,
    odds: [u64; 2],
    /// Queries until one is due, for each, counted from when `left` was set; 0: none ever.
    each: [u64; 2],
    /// What `left` was set to.
    set: u64,
}

impl Draw {
    /// Count a query. Returns whether it is due.
    #[inline]
    pub(crate) fn is_due(&mut self) -> bool {
        self.left = self.left.wrapping_sub(1);
        self.left == 0
    }

    /// Take note of probabilities, as bits.
    #[inline]
    pub(crate) fn follow(&mut self, odds: [u64; 2], dice: &mut Dice) {
        if self.odds != odds {
            self.change(odds, dice);
        }
    }

    #[cold]
    fn change(&mut self, odds: [u64; 2], dice: &mut Dice) {
        self.odds = odds;
        self.each = odds.map(|odds| gap(f64::from_bits(odds), dice));
        self.aim();
    }

    /// Which are due, of the log and of `Server::samples`, each with how many queries one stands for; and
    /// draw the next.
    pub(crate) fn next(&mut self, dice: &mut Dice) -> [Option<f64>; 2] {
        let mut due = [None; 2];
        for ((each, odds), due) in self.each.iter_mut().zip(self.odds).zip(&mut due) {
            if *each == 0 {
                continue;
            }
            *each = each.saturating_sub(self.set);
            if *each == 0 {
                let probability = f64::from_bits(odds);
                *due = Some(probability.recip());
                *each = gap(probability, dice);
            }
        }
        self.aim();
        due
    }

    /// Let some more pass before the next one for `Server::samples`.
    pub(crate) fn put_off(&mut self) {
        let [_, top] = &mut self.each;
        *top = top.saturating_add(PENALTY);
        self.aim();
    }

    fn aim(&mut self) {
        self.set = self
            .each
            .into_iter()
            .filter(|&left| left > 0)
            .min()
            .unwrap_or(0);
        self.left = self.set;
    }
}

/// How many queries on the next one is that is sampled, 1 for the very next; 0: none is.
#[expect(
    clippy::cast_precision_loss,
    clippy::cast_sign_loss,
    reason = "53 bits fit, and two logarithms of what is at most 1 have one sign"
)]
fn gap(probability: f64, dice: &mut Dice) -> u64 {
    if probability <= 0.0 || probability.is_nan() {
        return 0;
    }
    // above 0, up to 1
    let drawn = ((dice.roll() >> 11).saturating_add(1)) as f64 / (1_u64 << 53) as f64;
    let skipped = drawn.ln() / (1.0 - probability.min(1.0)).ln();
    (skipped as u64).saturating_add(1)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::arithmetic_side_effects, reason = "an overflow fails the test")]

    use super::*;

    const QUERIES: u32 = 400_000;

    fn count(odds: [f64; 2]) -> [f64; 2] {
        let mut dice = Dice::new(7);
        let mut draw = Draw::default();
        draw.follow(odds.map(f64::to_bits), &mut dice);
        let mut sums = [0.0; 2];
        for _ in 0..QUERIES {
            if draw.is_due() {
                let due = draw.next(&mut dice);
                assert_ne!(due, [None, None]);
                for (sum, weight) in sums.iter_mut().zip(due) {
                    *sum += weight.unwrap_or(0.0);
                }
            }
        }
        sums.map(|sum| sum / f64::from(QUERIES))
    }

    #[test]
    fn as_many_as_is_likely() {
        for odds in [[1.0, 0.0], [0.0, 1.0], [1.0, 0.25], [0.1, 0.01], [0.3, 1.0]] {
            for (share, odds) in count(odds).into_iter().zip(odds) {
                if odds == 0.0 {
                    assert_eq!(share.to_bits(), 0);
                } else {
                    assert!((share - 1.0).abs() < 0.1, "{share} of {odds}");
                }
            }
        }
        assert!(count([0.0, 0.0]).into_iter().all(|share| share < 0.1));
    }

    #[test]
    fn off_is_never() {
        let mut draw = Draw::default();
        assert!((0..1000).all(|_| !draw.is_due()));
        let mut dice = Dice::new(1);
        draw.follow([1.0_f64.to_bits(), 0], &mut dice);
        assert!(draw.is_due());
        draw.follow([0, 0], &mut dice);
        assert!((0..1000).all(|_| !draw.is_due()));
    }
}
