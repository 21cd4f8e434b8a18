//! How long answers take in the engine: counts by size, written by one worker without a lock.

use std::time::Duration;

use crate::stats::Counter;

/// The upper ends of what is counted together, in microseconds. Answers take a few of them; what takes
/// milliseconds waited for a CPU or for a socket's buffer.
pub const BOUNDS: [u32; 13] = [
    10, 25, 50, 100, 250, 500, 1_000, 2_500, 5_000, 10_000, 25_000, 50_000, 100_000,
];

/// The bounds as metrics have them.
#[must_use]
pub fn seconds() -> [f64; BOUNDS.len()] {
    BOUNDS.map(|microseconds| f64::from(microseconds) / 1e6)
}

/// Counts of times, and their sum.
#[derive(Default)]
pub struct Latency {
    /// One more than bounds: the last is for what is beyond.
    counts: [Counter; BOUNDS.len() + 1],
    nanoseconds: Counter,
}

impl Latency {
    /// Count `answers` that left together, `took` after their queries came.
    #[inline]
    pub fn add(&self, took: Duration, answers: u64) {
        let nanoseconds = u64::try_from(took.as_nanos()).unwrap_or(u64::MAX);
        let place =
            BOUNDS.partition_point(|&bound| u64::from(bound).saturating_mul(1_000) < nanoseconds);
        if let Some(counter) = self.counts.get(place) {
            counter.add(answers);
        }
        self.nanoseconds.add(nanoseconds.saturating_mul(answers));
    }

    /// What was counted so far.
    #[must_use]
    pub fn read(&self) -> Latencies {
        let mut read = Latencies::default();
        for (to, counter) in read.counts.iter_mut().zip(&self.counts) {
            *to = counter.read();
        }
        read.nanoseconds = self.nanoseconds.read();
        read
    }
}

/// What was counted of all workers of a transport.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Latencies {
    /// Answers by the place of their time in `BOUNDS`, and behind them what is beyond.
    pub counts: [u64; BOUNDS.len() + 1],
    /// The sum of their times.
    pub nanoseconds: u64,
}

impl Latencies {
    /// Take in those of another worker.
    pub fn merge(&mut self, other: &Self) {
        for (to, from) in self.counts.iter_mut().zip(other.counts) {
            *to = to.wrapping_add(from);
        }
        self.nanoseconds = self.nanoseconds.wrapping_add(other.nanoseconds);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_counts_up_to_its_bound_and_not_beyond() {
        let latency = Latency::default();
        latency.add(Duration::ZERO, 1);
        latency.add(Duration::from_micros(10), 2);
        latency.add(Duration::from_nanos(10_001), 4);
        latency.add(Duration::from_millis(100), 8);
        latency.add(Duration::from_secs(1), 16);
        let read = latency.read();
        let mut expected = [0; BOUNDS.len() + 1];
        (expected[0], expected[1]) = (3, 4);
        (expected[BOUNDS.len() - 1], expected[BOUNDS.len()]) = (8, 16);
        assert_eq!(read.counts, expected);
        assert_eq!(
            read.nanoseconds,
            20_000 + 40_004 + 800_000_000 + 16_000_000_000
        );
        let mut both = read;
        both.merge(&read);
        assert_eq!(both.counts[1], 8);
        assert_eq!(both.nanoseconds, 2 * read.nanoseconds);
    }
}
