//! One thread's share of the engine: its view of the snapshot, its counters, its dice.

use std::net::IpAddr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use arc_swap::{ArcSwap, Guard};

use crate::dnstap::{Draw, Ends, Rings, Sampling};
use crate::respond::{Answered, Arrival, respond};
use crate::rrl::{Budgets, Limited, Limits};
use crate::select::Dice;
use crate::settings::KEEPALIVE_UNIT;
use crate::snapshot::Snapshot;
use crate::stats::{Counters, Transport};

/// How long a worker waits when the system is out of memory or descriptors, or after a fault of our
/// own, so that what lasts does not spin.
pub const PAUSE: Duration = Duration::from_millis(50);

/// What all workers share.
#[derive(Default)]
pub struct Shared {
    /// The snapshot in force.
    pub current: ArcSwap<Snapshot>,
    /// Set once, when the engine stops.
    pub stopping: AtomicBool,
    /// Set once, when others take over: when TCP clients have to be gone.
    pub retiring: OnceLock<Instant>,
    /// Who has had how many answers; made when a snapshot first limits them, and kept from then on, so
    /// that a reload forgives nobody.
    pub budgets: OnceLock<Budgets>,
    /// Which queries are copied for the query log.
    pub sampling: Arc<Sampling>,
    /// Snapshots that workers may still look at; their last references are dropped by `reap`, so that
    /// no packet waits for it.
    retired: Mutex<Vec<Arc<Snapshot>>>,
}

impl Shared {
    /// Whether workers are to answer what they have received and end.
    pub fn is_stopping(&self) -> bool {
        self.stopping.load(Ordering::Acquire)
    }

    /// Whether workers are to take nothing new.
    pub fn is_ending(&self) -> bool {
        self.is_stopping() || self.retiring.get().is_some()
    }

    /// Put `snapshot` into force.
    pub fn swap(&self, snapshot: Arc<Snapshot>) {
        let old = self.current.swap(snapshot);
        self.retired
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .push(old);
    }

    /// Free the retired snapshots that every worker has left.
    pub fn reap(&self) {
        let mut free = Vec::new();
        if let Ok(mut retired) = self.retired.try_lock() {
            free.extend(retired.extract_if(.., |snapshot| Arc::strong_count(snapshot) == 1));
        }
    }
}

/// A thread that answers. It keeps its snapshot alive until it refreshes or ends.
pub struct Worker {
    shared: Arc<Shared>,
    snapshot: Arc<Snapshot>,
    counters: Arc<Counters>,
    dice: Dice,
    draw: Draw,
    rings: Arc<Rings>,
    /// The time of the last refresh, in milliseconds since 1970.
    now: u64,
}

impl Worker {
    /// A worker that rolls the dice of `seed`.
    #[must_use]
    pub fn new(shared: &Arc<Shared>, counters: &Arc<Counters>, seed: u64) -> Self {
        Self {
            shared: Arc::clone(shared),
            snapshot: shared.current.load_full(),
            counters: Arc::clone(counters),
            dice: Dice::new(seed),
            draw: Draw::default(),
            rings: counters.rings(),
            now: now(),
        }
    }

    /// Move on to the snapshot in force, and to the time. Done once per batch, so a batch meets one
    /// truth; the publisher keeps the old one alive until all have moved on, so none is freed here.
    pub fn refresh(&mut self) {
        self.now = now();
        let current = self.shared.current.load();
        if !Arc::ptr_eq(&current, &self.snapshot) {
            self.snapshot = Guard::into_inner(current);
        }
        let odds = self.shared.sampling.odds();
        self.draw.follow(odds, &mut self.dice);
    }

    /// How long an idle TCP connection is kept, which is what answers announce (RFC 7828); where that
    /// is nothing, for a moment, so that there can be a query.
    #[must_use]
    pub fn keepalive(&self) -> Duration {
        KEEPALIVE_UNIT.saturating_mul(self.snapshot.settings.keepalive.max(1).into())
    }

    /// Free what no worker looks at any more; for workers that may take a moment for it.
    pub fn reap(&self) {
        self.shared.reap();
    }

    /// Whether to end.
    #[must_use]
    pub fn is_stopping(&self) -> bool {
        self.shared.is_stopping()
    }

    /// Whether to take nothing new.
    #[must_use]
    pub fn is_ending(&self) -> bool {
        self.shared.is_ending()
    }

    /// When clients have to be gone, once others have taken over.
    #[must_use]
    pub fn retires_at(&self) -> Option<Instant> {
        self.shared.retiring.get().copied()
    }

    /// The worker's counters.
    #[must_use]
    pub fn counters(&self) -> &Counters {
        &self.counters
    }

    /// Count a packet that was seen to. Returns whether it is to be given to `sample`.
    #[inline]
    #[must_use]
    pub fn is_due(&mut self) -> bool {
        self.draw.is_due()
    }

    /// Copy a packet that is due, and its answer, None for silence, for the query log. Never waits.
    #[cold]
    pub fn sample(&mut self, ends: Ends, query: &[u8], response: Option<&[u8]>) {
        let due = self.draw.next(&mut self.dice);
        let transport = self.counters.transport();
        let times = (self.now, nanoseconds());
        let fit = self.rings.put(due, transport, ends, times, query, response);
        if !fit {
            self.draw.put_off();
        }
    }

    /// Have the CPU fetch what the answers to a batch of queries will look at.
    #[inline]
    pub fn look_ahead<'p>(&self, packets: impl ExactSizeIterator<Item = &'p [u8]>) {
        self.snapshot.zones.look_ahead(packets);
    }

    /// Answer one packet from the snapshot of the last `refresh`; see `respond`. Answers by UDP are
    /// limited in their rate, where the snapshot says so.
    #[inline]
    pub fn respond(&mut self, client: IpAddr, packet: &[u8], out: &mut [u8]) -> Option<usize> {
        let arrival = Arrival {
            client,
            now: self.now,
        };
        let answered = respond(
            &self.snapshot,
            &self.counters,
            &mut self.dice,
            arrival,
            packet,
            out,
        )?;
        match &self.snapshot.settings.rrl {
            Some(limits) if self.counters.transport() == Transport::Udp => {
                let (shared, counters) = (&self.shared, &self.counters);
                let dice = &mut self.dice;
                limit(limits, shared, counters, dice, arrival, &answered, out)
            }
            _ => Some(answered.length),
        }
    }
}

/// Charge an answer to its client's network. Returns what is left of it to be sent.
fn limit(
    limits: &Limits,
    shared: &Shared,
    counters: &Counters,
    dice: &mut Dice,
    arrival: Arrival,
    answered: &Answered,
    out: &mut [u8],
) -> Option<usize> {
    let Arrival { client, now } = arrival;
    let whole = Some(answered.length);
    if answered.vouched || limits.exempts(client) {
        return whole;
    }
    let Some(budgets) = shared.budgets.get() else {
        return whole;
    };
    let Some(class) = budgets.charge(limits, client, answered, now) else {
        return whole;
    };
    counters.noted().note(limits, client, class, now);
    let fate = limits.fate(dice.roll());
    counters.limited(fate);
    match fate {
        Limited::Passed => whole,
        Limited::Truncated => answered.bare(out),
        Limited::Dropped => None,
    }
}

/// Nanoseconds since 1970.
fn nanoseconds() -> u64 {
    SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .map_or(0, |since| since.as_nanos() as u64)
}

/// Milliseconds since 1970.
pub(crate) fn now() -> u64 {
    SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .map_or(0, |since| since.as_millis() as u64)
}
