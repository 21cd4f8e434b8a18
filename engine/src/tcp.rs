//! DNS over TCP (RFC 7766): pipelined queries in, answers out, in the order of the queries.
//!
//! One thread runs all of a worker's connections. What a client can cost is bounded: connections,
//! octets held, and the time that a query may take to arrive and an answer to leave.

mod places;

use std::cell::{Cell, RefCell};
use std::io;
use std::net::IpAddr;
use std::rc::Rc;
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Notify, watch};
use tokio::task::LocalSet;
use tokio::time::{Instant, MissedTickBehavior, interval, timeout_at};

use crate::wire::MAX_MESSAGE;
use crate::worker::{PAUSE, Worker};
use places::Places;

/// How long a connection may go without a complete query (RFC 7766 section 6.2.3: a few seconds).
const IDLE: Duration = Duration::from_secs(10);

/// How long a batch of answers may take to leave.
const WRITE: Duration = Duration::from_secs(10);

/// How long connections have, once the engine stops, to take the answers that are on their way.
const LINGER: Duration = Duration::from_millis(500);

/// How often the worker moves on to the snapshot in force while no query comes: it would keep an old
/// one in memory.
const REFRESH: Duration = Duration::from_secs(1);

/// Answers are sent when so many octets have gathered, or when no complete query is left.
const GATHER: usize = 16 * 1024;

/// What is first read at once: a query is short, so idle connections stay small.
const READ: usize = 2048;

/// Answer on `listeners` until `stop` changes, with so many `connections` at a time.
pub fn serve(
    listeners: &[std::net::TcpListener],
    worker: Worker,
    connections: usize,
    mut stop: watch::Receiver<bool>,
) -> io::Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    let local = LocalSet::new();
    let desk = Rc::new(Desk {
        worker: RefCell::new((worker, vec![0; MAX_MESSAGE])),
        places: RefCell::new(Places::new(connections)),
        left: Notify::new(),
        stop: stop.clone(),
    });
    local.block_on(&runtime, async move {
        for listener in listeners {
            let listener = listener.try_clone()?;
            listener.set_nonblocking(true)?;
            let listener = TcpListener::from_std(listener)?;
            tokio::task::spawn_local(accept(Rc::clone(&desk), listener));
        }
        tokio::task::spawn_local(refresh(Rc::clone(&desk)));
        let _ = stop.wait_for(|stop| *stop).await;
        let _ = tokio::time::timeout(LINGER, desk.emptied()).await;
        Ok(())
    })
}

/// What the connections of one worker share.
struct Desk {
    worker: RefCell<(Worker, Vec<u8>)>,
    places: RefCell<Places>,
    /// Told when a connection has ended.
    left: Notify,
    stop: watch::Receiver<bool>,
}

/// A connection's place, given back when the connection's task ends in whatever way.
struct Place {
    desk: Rc<Desk>,
    number: Cell<u64>,
}

impl Place {
    /// The client has shown that it uses its connection.
    fn stir(&self) {
        let number = self.desk.places.borrow_mut().stir(self.number.get());
        self.number.set(number);
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.desk.places.borrow_mut().leave(self.number.get());
        self.desk.left.notify_one();
    }
}

async fn refresh(desk: Rc<Desk>) {
    let mut ticks = interval(REFRESH);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        ticks.tick().await;
        let worker = &mut desk.worker.borrow_mut().0;
        worker.refresh();
        worker.reap();
    }
}

async fn accept(desk: Rc<Desk>, listener: TcpListener) {
    let mut stop = desk.stop.clone();
    loop {
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            _ = stop.wait_for(|stop| *stop) => return,
        };
        let Ok((stream, peer)) = accepted else {
            tokio::time::sleep(PAUSE).await; // for want of descriptors mostly
            continue;
        };
        let client = peer.ip();
        let Some(number) = desk.places.borrow_mut().enter(client) else {
            continue; // the client has its share; this closes the connection
        };
        let place = Place {
            desk: Rc::clone(&desk),
            number: Cell::new(number),
        };
        let task = tokio::task::spawn_local(async move {
            // What a client does to its connection is its own loss.
            let _ = converse(&place, stream, client).await;
        });
        let mut places = desk.places.borrow_mut();
        places.seat(number, task.abort_handle());
    }
}

/// Answer the queries of one connection until the client, the clock or the engine ends it.
async fn converse(place: &Place, mut stream: TcpStream, client: IpAddr) -> io::Result<()> {
    stream.set_nodelay(true)?;
    let desk = &place.desk;
    let mut stop = desk.stop.clone();
    let mut received = Vec::new();
    let mut answers = Vec::new();
    let mut deadline = Instant::now() + IDLE;
    loop {
        let taken = desk.answer(client, &received, &mut answers);
        if taken > 0 {
            received.drain(..taken);
            if !answers.is_empty() {
                place.stir();
                timeout_at(Instant::now() + WRITE, stream.write_all(&answers)).await??;
                answers.clear();
                deadline = Instant::now() + IDLE;
            }
            continue;
        }
        received.reserve(READ);
        let read = tokio::select! {
            read = timeout_at(deadline, stream.read_buf(&mut received)) => read??,
            _ = stop.wait_for(|stop| *stop) => 0,
        };
        if read == 0 {
            return Ok(());
        }
    }
}

impl Desk {
    /// Wait until no connection is left.
    async fn emptied(&self) {
        while !self.places.borrow().is_empty() {
            self.left.notified().await;
        }
    }

    /// Answer complete queries at the start of `received`, as long as the answers stay few enough to
    /// gather. Returns how many octets of queries that were.
    fn answer(&self, client: IpAddr, received: &[u8], answers: &mut Vec<u8>) -> usize {
        let (worker, out) = &mut *self.worker.borrow_mut();
        worker.refresh();
        let mut rest = received;
        while let Some((query, after)) = frame(rest) {
            if let Some(length) = worker.respond(client, query, out) {
                answers.extend_from_slice(&(length as u16).to_be_bytes());
                answers.extend_from_slice(&out[..length]);
            }
            rest = after;
            if answers.len() >= GATHER {
                break;
            }
        }
        received.len() - rest.len()
    }
}

/// The first message of a stream, each preceded by its length, and what follows it.
fn frame(stream: &[u8]) -> Option<(&[u8], &[u8])> {
    let (length, rest) = stream.split_first_chunk()?;
    rest.split_at_checked(usize::from(u16::from_be_bytes(*length)))
}

#[cfg(test)]
mod tests {
    use super::frame;

    #[test]
    fn frames() {
        assert_eq!(frame(b"\x00\x02abcd"), Some((&b"ab"[..], &b"cd"[..])));
        assert_eq!(frame(b"\x00\x00"), Some((&b""[..], &b""[..])));
        assert_eq!(frame(b"\x00\x03ab"), None);
        assert_eq!(frame(b"\x00"), None);
    }
}
