//! A client for tests: a stream that does what it is told.

use std::collections::VecDeque;
use std::io::{ErrorKind, Read, Result, Write};
use std::sync::Arc;

use super::connection::{Connection, Desk, Stream, Turn};
use crate::dnstap::Ends;
use crate::stats::{Counters, Transport};
use crate::worker::{Shared, Worker};

/// What a client has sent, and how much it takes.
#[derive(Default)]
pub(super) struct Script {
    /// What each read brings; after the last one there is nothing to read, or the end.
    pub(super) sent: VecDeque<Vec<u8>>,
    pub(super) ended: bool,
    /// The octets that it has room for.
    pub(super) room: usize,
    pub(super) taken: Vec<u8>,
}

impl Script {
    /// A client that has room for everything.
    pub(super) fn taking_all(sent: impl IntoIterator<Item = Vec<u8>>) -> Self {
        Self {
            sent: sent.into_iter().collect(),
            room: usize::MAX,
            ..Self::default()
        }
    }
}

impl Read for Script {
    fn read(&mut self, buffer: &mut [u8]) -> Result<usize> {
        let Some(mut octets) = self.sent.pop_front() else {
            return if self.ended {
                Ok(0)
            } else {
                Err(ErrorKind::WouldBlock.into())
            };
        };
        let count = octets.len().min(buffer.len());
        buffer[..count].copy_from_slice(&octets[..count]);
        octets.drain(..count);
        if !octets.is_empty() {
            self.sent.push_front(octets);
        }
        Ok(count)
    }
}

impl Stream for Script {
    fn ends(&self) -> Result<Ends> {
        Err(ErrorKind::NotConnected.into())
    }
}

impl Write for Script {
    fn write(&mut self, octets: &[u8]) -> Result<usize> {
        let count = octets.len().min(self.room);
        if count == 0 {
            return Err(ErrorKind::WouldBlock.into());
        }
        self.room -= count;
        self.taken.extend_from_slice(&octets[..count]);
        Ok(count)
    }

    fn flush(&mut self) -> Result<()> {
        Ok(())
    }
}

/// The desk of an engine that has published nothing: it answers every query all the same.
pub(super) fn desk() -> Desk {
    let counters = Arc::new(Counters::new(Transport::Tcp));
    Desk::new(Worker::new(&Arc::new(Shared::default()), &counters, 1))
}

/// A query with its length before it.
pub(super) fn query(id: u16) -> Vec<u8> {
    let mut query =
        b"\x00\x13\x00\x00\x01\x00\x00\x01\x00\x00\x00\x00\x00\x00\x01a\x00\x00\x01\x00\x01"
            .to_vec();
    query[2..4].copy_from_slice(&id.to_be_bytes());
    query
}

/// Queries with these numbers, one behind the other.
pub(super) fn queries(ids: impl IntoIterator<Item = u16>) -> Vec<u8> {
    ids.into_iter().flat_map(query).collect()
}

/// The numbers of the answers in a stream, all of which are whole.
pub(super) fn answered(stream: &[u8]) -> Vec<u16> {
    let mut ids = Vec::new();
    let mut rest = stream;
    while let [high, low, after @ ..] = rest {
        let (answer, after) = after.split_at(usize::from(u16::from_be_bytes([*high, *low])));
        ids.push(u16::from_be_bytes([answer[0], answer[1]]));
        rest = after;
    }
    ids
}

/// Turn as long as the connection asks for it, or there is something to read.
pub(super) fn exhaust(connection: &mut Connection<Script>, desk: &mut Desk) -> Turn {
    loop {
        let turn = connection.turn(desk);
        let stream = connection.stream();
        let readable = !stream.sent.is_empty() && turn.state != super::connection::State::Sending;
        if !turn.again && !readable {
            return turn;
        }
    }
}
