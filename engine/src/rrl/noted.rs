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
