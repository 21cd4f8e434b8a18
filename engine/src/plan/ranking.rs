//! Weighted rendezvous: in which order a slot prefers the choices.

use std::cmp::Reverse;

use super::mix;

/// The seed and the weight of a choice.
pub type Share = (u64, f64);

/// No choice: there are 65,535 at most, so the last place is one less.
pub(super) const NOBODY: u16 = u16::MAX;

/// Choices as slots see them.
pub(super) struct Ranking<'a> {
    choices: &'a [Share],
    /// Whether all weights are equal.
    even: bool,
}

impl<'a> Ranking<'a> {
    pub(super) fn new(choices: &'a [Share]) -> Self {
        let mut pairs = choices.windows(2);
        let even = pairs.all(|pair| pair[0].1.to_bits() == pair[1].1.to_bits());
        Self { choices, even }
    }

    /// What the choice at `place` draws for `slot`, 53 bits: the larger, the less it costs.
    pub(super) fn number(&self, place: u16, slot: u32) -> u64 {
        number(self.choices[usize::from(place)].0, mix(u64::from(slot)))
    }

    /// The place of the choice that costs least for `slot`, of equals the first; after `last`, unless
    /// that is `NOBODY`. `NOBODY` when all are before.
    pub(super) fn next(&self, slot: u32, last: u16) -> u16 {
        let slot = mix(u64::from(slot));
        let last = self
            .choices
            .get(usize::from(last))
            .map(|&share| (share, last));
        if self.even {
            self.next_even(slot, last)
        } else {
            self.next_uneven(slot, last)
        }
    }

    /// As `next`, where the largest number costs least.
    fn next_even(&self, slot: u64, last: Option<(Share, u16)>) -> u16 {
        let rank = |place, seed| (number(seed, slot), Reverse(place));
        let above = last.map_or((u64::MAX, Reverse(0)), |((seed, _), place)| {
            rank(place, seed)
        });
        (0..NOBODY)
            .zip(self.choices)
            .map(|(place, &(seed, _))| rank(place, seed))
            .filter(|&rank| rank < above)
            .max()
            .map_or(NOBODY, |(_, Reverse(place))| place)
    }

    /// As `next`, by the costs themselves; those of weights near 0 may be infinite.
    fn next_uneven(&self, slot: u64, last: Option<(Share, u16)>) -> u16 {
        let below = last.map(|((seed, weight), place)| {
            let uniform = uniform(number(seed, slot));
            (cost(uniform, weight), place)
        });
        let mut best = (f64::INFINITY, NOBODY);
        for (place, &(seed, weight)) in (0..NOBODY).zip(self.choices) {
            let uniform = uniform(number(seed, slot));
            // -ln(u) >= 1 - u, so most cost too much without a logarithm to tell
            if 1.0 - uniform > best.0 * weight * CLEARLY {
                continue;
            }
            let cost = cost(uniform, weight);
            if (cost, place) < best && below.is_none_or(|below| (cost, place) > below) {
                best = (cost, place);
            }
        }
        best.1
    }
}

/// By more than what rounding can do.
const CLEARLY: f64 = 1.0 + 1e-9;

const fn number(seed: u64, slot: u64) -> u64 {
    mix(seed ^ slot) >> 11
}

#[expect(clippy::cast_precision_loss, reason = "an f64 holds all of 53 bits")]
fn uniform(number: u64) -> f64 {
    (number as f64 + 0.5) * 2_f64.powi(-53)
}

fn cost(uniform: f64, weight: f64) -> f64 {
    -uniform.ln() / weight
}
