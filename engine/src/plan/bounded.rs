//! Slots shared out so that nobody has more than a bound over its share; see Python's `LoadBound`.
//!
//! Deferred acceptance (Gale and Shapley 1962): each slot asks the choices in the order of their
//! costs, and a choice with more slots than seats lets go the one that costs it most, which asks on.
//! Both sides go by the same costs, so one outcome alone is stable, in whatever order slots ask.

use std::cmp::Reverse;
use std::collections::{BinaryHeap, HashMap};

use super::ranking::{NOBODY, Ranking, Share};

/// A bound on how many slots a choice has.
#[derive(Clone, Debug)]
pub struct LoadBound {
    /// Times its share, at least 1.
    pub factor: f64,
    /// Among whom slots are shared out first, for all types alike; empty: the choices.
    pub among: Vec<Share>,
}

/// For each slot the place of its choice, as `owners` has it.
pub(super) fn bounded(slots: u32, choices: &[Share], bound: &LoadBound) -> Vec<u16> {
    if bound.among.is_empty() {
        let mut round = Round::new(slots, choices, bound.factor);
        round.settle((0..slots).collect());
        return round.asked;
    }
    let mut first = Round::new(slots, &bound.among, bound.factor);
    first.settle((0..slots).collect());
    let mut places: HashMap<u64, u16> = HashMap::new();
    for (place, &(seed, _)) in (0..).zip(choices) {
        places.entry(seed).or_insert(place);
    }
    let mut second = Round::new(slots, choices, bound.factor);
    let mut left = Vec::new();
    for (slot, &owner) in (0..).zip(&first.asked) {
        let seed = bound.among[usize::from(owner)].0;
        match places.get(&seed) {
            Some(&place) => second.keep(slot, place),
            None => left.push(slot),
        }
    }
    second.settle(left);
    second.asked
}

/// Slots that ask, and choices that hold or refuse them.
struct Round<'a> {
    ranking: Ranking<'a>,
    /// The choice that each slot asked last: in the end, its owner.
    asked: Vec<u16>,
    rooms: Vec<Room>,
}

/// What a choice holds; on top the slot that costs it most.
struct Room {
    seats: usize,
    held: BinaryHeap<(Reverse<u64>, u32)>,
}

impl<'a> Round<'a> {
    fn new(slots: u32, choices: &'a [Share], factor: f64) -> Self {
        let total = choices.iter().fold(0.0, |sum, &(_, weight)| sum + weight);
        let room = |&(_, weight): &Share| Room {
            seats: seats(factor, weight, total, slots),
            held: BinaryHeap::new(),
        };
        Self {
            ranking: Ranking::new(choices),
            asked: vec![NOBODY; slots as usize],
            rooms: choices.iter().map(room).collect(),
        }
    }

    /// Give `slot` a seat for good.
    fn keep(&mut self, slot: u32, place: u16) {
        let room = &mut self.rooms[usize::from(place)];
        room.seats = room.seats.saturating_sub(1);
        self.asked[slot as usize] = place;
    }

    /// Let `asking` ask until each is held.
    fn settle(&mut self, mut asking: Vec<u32>) {
        while let Some(slot) = asking.pop() {
            let asked = &mut self.asked[slot as usize];
            *asked = self.ranking.next(slot, *asked);
            let room = &mut self.rooms[usize::from(*asked)];
            room.held
                .push((Reverse(self.ranking.number(*asked, slot)), slot));
            if room.held.len() > room.seats
                && let Some((_, refused)) = room.held.pop()
            {
                asking.push(refused);
            }
        }
    }
}

/// How many slots a choice may have. All together have as many seats as there are slots, or more, so
/// that each slot is held in the end.
#[expect(clippy::cast_sign_loss, reason = "nothing here is below 0")]
fn seats(factor: f64, weight: f64, total: f64, slots: u32) -> usize {
    let slots = f64::from(slots);
    (factor * weight / total * slots).min(slots).ceil() as usize
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::{mix, owners};

    const SLOTS: u32 = 1_000;

    fn pool(members: u64, weights: &[f64]) -> Vec<Share> {
        let seeds = (1..=members).map(mix);
        seeds.zip(weights.iter().copied().cycle()).collect()
    }

    fn bound(factor: f64, among: &[Share]) -> LoadBound {
        let among = among.to_vec();
        LoadBound { factor, among }
    }

    fn counts(owners: &[u16], members: usize) -> Vec<usize> {
        let mut counts = vec![0; members];
        for &place in owners {
            counts[usize::from(place)] += 1;
        }
        counts
    }

    #[test]
    fn nobody_would_rather_and_could() {
        for (factor, weights) in [
            (1.0, &[1.0][..]),
            (1.0, &[1.0, 2.5]),
            (1.1, &[3.0, 1.0, 0.1]),
        ] {
            let pool = pool(12, weights);
            let owners = bounded(SLOTS, &pool, &bound(factor, &[]));
            let counts = counts(&owners, pool.len());
            let total = pool.iter().map(|share| share.1).sum();
            let full = |place: u16| {
                let weight = pool[usize::from(place)].1;
                let seats = seats(factor, weight, total, SLOTS);
                assert!(counts[usize::from(place)] <= seats);
                counts[usize::from(place)] == seats
            };
            let ranking = Ranking::new(&pool);
            for slot in 0..SLOTS {
                let owner = owners[slot as usize];
                let mut better = ranking.next(slot, NOBODY);
                while better != owner {
                    assert!(full(better));
                    let number = |slot| ranking.number(better, slot);
                    let mut held = (0..SLOTS).filter(|&slot| owners[slot as usize] == better);
                    assert!(held.all(|held| number(held) > number(slot)));
                    better = ranking.next(slot, better);
                }
            }
        }
    }

    #[test]
    fn the_order_of_asking_plays_no_part() {
        let pool = pool(7, &[1.0, 2.0]);
        let settled = |slots: Vec<u32>| {
            let mut round = Round::new(SLOTS, &pool, 1.0);
            round.settle(slots);
            round.asked
        };
        let forwards = settled((0..SLOTS).collect());
        assert_eq!(forwards, settled((0..SLOTS).rev().collect()));
        assert_ne!(&forwards[..], &owners(SLOTS, &pool, None).unwrap()[..]);
    }

    #[test]
    fn a_bound_that_nobody_meets_changes_nothing() {
        for weights in [&[1.0][..], &[1.0, 7.0], &[5e-324, 5e-323]] {
            let pool = pool(9, weights);
            let unbound = owners(SLOTS, &pool, None).unwrap();
            assert_eq!(unbound[..], bounded(SLOTS, &pool, &bound(1e300, &[])));
        }
    }

    #[test]
    fn who_is_no_choice_passes_its_slots_on_and_nobody_else_moves() {
        let all = pool(8, &[1.0, 2.0, 3.0]);
        let some: Vec<Share> = all.iter().copied().step_by(2).collect();
        let first = bounded(SLOTS, &all, &bound(1.0, &[]));
        let second = bounded(SLOTS, &some, &bound(1.0, &all));
        let total = some.iter().map(|share| share.1).sum();
        for (count, share) in counts(&second, some.len()).into_iter().zip(&some) {
            assert!(count <= seats(1.0, share.1, total, SLOTS));
        }
        for (before, after) in first.iter().zip(second) {
            if before % 2 == 0 {
                assert_eq!(before / 2, after);
            }
        }
    }
}
