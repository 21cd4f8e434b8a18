//! Who was limited lately: written by one worker, read by whoever asks, for the log.

#![deny(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects
)]

use std::sync::atomic::{AtomicU64, Ordering, fence};

use super::limits::{Network, address};
use super::{Class, Limits};
use crate::plan::mix;

/// How many networks are remembered. Of an attack on more at once, the log tells some.
const SLOTS: usize = 64;

/// Milliseconds after which a network that was not limited again gives its slot to another one.
const STALE: u64 = 1000;

/// A network that was limited.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sighting {
    /// Which one.
    pub network: Network,
    /// The class whose rate it was beyond.
    pub class: Class,
    /// How many answers were, since it took its slot.
    pub count: u64,
}

/// The networks that a worker has limited lately.
#[derive(Default)]
pub struct Noted(Box<[Slot]>);

/// A slot; `version` is odd while the worker gives it to another network.
#[derive(Default)]
struct Slot {
    version: AtomicU64,
    high: AtomicU64,
    low: AtomicU64,
    /// Leading bits, and the class.
    rest: AtomicU64,
    count: AtomicU64,
    /// When it was limited last, in milliseconds since 1970.
    last: AtomicU64,
}

impl Noted {
    /// Room for the networks of a worker.
    #[must_use]
    pub fn new() -> Self {
        Self((0..SLOTS).map(|_| Slot::default()).collect())
    }

    /// Note that an answer to `client` is beyond the rate of `class` at `now`, in milliseconds since
    /// 1970. Only the owning thread does.
    pub fn note(&self, limits: &Limits, client: std::net::IpAddr, class: Class, now: u64) {
        let network = limits.network(client);
        let (high, low) = ((network >> 64) as u64, network as u64);
        let rest = u64::from(limits.bits(client)) << 8 | class as u64;
        let place = mix(high ^ mix(low ^ mix(rest))) as usize & SLOTS.wrapping_sub(1);
        let Some(slot) = self.0.get(place) else {
            return;
        };
        let read = |word: &AtomicU64| word.load(Ordering::Relaxed);
        if (read(&slot.high), read(&slot.low), read(&slot.rest)) == (high, low, rest) {
            slot.count
                .store(read(&slot.count).wrapping_add(1), Ordering::Relaxed);
            slot.last.store(now, Ordering::Relaxed);
        } else if now.saturating_sub(read(&slot.last)) >= STALE {
            let version = read(&slot.version);
            slot.version
                .store(version.wrapping_add(1), Ordering::Relaxed);
            fence(Ordering::Release);
            for (word, value) in [
                (&slot.high, high),
                (&slot.low, low),
                (&slot.rest, rest),
                (&slot.count, 1),
                (&slot.last, now),
            ] {
                word.store(value, Ordering::Relaxed);
            }
            slot.version
                .store(version.wrapping_add(2), Ordering::Release);
        }
    }

    /// The networks that were limited at `since` or later, in milliseconds since 1970.
    pub fn since(&self, since: u64) -> impl Iterator<Item = Sighting> {
        self.0.iter().filter_map(move |slot| slot.read(since))
    }
}

impl Slot {
    /// What stands here; None where nothing does, or when the worker changes it at this moment.
    fn read(&self, since: u64) -> Option<Sighting> {
        let version = self.version.load(Ordering::Acquire);
        let [high, low, rest, count, last] =
            [&self.high, &self.low, &self.rest, &self.count, &self.last]
                .map(|word| word.load(Ordering::Relaxed));
        fence(Ordering::Acquire);
        let whole = version.is_multiple_of(2) && self.version.load(Ordering::Relaxed) == version;
        if !whole || count == 0 || last < since {
            return None;
        }
        Some(Sighting {
            network: (
                address(u128::from(high) << 64 | u128::from(low)),
                (rest >> 8) as u8,
            ),
            class: *Class::ALL.get((rest & 0xFF) as usize)?,
            count,
        })
    }
}

#[cfg(test)]
mod tests {
    use std::net::IpAddr;

    use super::super::tests::limits;
    use super::*;

    #[test]
    fn what_was_limited_is_told() {
        let (limits, noted) = (limits(20, 1000), Noted::new());
        let [v4, v6]: [IpAddr; 2] = ["192.0.2.9", "2001:db8::9"].map(|text| text.parse().unwrap());
        for now in [5000, 6000, 7000] {
            noted.note(&limits, v4, Class::Answer, now);
        }
        noted.note(&limits, v6, Class::NxDomain, 9000);
        let told = |since| {
            let mut told: Vec<_> = noted.since(since).collect();
            told.sort_by_key(|sighting| sighting.network);
            told
        };
        let first = Sighting {
            network: ("192.0.2.0".parse().unwrap(), 24),
            class: Class::Answer,
            count: 3,
        };
        let second = Sighting {
            network: ("2001:db8::".parse().unwrap(), 56),
            class: Class::NxDomain,
            count: 1,
        };
        assert_eq!(told(7000), [first, second]);
        assert_eq!(told(7001), [second]);
    }

    #[test]
    fn who_is_limited_keeps_its_slot() {
        let (limits, noted) = (limits(20, 1000), Noted::new());
        let note = |count: u32, now| {
            for network in 0..count {
                let client = IpAddr::from((network << 8).to_be_bytes());
                noted.note(&limits, client, Class::Total, now);
            }
        };
        note(SLOTS as u32 * 20, 5000);
        let before: Vec<_> = noted.since(0).collect();
        assert_eq!(before.len(), SLOTS);
        note(SLOTS as u32 * 20, 5000 + STALE - 1);
        let after: Vec<_> = noted.since(0).collect();
        for (before, after) in before.iter().zip(after) {
            assert_eq!((before.network, 2), (after.network, after.count));
        }
    }
}
