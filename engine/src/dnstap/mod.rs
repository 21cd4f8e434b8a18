//! The query log: a few queries are copied while they are answered, and told later, by others.
//!
//! ```text
//! worker ── draws which query is next (draw) ─▶ ring ─▶ thread of the log ─▶ dnstap (message)
//!                                          └─▶ ring ─▶ Server::samples ─▶ Python's sketch
//!                                                       in frames (frames) to a socket or a file
//! ```
//!
//! What a worker does for it never waits: a sample that finds no room is dropped and counted.

mod draw;
mod frames;
mod log;
mod message;
mod output;
mod record;
mod ring;

use std::net::SocketAddr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

pub(crate) use draw::Draw;
pub use log::{LogStats, QueryLog};
pub use message::Form;
pub use output::Target;
pub use record::Record;
use record::Sample;
use ring::Ring;

use crate::stats::Transport;
use crate::wire::HEADER;

/// Octets of a worker's ring for the log: some thousand queries with their answers, so that the
/// thread of the log may be late by some milliseconds.
const LOG_ROOM: usize = 1 << 20;

/// Octets of a worker's ring for `Server::samples`: about 600 queries, and its reader comes four times
/// a second.
const TOP_ROOM: usize = 64 << 10;

/// Where a query came from and where it was sent to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ends {
    /// The client.
    pub peer: SocketAddr,
    /// The server.
    pub local: SocketAddr,
}

/// The rings of a worker. Each is made when the worker first fills it, once.
#[derive(Default)]
pub struct Rings {
    log: OnceLock<Ring>,
    top: OnceLock<Ring>,
}

impl Rings {
    /// Put a query that is `due` for the log or for `samples`, each with how many it stands for. `times`
    /// are when it was received, in milliseconds since 1970, and when it was answered, in nanoseconds.
    /// Returns false if there is no room among those for `samples`. What is no query is passed over.
    pub(crate) fn put(
        &self,
        due: [Option<f64>; 2],
        transport: Transport,
        ends: Ends,
        (received, answered): (u64, u64),
        query: &[u8],
        response: Option<&[u8]>,
    ) -> bool {
        let is_query = query.len() >= HEADER && query.get(2).is_some_and(|flags| flags & 0x80 == 0);
        if !is_query {
            return true;
        }
        let mut sample = Sample {
            transport,
            ends,
            received,
            answered,
            weight: 1.0,
            query,
            response,
        };
        let [log, top] = due;
        if let Some(weight) = log {
            sample.weight = weight;
            self.log().put(&sample);
        }
        top.is_none_or(|weight| {
            sample.weight = weight;
            sample.response = None;
            self.top().put(&sample)
        })
    }

    fn log(&self) -> &Ring {
        self.log.get_or_init(|| Ring::new(LOG_ROOM))
    }

    fn top(&self) -> &Ring {
        self.top.get_or_init(|| Ring::new(TOP_ROOM))
    }
}

/// What all workers share about sampling: how likely a query is to be taken, and where their rings are.
#[derive(Default)]
pub struct Sampling {
    /// For the log, as the bits of a number from 0, never, to 1, always.
    log: AtomicU64,
    /// For `Server::samples`, alike.
    top: AtomicU64,
    rings: Mutex<Vec<Arc<Rings>>>,
}

impl Sampling {
    /// Have what a worker puts into `rings` taken out.
    pub(crate) fn watch(&self, rings: Arc<Rings>) {
        self.all().push(rings);
    }

    /// Both probabilities, of the log and of `Server::samples`, as bits.
    #[inline]
    pub(crate) fn odds(&self) -> [u64; 2] {
        [&self.log, &self.top].map(|odds| odds.load(Ordering::Relaxed))
    }

    /// Have queries taken for the log with this probability.
    pub(crate) fn set_log(&self, probability: f64) {
        self.log.store(probability.to_bits(), Ordering::Relaxed);
    }

    /// Have queries taken for `samples` with this probability.
    pub fn set_top(&self, probability: f64) {
        self.top.store(probability.to_bits(), Ordering::Relaxed);
    }

    /// Take what workers have sampled since the last call, as far as `most` go.
    pub fn samples(&self, most: usize) -> Vec<Record> {
        let mut found = Vec::new();
        for rings in &*self.all() {
            let Some(ring) = rings.top.get() else {
                continue;
            };
            while found.len() < most
                && let Some(record) = ring.take()
            {
                found.push(record);
            }
        }
        found
    }

    /// Call `each` with the samples for the log, worker by worker. Returns how many did not find room
    /// since the start.
    fn drain(&self, mut each: impl FnMut(Record)) -> u64 {
        let mut full = 0_u64;
        let all = self.all().clone();
        for rings in all {
            let Some(ring) = rings.log.get() else {
                continue;
            };
            // what comes meanwhile is for the next time, so that every worker has its turn
            for _ in 0..ring.filled() {
                let Some(record) = ring.take() else {
                    break;
                };
                each(record);
            }
            full = full.saturating_add(ring.dropped());
        }
        full
    }

    fn all(&self) -> std::sync::MutexGuard<'_, Vec<Arc<Rings>>> {
        self.rings.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
