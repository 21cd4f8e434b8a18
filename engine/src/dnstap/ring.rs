//! A queue of samples from one thread to another, of fixed size, without locks.
//!
//! Words are atomic, so there is nothing unsafe here; `written` and `read` order them.

#![deny(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects
)]

use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};

use super::record::{Record, Sample};
use crate::stats::Counter;

/// Octets of a word.
const WORD: usize = 8;

/// The queue. One thread puts, and one at a time takes.
pub(super) struct Ring {
    words: Box<[AtomicU64]>,
    /// Words that were ever written; the writer's.
    written: AtomicUsize,
    /// Words that were ever read; the reader's.
    read: AtomicUsize,
    dropped: Counter,
}

impl Ring {
    /// A ring of so many octets, a power of two.
    pub(super) fn new(octets: usize) -> Self {
        let words = (octets / WORD).next_power_of_two();
        Self {
            words: (0..words).map(|_| AtomicU64::new(0)).collect(),
            written: AtomicUsize::new(0),
            read: AtomicUsize::new(0),
            dropped: Counter::default(),
        }
    }

    /// Put a sample, or drop it if there is no room. Only the owning thread does.
    pub(super) fn put(&self, sample: &Sample<'_>) -> bool {
        let start = self.written.load(Ordering::Relaxed);
        // Acquire: the reader has read the words before they are written over
        let filled = start.wrapping_sub(self.read.load(Ordering::Acquire));
        let needed = sample.words();
        if needed > self.words.len().saturating_sub(filled) {
            self.dropped.bump();
            return false;
        }
        let mut at = start;
        sample.write(|word| {
            if let Some(place) = self.words.get(self.place(at)) {
                place.store(word, Ordering::Relaxed);
            }
            at = at.wrapping_add(1);
        });
        // Release: who sees the new count sees the words
        self.written
            .store(start.wrapping_add(needed), Ordering::Release);
        true
    }

    /// Take the oldest sample.
    pub(super) fn take(&self) -> Option<Record> {
        if self.filled() == 0 {
            return None;
        }
        let start = self.read.load(Ordering::Relaxed);
        let mut at = start;
        let record = Record::read(|| {
            let word = self.words.get(self.place(at));
            at = at.wrapping_add(1);
            word.map_or(0, |word| word.load(Ordering::Relaxed))
        });
        self.read.store(at, Ordering::Release);
        Some(record)
    }

    /// Words that wait to be read.
    pub(super) fn filled(&self) -> usize {
        let read = self.read.load(Ordering::Relaxed);
        self.written.load(Ordering::Acquire).wrapping_sub(read)
    }

    /// How many samples found no room.
    pub(super) fn dropped(&self) -> u64 {
        self.dropped.read()
    }

    fn place(&self, at: usize) -> usize {
        at & self.words.len().wrapping_sub(1)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::thread;

    use super::super::record::tests::sample;
    use super::*;

    #[test]
    fn what_is_put_is_taken_in_order() {
        let ring = Ring::new(1024);
        assert!(ring.take().is_none());
        for round in 0..100_u8 {
            let query = vec![round; 12 + usize::from(round)];
            for answer in [None, Some(&b"answer"[..])] {
                assert!(ring.put(&sample(&query, answer)));
            }
            assert_eq!(ring.take().unwrap().query, query);
            let record = ring.take().unwrap();
            assert_eq!(record.response.as_deref(), Some(&b"answer"[..]));
        }
        assert_eq!((ring.filled(), ring.dropped()), (0, 0));
    }

    #[test]
    fn what_finds_no_room_is_dropped_whole() {
        let ring = Ring::new(1024);
        let query = [7; 100];
        let put = (0..20).filter(|_| ring.put(&sample(&query, None))).count();
        assert!((1..20).contains(&put));
        assert_eq!(ring.dropped(), 20 - put as u64);
        for _ in 0..put {
            assert_eq!(ring.take().unwrap().query, query);
        }
        assert!(ring.take().is_none());
        assert!(ring.put(&sample(&query, None)));
    }

    #[test]
    fn threads_never_meet_half_a_sample() {
        const SAMPLES: u32 = 200_000;
        let ring = Arc::new(Ring::new(2048));
        let writer = Arc::clone(&ring);
        let thread = thread::spawn(move || {
            for number in 0..SAMPLES {
                let query = number.to_be_bytes().repeat(3 + number as usize % 40);
                while !writer.put(&sample(&query, None)) {
                    thread::yield_now();
                }
            }
        });
        let mut number = 0;
        while number < SAMPLES {
            let Some(record) = ring.take() else {
                thread::yield_now();
                continue;
            };
            let expected = number.to_be_bytes().repeat(3 + number as usize % 40);
            assert_eq!(record.query, expected);
            number += 1;
        }
        thread.join().unwrap();
    }
}
