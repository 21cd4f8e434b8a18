//! DNS over TCP (RFC 7766): pipelined queries in, answers out, in the order of the queries.
//!
//! One thread runs all of a worker's connections: it waits until some are ready, and gives each of
//! those a turn. What a client can cost is bounded: connections (`gate`), the time that a query may
//! take to arrive and its answer to leave, and octets held (`table`).

pub mod connection;
mod gate;
mod order;
#[cfg(test)]
mod script;
mod table;

use std::io::{self, ErrorKind};
use std::mem;
use std::sync::Arc;
use std::time::{Duration, Instant};

use mio::event::Event;
use mio::net::{TcpListener, TcpStream};
use mio::{Events, Interest, Poll, Token};

use crate::worker::{PAUSE, Worker};
use connection::{Desk, State};
pub use gate::{Census, Gate, Limits};
use table::Table;

/// How long connections have, once the engine stops, to take the answers that are on their way.
const LINGER: Duration = Duration::from_millis(500);

/// How often an idle worker looks whether there is a new snapshot to move to, which would keep an old one
/// in memory, or the engine stops.
const TICK: Duration = Duration::from_millis(100);

/// How often a worker frees what no worker looks at any more.
const REAP: Duration = Duration::from_secs(1);

/// Events that are taken at once.
const EVENTS: usize = 256;

/// Connections that are accepted at once, so that a crowd of new ones does not hold up the others.
const ACCEPTS: usize = 64;

/// Answer on `listeners` until the engine stops, and then, for a while, what has been received by
/// then.
pub fn serve(
    listeners: &[Arc<std::net::TcpListener>],
    worker: Worker,
    gate: &Arc<Gate>,
) -> io::Result<()> {
    Loop::new(listeners, worker, gate)?.run()
}

struct Loop {
    poll: Poll,
    doors: Vec<Door>,
    /// The token of slot 0: those below are the doors'.
    first: usize,
    table: Table<TcpStream>,
    desk: Desk,
    now: Instant,
    /// Connections that may have more to read although no event will say so.
    again: Vec<usize>,
}

/// A listening socket.
struct Door {
    listener: TcpListener,
    /// Whether connections may wait although no event will say so.
    waiting: bool,
    /// Nobody is let in until then, for want of descriptors or memory.
    closed_until: Option<Instant>,
}

impl Loop {
    fn new(
        listeners: &[Arc<std::net::TcpListener>],
        worker: Worker,
        gate: &Arc<Gate>,
    ) -> io::Result<Self> {
        let poll = Poll::new()?;
        let mut doors = Vec::new();
        for (place, listener) in listeners.iter().enumerate() {
            let listener = listener.try_clone()?;
            listener.set_nonblocking(true)?;
            let mut listener = TcpListener::from_std(listener);
            poll.registry()
                .register(&mut listener, Token(place), Interest::READABLE)?;
            doors.push(Door {
                listener,
                waiting: true,
                closed_until: None,
            });
        }
        Ok(Self {
            poll,
            first: doors.len(),
            doors,
            table: Table::new(gate),
            desk: Desk::new(worker),
            now: Instant::now(),
            again: Vec::new(),
        })
    }

    fn run(mut self) -> io::Result<()> {
        let mut events = Events::with_capacity(EVENTS);
        let mut reaped = self.now;
        while !self.desk.worker.is_stopping() {
            if let Some(end) = self.desk.worker.retires_at() {
                self.leave();
                if self.table.is_empty() {
                    return Ok(());
                }
                if self.now >= end {
                    break;
                }
            }
            let keepalive = self.desk.worker.keepalive();
            let left = self.table.expire(keepalive, self.now);
            let left = left.map_or(TICK, |left| left.min(TICK));
            let is_open = |door: &Door| door.waiting && door.closed_until.is_none();
            let pending = !self.again.is_empty() || self.doors.iter().any(is_open);
            self.wait(&mut events, if pending { Duration::ZERO } else { left })?;
            for event in &events {
                self.on_event(event);
            }
            for slot in mem::take(&mut self.again) {
                self.turn(slot);
            }
            for slot in self.accept() {
                self.turn(slot); // its first query is there mostly
            }
            if self.now.duration_since(reaped) >= REAP {
                self.desk.worker.reap();
                reaped = self.now;
            }
        }
        self.finish(&mut events)
    }

    /// Wait for events, and move on to the snapshot in force.
    fn wait(&mut self, events: &mut Events, at_most: Duration) -> io::Result<()> {
        match self.poll.poll(events, Some(at_most)) {
            Err(error) if error.kind() == ErrorKind::Interrupted => events.clear(),
            polled => polled?,
        }
        self.now = Instant::now();
        self.desk.worker.refresh();
        Ok(())
    }

    fn on_event(&mut self, event: &Event) {
        let Token(token) = event.token();
        if let Some(door) = self.doors.get_mut(token) {
            door.waiting = true;
            return;
        }
        let Some(slot) = token.checked_sub(self.first) else {
            return; // of a door that is closed
        };
        if event.is_read_closed() {
            self.table.hang_up(slot);
        }
        // A client that does not take its answers is not read from.
        let due = match self.table.state(slot) {
            State::Sending => event.is_writable(),
            _ => event.is_readable(),
        };
        if due || event.is_error() {
            self.turn(slot);
        }
    }

    fn turn(&mut self, slot: usize) {
        if self.table.turn(slot, &mut self.desk, self.now) {
            self.again.push(slot);
        }
        let answers = self.desk.answered();
        if answers > 0 {
            let latency = self.desk.worker.counters().latency();
            latency.add(self.now.elapsed(), answers);
        }
        // Most connections never have to wait until they can be written to.
        if let Some(stream) = self.table.newly_sending(slot) {
            let token = Token(self.first + slot);
            let interest = Interest::READABLE | Interest::WRITABLE;
            let registry = self.poll.registry();
            if registry.reregister(stream, token, interest).is_err() {
                self.table.close(slot); // for want of memory
            }
        }
    }

    /// Let in who waits at the doors. Returns the slots of the new connections.
    fn accept(&mut self) -> Vec<usize> {
        let mut new = Vec::new();
        let registry = self.poll.registry();
        for door in &mut self.doors {
            if !door.waiting || door.closed_until.is_some_and(|until| self.now < until) {
                continue;
            }
            door.closed_until = None;
            let mut wants = false; // descriptors or memory
            for _ in 0..ACCEPTS {
                match door.listener.accept() {
                    Ok((stream, peer)) => {
                        wants = false;
                        let entered = self.table.enter(stream, peer.ip(), self.now);
                        let Some((slot, stream)) = entered else {
                            continue;
                        };
                        let token = Token(self.first + slot);
                        match registry.register(stream, token, Interest::READABLE) {
                            Ok(()) => new.push(slot),
                            Err(_) => self.table.close(slot), // for want of memory
                        }
                    }
                    Err(error) if error.kind() == ErrorKind::WouldBlock => {
                        door.waiting = false;
                        break;
                    }
                    Err(error) if is_passing(&error) => {}
                    Err(_) if !wants && self.table.make_room() => wants = true,
                    Err(_) => {
                        door.closed_until = Some(self.now + PAUSE);
                        break;
                    }
                }
            }
        }
        new
    }

    /// Let in who waits at the doors, and nobody from then on. The sockets may be others' as well, and
    /// would go on being watched for as long as they are open anywhere.
    fn leave(&mut self) {
        if self.doors.is_empty() {
            return;
        }
        let new = self.accept();
        for door in &mut self.doors {
            let _ = self.poll.registry().deregister(&mut door.listener);
        }
        self.doors.clear();
        for slot in new {
            self.turn(slot);
        }
    }

    /// Answer what has been received, wait a while for clients to take their answers, and end.
    fn finish(mut self, events: &mut Events) -> io::Result<()> {
        let end = self.now + LINGER;
        self.leave();
        self.again = self.table.slots();
        loop {
            for slot in mem::take(&mut self.again) {
                self.turn(slot);
                let again = self.again.last() == Some(&slot);
                if !again && self.table.state(slot) != State::Sending {
                    self.table.close(slot);
                }
            }
            if self.table.is_empty() || self.now >= end {
                return Ok(());
            }
            let left = end.duration_since(self.now);
            let pending = !self.again.is_empty();
            self.wait(events, if pending { Duration::ZERO } else { left })?;
            for event in &*events {
                let slot = event.token().0.saturating_sub(self.first);
                if self.table.state(slot) == State::Sending {
                    self.again.push(slot);
                }
            }
        }
    }
}

/// What concerns one connection only, which has gone again.
fn is_passing(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        ErrorKind::ConnectionAborted | ErrorKind::Interrupted
    )
}
