//! When a worker lets queries gather: it sleeps through the next few and answers them together.
//!
//! To be woken for a query costs several times what answering it does, and each system call is shared
//! by all queries of its batch. So a worker that is asked often, but not so often that queries wait
//! for it anyway, looks for new ones only from time to time, much as network interfaces moderate their
//! interrupts. Whoever asks a quiet server waits for nothing.

use std::time::{Duration, Instant};

/// Queries that a pause is to gather.
const GOAL: u32 = 6;

/// Fewer are not worth it.
const LEAST: u32 = 3;

/// The longest pause: what it adds to an answer's time is to be small beside any network's.
const LONGEST: Duration = Duration::from_micros(75);

/// Shorter pauses would be over before the worker sleeps.
const SHORTEST: Duration = Duration::from_micros(20);

/// The part of the old estimate that a new batch replaces is one in this many.
const MEMORY: u32 = 8;

/// How often queries come, as far as can be told from the last batches.
pub(super) struct Pace {
    last: Instant,
    /// The mean time between queries.
    gap: Duration,
}

impl Pace {
    /// That of a worker which nobody has asked yet.
    pub(super) fn new() -> Self {
        Self {
            last: Instant::now(),
            gap: LONGEST,
        }
    }

    /// Take note of a batch of `count` queries, taken from the socket at `now`. Returns for how long to let
    /// the next gather, if it pays: not after a batch of `full`, behind which more are waiting.
    pub(super) fn note(&mut self, now: Instant, count: usize, full: bool) -> Option<Duration> {
        let count = u32::try_from(count).unwrap_or(u32::MAX).max(1);
        let since = now.saturating_duration_since(self.last);
        self.last = now;
        // a server that nobody asked for a while is quiet, whatever it was before
        let gap = (since / count).min(LONGEST);
        self.gap = self.gap.saturating_sub(self.gap / MEMORY) + gap / MEMORY;
        if full || self.gap * LEAST > LONGEST {
            return None;
        }
        Some((self.gap * GOAL).clamp(SHORTEST, LONGEST))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What the last of many batches of `count` queries gets, that come `gap` apart.
    fn after(gap: Duration, count: usize, full: bool) -> Option<Duration> {
        let mut pace = Pace::new();
        let mut now = Instant::now();
        let mut pause = None;
        for _ in 0..100 {
            now += gap * count as u32;
            pause = pace.note(now, count, full);
        }
        pause
    }

    #[test]
    fn only_a_busy_worker_pauses() {
        let micros = Duration::from_micros;
        for (gap, count, pause) in [
            (micros(1_000), 1, None),
            (micros(26), 1, None),
            (micros(20), 1, Some(LONGEST)),
            (micros(20), 4, Some(LONGEST)),
            (micros(10), 1, Some(micros(60))),
            (micros(1), 32, Some(SHORTEST)),
        ] {
            let found = after(gap, count, false);
            let near = match (found, pause) {
                (Some(found), Some(pause)) => found.abs_diff(pause) < micros(1),
                (found, pause) => found == pause,
            };
            assert!(near, "{gap:?}, {count}: {found:?}");
        }
    }

    #[test]
    fn a_worker_that_is_behind_goes_on() {
        assert_eq!(after(Duration::from_micros(1), 64, true), None);
    }

    #[test]
    fn a_silence_ends_the_pauses() {
        let mut pace = Pace::new();
        let mut now = Instant::now();
        for _ in 0..100 {
            now += Duration::from_micros(10);
            pace.note(now, 1, false);
        }
        for _ in 0..8 {
            now += Duration::from_millis(1);
            pace.note(now, 1, false);
        }
        assert_eq!(pace.note(now + Duration::from_millis(1), 1, false), None);
    }
}
