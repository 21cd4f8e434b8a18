//! Which queries have no answer yet.

use std::mem;
use std::time::Duration;

/// What is under way, by message ID. IDs are given in turn, so that one which comes round again still under
/// way belongs to a query that was lost.
pub(super) struct Way {
    /// When each was sent, in nanoseconds since the start; 0: not under way.
    open: Box<[u64]>,
    next: u16,
    pub(super) count: usize,
}

impl Default for Way {
    fn default() -> Self {
        Self {
            open: vec![0; 1 << 16].into(),
            next: 0,
            count: 0,
        }
    }
}

impl Way {
    /// The ID of a query that is sent now, and whether another is lost, which had it before.
    pub(super) fn enter(&mut self, now: Duration) -> (u16, bool) {
        let id = self.next;
        self.next = id.wrapping_add(1);
        let sent = now.as_nanos().max(1) as u64;
        let lost = mem::replace(&mut self.open[usize::from(id)], sent) != 0;
        self.count += usize::from(!lost);
        (id, lost)
    }

    /// When the query that an answer to `id` is awaited to was sent; nothing when none is. None is any more
    /// from now on.
    pub(super) fn leave(&mut self, id: u16) -> Option<Duration> {
        let sent = mem::take(&mut self.open[usize::from(id)]);
        self.count -= usize::from(sent != 0);
        (sent != 0).then(|| Duration::from_nanos(sent))
    }

    /// Await no answer any more. Returns how many queries are lost by that.
    pub(super) fn give_up(&mut self) -> usize {
        self.open.fill(0);
        mem::take(&mut self.count)
    }
}
