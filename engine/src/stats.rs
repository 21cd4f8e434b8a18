//! Counters that belong to one worker: written by it alone, summed by whoever asks.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};

use crate::dnstap::Rings;
use crate::latency::Latency;
use crate::rrl::{Limited, Noted};
use crate::wire::Rcode;

/// How a packet came.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Transport {
    /// One datagram, an answer of bounded size.
    Udp,
    /// A stream (RFC 7766).
    Tcp,
}

impl Transport {
    /// The word for it in metrics.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Udp => "udp",
            Self::Tcp => "tcp",
        }
    }
}

/// Why a packet got no answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Drop {
    /// Shorter than a header.
    Short,
    /// A response: answering one would start a loop.
    Response,
    /// Longer than any query, so it was not received in full.
    Oversize,
    /// From port 0, or from the very address and port that it came to: answering goes nowhere or in
    /// circles.
    Source,
    /// A frame that is torn, or whose checksums are wrong; of frames that the kernel has seen first, it
    /// drops these itself.
    Damaged,
    /// The answer is beyond the rate of the client's network.
    Rate,
    /// The operating system did not take the answer.
    Unsent,
    /// A worker failed and was started anew; packets it held are lost.
    Failed,
}

impl Drop {
    /// Every reason.
    pub const ALL: [Self; 8] = [
        Self::Short,
        Self::Response,
        Self::Oversize,
        Self::Source,
        Self::Damaged,
        Self::Rate,
        Self::Unsent,
        Self::Failed,
    ];

    /// The word for it in metrics.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Short => "short",
            Self::Response => "response",
            Self::Oversize => "oversize",
            Self::Source => "source",
            Self::Damaged => "damaged",
            Self::Rate => "rate",
            Self::Unsent => "unsent",
            Self::Failed => "failed",
        }
    }
}

/// A number that one thread adds to and any may read.
#[derive(Default)]
pub struct Counter(AtomicU64);

impl Counter {
    /// Add one. Only the owning thread does, so a plain load and store suffice and no bus is locked.
    #[inline]
    pub fn bump(&self) {
        self.add(1);
    }

    /// Add `count`; as for `bump`.
    #[inline]
    pub fn add(&self, count: u64) {
        let value = self.0.load(Ordering::Relaxed).wrapping_add(count);
        self.0.store(value, Ordering::Relaxed);
    }

    /// The number so far.
    #[must_use]
    pub fn read(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

/// Counters in a chunk. A chunk never moves, so the worker reads no lock to find it.
const CHUNK: usize = 1024;
/// Chunks: together 4 million pairs of service and backend; beyond that answers are not counted.
const CHUNKS: usize = 4096;

/// The counters of one worker.
pub struct Counters {
    transport: Transport,
    rcodes: [Counter; Rcode::ALL.len()],
    drops: [Counter; Drop::ALL.len()],
    limited: [Counter; Limited::ALL.len()],
    noted: Noted,
    latency: Latency,
    rings: Arc<Rings>,
    tallies: Box<[OnceLock<Box<[Counter]>>]>,
}

impl Counters {
    /// Counters at zero.
    #[must_use]
    pub fn new(transport: Transport) -> Self {
        Self {
            transport,
            rcodes: Default::default(),
            drops: Default::default(),
            limited: Default::default(),
            noted: Noted::new(),
            latency: Latency::default(),
            rings: Arc::default(),
            tallies: (0..CHUNKS).map(|_| OnceLock::new()).collect(),
        }
    }

    /// What the worker serves.
    #[must_use]
    pub fn transport(&self) -> Transport {
        self.transport
    }

    /// Make room for tallies below `count`, before a snapshot that names them is published.
    pub fn reserve(&self, count: usize) {
        for chunk in self.tallies.iter().take(count.div_ceil(CHUNK)) {
            chunk.get_or_init(|| (0..CHUNK).map(|_| Counter::default()).collect());
        }
    }

    /// Count an answer.
    #[inline]
    pub fn answered(&self, rcode: Rcode) {
        if let Some(counter) = self.rcodes.get(rcode.place()) {
            counter.bump();
        }
    }

    /// Count a packet that got no answer.
    pub fn dropped(&self, reason: Drop) {
        if let Some(counter) = self.drops.get(reason as usize) {
            counter.bump();
        }
    }

    /// Count an answer beyond the rate by what becomes of it.
    pub fn limited(&self, fate: Limited) {
        if let Some(counter) = self.limited.get(fate as usize) {
            counter.bump();
        }
        if fate == Limited::Dropped {
            self.dropped(Drop::Rate);
        }
    }

    /// The networks that the worker has limited lately.
    #[must_use]
    pub fn noted(&self) -> &Noted {
        &self.noted
    }

    /// How long the worker's answers took.
    #[must_use]
    pub fn latency(&self) -> &Latency {
        &self.latency
    }

    /// What the worker has sampled.
    #[must_use]
    pub fn rings(&self) -> Arc<Rings> {
        Arc::clone(&self.rings)
    }

    /// Count an answer that carries the backend of this tally.
    #[inline]
    pub fn tally(&self, index: u32) {
        if let Some(counter) = self.tally_at(index as usize) {
            counter.bump();
        }
    }

    #[inline]
    fn tally_at(&self, index: usize) -> Option<&Counter> {
        self.tallies.get(index / CHUNK)?.get()?.get(index % CHUNK)
    }

    /// How many answers had `Rcode::ALL[place]`.
    #[must_use]
    pub fn rcode(&self, place: usize) -> u64 {
        self.rcodes.get(place).map_or(0, Counter::read)
    }

    /// How many packets were dropped for `Drop::ALL[place]`.
    #[must_use]
    pub fn drops(&self, place: usize) -> u64 {
        self.drops.get(place).map_or(0, Counter::read)
    }

    /// How many answers beyond the rate became `Limited::ALL[place]`.
    #[must_use]
    pub fn limits(&self, place: usize) -> u64 {
        self.limited.get(place).map_or(0, Counter::read)
    }

    /// How many answers carried the backend of this tally.
    #[must_use]
    pub fn tallied(&self, index: usize) -> u64 {
        self.tally_at(index).map_or(0, Counter::read)
    }
}
