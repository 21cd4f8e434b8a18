//! Budgets: how much of its rate each network has used.
//!
//! A budget is one number, the time until which it is spent (GCRA, ITU-T I.371): each answer moves it on
//! by the pace's period, and an answer that would find it further ahead than the burst allows is beyond
//! the rate.
//!
//! All workers share one table, so that a rate holds however the kernel spreads a flood over them. It is
//! a cache of fixed size: eight budgets to a cache line, each one atomic word. What is thrown out for
//! a new budget is the one that is spent the least, which mostly is not spent at all and loses nothing.

#![deny(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects
)]

use std::hash::{BuildHasher, RandomState};
use std::net::IpAddr;
use std::sync::atomic::{AtomicU64, Ordering};

use super::limits::Pace;
use super::{Class, Limits};
use crate::plan::mix;
use crate::reply::Answered;

/// Cache lines of the table: 2 MiB, a quarter of a million budgets. An answer occupies a budget for one period,
/// so a million answers a second, each to a network of its own, hold 50,000 at 20 a second.
const LINES: usize = 1 << 15;

/// Budgets in a cache line.
const WAYS: usize = 8;

/// Bits of an entry that hold the time, in microseconds; the others tell whose it is.
const TIME_BITS: u32 = 40;
const TIME: u64 = (1 << TIME_BITS) - 1;

/// No budget is ever spent further ahead than this, in microseconds; what seems to be is long past, as
/// times are kept modulo 2^40, or was made before the clock was set back.
const HORIZON: u64 = 1 << 26;

/// How far the clocks of workers may lie apart, in microseconds: each looks at the time once a batch.
const APART: u64 = 1_000_000;

/// How often an entry that other workers change meanwhile is tried again.
const ATTEMPTS: usize = 8;

/// A cache line of budgets.
#[derive(Default)]
#[repr(align(64))]
struct Line([AtomicU64; WAYS]);

/// The budgets of all networks.
pub struct Budgets {
    lines: Box<[Line]>,
    /// Keyed at random, so that nobody can aim at a line.
    keyed: RandomState,
}

impl Default for Budgets {
    fn default() -> Self {
        Self::with_lines(LINES)
    }
}

impl Budgets {
    /// Budgets in so many cache lines, a power of two.
    fn with_lines(lines: usize) -> Self {
        Self {
            lines: (0..lines).map(|_| Line::default()).collect(),
            keyed: RandomState::new(),
        }
    }

    /// Charge `answered` to `client` at `now`, in milliseconds since 1970. Returns the class whose rate
    /// it is beyond.
    #[inline]
    #[must_use]
    pub fn charge(
        &self,
        limits: &Limits,
        client: IpAddr,
        answered: &Answered,
        now: u64,
    ) -> Option<Class> {
        let now = now.wrapping_mul(1000);
        let class = Class::from(answered.kind);
        let total = self.keyed.hash_one(limits.network(client));
        // who does not know `total` knows nothing about the sum, and so not where this leads
        let subject = (class as u64).wrapping_add(1) << 32 | u64::from(answered.subject);
        let subject = mix(total.wrapping_add(subject));
        let (pace, in_total) = (limits.pace(class), limits.pace(Class::Total));
        // Looking comes before taking so that the processor fetches both lines at once.
        if self.is_spent(total, now, in_total) {
            Some(Class::Total)
        } else if !self.take(subject, now, pace) {
            Some(class)
        } else if !self.take(total, now, in_total) {
            Some(Class::Total)
        } else {
            None
        }
    }

    /// The line that the budget of `key` stands in, if it does anywhere.
    #[inline]
    fn line(&self, key: u64) -> Option<&Line> {
        self.lines
            .get((key as usize) & self.lines.len().wrapping_sub(1))
    }

    /// Whether nothing is left in the budget of `key`.
    #[inline]
    fn is_spent(&self, key: u64, now: u64, pace: Pace) -> bool {
        let line = self.line(key);
        let found = line.and_then(|line| line.find(key & !TIME, now));
        found.is_some_and(|(.., ahead)| credible(ahead, pace) > pace.tolerance)
    }

    /// Take one answer from the budget of `key`; false when it is spent.
    #[inline]
    fn take(&self, key: u64, now: u64, pace: Pace) -> bool {
        let Some(line) = self.line(key) else {
            return true;
        };
        let owner = key & !TIME;
        for _ in 0..ATTEMPTS {
            let Some((way, entry, ahead)) = line.find(owner, now) else {
                return true;
            };
            let ahead = credible(ahead, pace);
            if ahead > pace.tolerance {
                return false;
            }
            let spent = now.wrapping_add(ahead).wrapping_add(pace.period) & TIME;
            let swapped =
                way.compare_exchange(entry, owner | spent, Ordering::Relaxed, Ordering::Relaxed);
            if swapped.is_ok() {
                return true;
            }
        }
        false // so many workers spend this budget at this moment
    }
}

impl Line {
    /// The budget of `owner`: its place, what stands there, and how far ahead of `now` it is spent; or
    /// the place to put it, where the budget that is spent the least stands.
    #[inline]
    fn find(&self, owner: u64, now: u64) -> Option<(&AtomicU64, u64, u64)> {
        let mut least = None;
        for way in &self.0 {
            let entry = way.load(Ordering::Relaxed);
            let ahead = ahead(entry, now);
            if entry & !TIME == owner {
                return Some((way, entry, ahead));
            }
            if least.is_none_or(|(_, _, other)| ahead < other) {
                least = Some((way, entry, ahead));
            }
        }
        least.map(|(way, entry, _)| (way, entry, 0))
    }
}

/// How far ahead of `now` a budget is spent.
#[inline]
fn ahead(entry: u64, now: u64) -> u64 {
    let ahead = entry.wrapping_sub(now) & TIME;
    if ahead < HORIZON { ahead } else { 0 }
}

/// `ahead`, unless it is further than answers at this pace can have led: then the clock has been set back
/// since, or the pace is another one, and the budget counts as not spent at all.
#[inline]
fn credible(ahead: u64, pace: Pace) -> u64 {
    let furthest = pace.tolerance.saturating_add(pace.period);
    if ahead <= furthest.saturating_add(APART) {
        ahead
    } else {
        0
    }
}

#[cfg(test)]
mod tests {
    use std::thread;

    use super::super::tests::limits;
    use super::*;
    use crate::reply::Kind;

    const NOW: u64 = 1_780_000_000_000;

    fn answered(kind: Kind, subject: u32) -> Answered {
        Answered {
            length: 100,
            opt: 100,
            kind,
            subject,
            vouched: false,
        }
    }

    fn client(last: u8) -> IpAddr {
        [192, 0, 2, last].into()
    }

    /// How many of `count` answers at `now` are within the rate.
    fn within(budgets: &Budgets, limits: &Limits, about: Answered, count: u32, now: u64) -> u32 {
        let charge = |_: &u32| budgets.charge(limits, client(1), &about, now).is_none();
        (0..count).filter(charge).count() as u32
    }

    #[test]
    fn a_burst_and_then_the_rate() {
        let (limits, budgets) = (limits(20, 2000), Budgets::with_lines(4));
        let about = answered(Kind::Answer, 7);
        let ask = |count, now| within(&budgets, &limits, about, count, now);
        assert_eq!(ask(1000, NOW), 40, "what two seconds allow");
        assert_eq!(ask(1000, NOW), 0);
        let spread: u32 = (1..=1000).map(|later| ask(5, NOW + later)).sum();
        assert_eq!(spread, 20, "one second");
        assert_eq!(ask(1000, NOW + 501_000), 40, "saved up no further");
    }

    #[test]
    fn who_and_what_is_limited_by_itself() {
        let (limits, budgets) = (limits(20, 1000), Budgets::default());
        let spend = |client: IpAddr, kind, subject| {
            let charge = || budgets.charge(&limits, client, &answered(kind, subject), NOW);
            (0..20).map(|_| charge()).collect::<Vec<_>>()
        };
        let free = vec![None; 20];
        assert_eq!(spend(client(1), Kind::Answer, 7), free);
        assert_eq!(
            spend(client(200), Kind::Answer, 7),
            [Some(Class::Answer); 20]
        );
        assert_eq!(spend(client(1), Kind::NoData, 7), free);
        assert_eq!(spend(client(1), Kind::Answer, 8), free);
        assert_eq!(spend([192, 0, 3, 1].into(), Kind::Answer, 7), free);
        assert_eq!(spend(client(1), Kind::Answer, 9), free);
        assert_eq!(spend(client(1), Kind::NxDomain, 1), free);
        assert_eq!(
            spend(client(1), Kind::Referral, 3),
            [Some(Class::Total); 20]
        );
        assert_eq!(spend([192, 0, 3, 1].into(), Kind::Error, 0), free);
    }

    #[test]
    fn a_clock_that_is_set_back_limits_nobody_for_long() {
        let (limits, budgets) = (limits(20, 1000), Budgets::with_lines(1));
        let about = answered(Kind::Answer, 7);
        assert_eq!(within(&budgets, &limits, about, 100, NOW), 20);
        assert_eq!(within(&budgets, &limits, about, 100, NOW - 900), 0);
        for back in [2100, 30_000, 3_600_000] {
            assert_eq!(
                within(&budgets, &limits, about, 100, NOW - back),
                20,
                "{back}"
            );
        }
        // half of the 2^40 microseconds after which times look the same again
        assert_eq!(
            within(&budgets, &limits, about, 100, NOW + (1 << 39) / 1000),
            20
        );
    }

    #[test]
    fn what_is_spent_the_most_stays() {
        let (limits, budgets) = (limits(20, 1000), Budgets::with_lines(1));
        let about = answered(Kind::Answer, 7);
        assert_eq!(within(&budgets, &limits, about, 100, NOW), 20);
        for network in 0..1000_u32 {
            let other = IpAddr::from((network << 8).to_be_bytes());
            assert!(budgets.charge(&limits, other, &about, NOW).is_none());
        }
        assert_eq!(within(&budgets, &limits, about, 100, NOW), 0);
    }

    #[test]
    fn a_rate_is_that_of_all_workers_together() {
        let (limits, budgets) = (limits(1000, 1000), Budgets::default());
        let about = answered(Kind::Answer, 7);
        let work = || within(&budgets, &limits, about, 20_000, NOW);
        let sum: u32 = thread::scope(|scope| {
            let threads: Vec<_> = (0..4).map(|_| scope.spawn(work)).collect();
            threads.into_iter().map(|one| one.join().unwrap()).sum()
        });
        assert_eq!(sum, 1000);
    }
}
