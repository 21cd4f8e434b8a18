//! One connection: what was received of its next query, what was not sent of its last answers.
//!
//! ```text
//!  ┌─▶ read once ──▶ answer every complete query ──▶ send ──all──▶ keep the beginning of a query ─┐
//!  │                       ▲                          └─not all─▶ keep the rest, read no further │
//!  │                       └── queries left over ◀── sent ◀──────────┘                           │
//!  └─────────────────────────────────────────────────────────────────────────────────────────────┘
//! ```
//!
//! Reading and answering go through buffers that all connections of a worker share, so one that is
//! idle owns none. Nothing here knows sockets: tests and fuzzers play the client.

#![deny(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects
)]

use std::io::{ErrorKind, Read, Result, Write};
use std::mem;
use std::net::IpAddr;

use mio::net::TcpStream;

use crate::dnstap::Ends;
use crate::wire::MAX_MESSAGE;
use crate::worker::Worker;

/// What is read at once: some hundred queries of a client that sends many, so that one client's do not
/// hold up the others'.
pub const READ: usize = 16 * 1024;

/// Answers are sent when so many octets have gathered, or when no complete query is left.
const GATHER: usize = 64 * 1024;

/// The length before each message (RFC 1035 section 4.2.2).
const PREFIX: usize = 2;

/// What the connections of one worker share.
pub struct Desk {
    /// Who answers.
    pub worker: Worker,
    input: Box<[u8]>,
    output: Output,
}

impl Desk {
    /// The desk of `worker`.
    #[must_use]
    pub fn new(worker: Worker) -> Self {
        let room = GATHER.saturating_add(PREFIX).saturating_add(MAX_MESSAGE);
        Self {
            worker,
            input: vec![0; READ].into(),
            output: Output {
                buffer: vec![0; room].into(),
                filled: 0,
                answers: 0,
            },
        }
    }

    /// How many answers were made since the last time.
    pub fn answered(&mut self) -> u64 {
        mem::take(&mut self.output.answers)
    }
}

/// Answers of one connection, gathered so that one system call sends them.
struct Output {
    buffer: Box<[u8]>,
    filled: usize,
    /// Answers made since `Desk::answered` last told.
    answers: u64,
}

impl Output {
    /// Append the answer to the `query` that came by `stream`. Returns whether there is one.
    fn answer(
        &mut self,
        worker: &mut Worker,
        stream: &impl Stream,
        client: IpAddr,
        query: &[u8],
    ) -> bool {
        let room = self.buffer.get_mut(self.filled..);
        let Some((prefix, room)) = room.and_then(<[u8]>::split_first_chunk_mut) else {
            return false;
        };
        let answer = worker.respond(client, query, room);
        if worker.is_due()
            && let Ok(ends) = stream.ends()
        {
            worker.sample(ends, query, answer.and_then(|length| room.get(..length)));
        }
        let Some(length) = answer else {
            return false;
        };
        *prefix = (length as u16).to_be_bytes();
        self.filled = self.filled.saturating_add(PREFIX).saturating_add(length);
        self.answers = self.answers.saturating_add(1);
        true
    }
}

/// What a connection reads from and writes to.
pub trait Stream: Read + Write {
    /// Where it begins and ends. Asked for the few queries that are sampled.
    fn ends(&self) -> Result<Ends>;
}

impl Stream for TcpStream {
    fn ends(&self) -> Result<Ends> {
        Ok(Ends {
            peer: self.peer_addr()?,
            local: self.local_addr()?,
        })
    }
}

/// What a connection waits for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum State {
    /// A query.
    #[default]
    Idle,
    /// The rest of a query.
    Partial,
    /// The client to take its answers.
    Sending,
    /// Nothing: it is to be closed.
    Over,
}

/// What a turn has come to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Turn {
    /// What the connection waits for now.
    pub state: State,
    /// Whether a query was answered.
    pub answered: bool,
    /// Whether there may be more to read, so that another turn is due without a further event.
    pub again: bool,
}

/// A connection that does not block.
pub struct Connection<S> {
    stream: S,
    client: IpAddr,
    /// The beginning of a query; while answers are unsent, possibly whole queries before it.
    received: Vec<u8>,
    unsent: Vec<u8>,
    /// So many octets at the start of `unsent` are sent.
    sent: usize,
    /// Whether the other end has sent all it will, so that the end of the stream is read for and not
    /// waited for.
    hung_up: bool,
}

impl<S: Stream> Connection<S> {
    /// A connection of `client`.
    pub fn new(stream: S, client: IpAddr) -> Self {
        Self {
            stream,
            client,
            received: Vec::new(),
            unsent: Vec::new(),
            sent: 0,
            hung_up: false,
        }
    }

    /// What is read from and written to.
    pub fn stream(&mut self) -> &mut S {
        &mut self.stream
    }

    /// Note that the client has closed its side: its queries are answered nevertheless.
    pub fn hang_up(&mut self) {
        self.hung_up = true;
    }

    /// The octets of memory that the connection owns besides itself.
    pub fn held(&self) -> usize {
        self.received
            .capacity()
            .saturating_add(self.unsent.capacity())
    }

    /// Send what is unsent, then answer what was received, or what one read brings. What a client
    /// does to its connection is its own loss: any error ends it.
    pub fn turn(&mut self, desk: &mut Desk) -> Turn {
        let mut turn = Turn {
            state: State::Over,
            answered: false,
            again: false,
        };
        if self.advance(desk, &mut turn).is_ok_and(|open| open) {
            turn.state = self.state();
            turn.again &= turn.state != State::Sending;
        }
        turn
    }

    fn state(&self) -> State {
        if !self.unsent.is_empty() {
            State::Sending
        } else if !self.received.is_empty() {
            State::Partial
        } else {
            State::Idle
        }
    }

    /// Returns whether the connection goes on.
    fn advance(&mut self, desk: &mut Desk, turn: &mut Turn) -> Result<bool> {
        if !self.flush()? {
            return Ok(true);
        }
        let Desk {
            worker,
            input,
            output,
        } = desk;
        if frame(&self.received).is_some() {
            let received = mem::take(&mut self.received);
            turn.answered = self.answer(worker, output, &received)?;
            turn.again = true;
            return Ok(true);
        }
        let count = match self.stream.read(input) {
            Ok(0) => return Ok(false),
            Ok(count) => count,
            Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(true),
            Err(error) if error.kind() == ErrorKind::Interrupted => {
                turn.again = true;
                return Ok(true);
            }
            Err(error) => return Err(error),
        };
        // A read that fills less than its buffer has emptied the socket, and what comes later is
        // told by an event of its own.
        turn.again = count == input.len() || self.hung_up;
        let octets = input.get(..count).unwrap_or_default();
        turn.answered = self.answer(worker, output, octets)?;
        Ok(true)
    }

    /// Answer the complete queries of what was received before and `octets`, as long as the client
    /// takes the answers, and keep the rest. Returns whether there was an answer.
    fn answer(&mut self, worker: &mut Worker, output: &mut Output, octets: &[u8]) -> Result<bool> {
        let mut rest = octets;
        let mut answered = false;
        output.filled = 0;
        if !self.received.is_empty() {
            rest = self.complete(rest);
            let Some((query, _)) = frame(&self.received) else {
                return Ok(false);
            };
            answered = output.answer(worker, &self.stream, self.client, query);
            self.received = Vec::new();
        }
        while let Some((query, after)) = frame(rest) {
            if output.filled >= GATHER && !self.send(output)? {
                break;
            }
            answered |= output.answer(worker, &self.stream, self.client, query);
            rest = after;
        }
        if self.unsent.is_empty() {
            self.send(output)?;
        }
        if !rest.is_empty() {
            self.received = rest.to_vec();
        }
        Ok(answered)
    }

    /// Add to the query that has begun what `octets` hold of it, and return the rest of them.
    fn complete<'o>(&mut self, octets: &'o [u8]) -> &'o [u8] {
        let mut rest = octets;
        loop {
            let wanted = match self.received.first_chunk() {
                None => PREFIX,
                Some(length) => PREFIX.saturating_add(usize::from(u16::from_be_bytes(*length))),
            };
            let missing = wanted.saturating_sub(self.received.len());
            if missing == 0 {
                return rest;
            }
            let (more, after) = rest.split_at_checked(missing).unwrap_or((rest, &[]));
            if more.is_empty() {
                return rest;
            }
            self.received.extend_from_slice(more);
            rest = after;
        }
    }

    /// Send the answers gathered, and keep what the client does not take. Returns whether it took all.
    fn send(&mut self, output: &mut Output) -> Result<bool> {
        let gathered = output.buffer.get(..output.filled).unwrap_or_default();
        output.filled = 0;
        let sent = write(&mut self.stream, gathered)?;
        let unsent = gathered.get(sent..).unwrap_or_default();
        if !unsent.is_empty() {
            self.unsent = unsent.to_vec();
            self.sent = 0;
        }
        Ok(unsent.is_empty())
    }

    /// Send what is unsent. Returns whether nothing is left.
    fn flush(&mut self) -> Result<bool> {
        if self.unsent.is_empty() {
            return Ok(true);
        }
        let unsent = self.unsent.get(self.sent..).unwrap_or_default();
        let sent = write(&mut self.stream, unsent)?;
        self.sent = self.sent.saturating_add(sent);
        if self.sent < self.unsent.len() {
            return Ok(false);
        }
        self.unsent = Vec::new();
        Ok(true)
    }
}

/// Write as much of `octets` as goes without waiting. Returns how much that is.
fn write(stream: &mut impl Write, octets: &[u8]) -> Result<usize> {
    let mut rest = octets;
    while !rest.is_empty() {
        match stream.write(rest) {
            Ok(0) => return Err(ErrorKind::WriteZero.into()),
            Ok(count) => rest = rest.get(count..).unwrap_or_default(),
            Err(error) if error.kind() == ErrorKind::WouldBlock => break,
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(octets.len().saturating_sub(rest.len()))
}

/// The first message of a stream, each preceded by its length, and what follows it.
fn frame(stream: &[u8]) -> Option<(&[u8], &[u8])> {
    let (length, rest) = stream.split_first_chunk()?;
    rest.split_at_checked(usize::from(u16::from_be_bytes(*length)))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::arithmetic_side_effects, reason = "an overflow fails the test")]

    use std::net::Ipv4Addr;

    use super::super::script::{Script, answered, desk, exhaust, queries, query};
    use super::*;

    const IDS: [u16; 3] = [0x0102, 0xFFFF, 0];

    fn connection(script: Script) -> Connection<Script> {
        Connection::new(script, Ipv4Addr::LOCALHOST.into())
    }

    /// Play a client that takes everything to its end, which leaves the connection idle and small.
    fn play(sent: impl IntoIterator<Item = Vec<u8>>) -> Vec<u16> {
        let mut connection = connection(Script::taking_all(sent));
        let turn = exhaust(&mut connection, &mut desk());
        assert_eq!((turn.state, connection.held()), (State::Idle, 0));
        answered(&connection.stream.taken)
    }

    #[test]
    fn frames() {
        assert_eq!(frame(b"\x00\x02abcd"), Some((&b"ab"[..], &b"cd"[..])));
        assert_eq!(frame(b"\x00\x00"), Some((&b""[..], &b""[..])));
        assert_eq!(frame(b"\x00\x03ab"), None);
        assert_eq!(frame(b"\x00"), None);
    }

    #[test]
    fn split_wherever() {
        let stream = queries(IDS);
        for first in 0..=stream.len() {
            for second in first..=stream.len() {
                let parts = [&stream[..first], &stream[first..second], &stream[second..]];
                let parts = parts.into_iter().filter(|part| !part.is_empty());
                assert_eq!(play(parts.map(<[u8]>::to_vec)), IDS, "{first} {second}");
            }
        }
        assert_eq!(play(stream.iter().map(|&octet| vec![octet])), IDS);
    }

    #[test]
    fn many_in_one_stream() {
        let ids = 0..5000;
        assert_eq!(play([queries(ids.clone())]), ids.collect::<Vec<_>>());
    }

    #[test]
    fn messages_of_every_size() {
        for length in [0, 1, 11, 12, 13, READ - 2, READ - 1, READ, MAX_MESSAGE] {
            let message = [&(length as u16).to_be_bytes()[..], &vec![0x80; length]].concat();
            let stream = [query(1), message.clone(), message, query(2)].concat();
            assert_eq!(play([stream.clone()]), [1, 2], "{length} octets at once");
            let parts = stream.chunks(1000).map(<[u8]>::to_vec);
            assert_eq!(play(parts), [1, 2], "{length} octets in parts");
        }
    }

    #[test]
    fn answers_wait_for_a_client_that_takes_little() {
        let mut desk = desk();
        let ids: Vec<u16> = (0..9000).collect(); // more answers than are gathered at once
        let stream = queries(ids.iter().copied());
        for room in [1, 7, 1000, 40_000] {
            let mut connection = connection(Script::default());
            connection.stream.sent.push_back(stream.clone());
            let mut most = 0;
            loop {
                connection.stream.room = room;
                let turn = exhaust(&mut connection, &mut desk);
                most = most.max(connection.held());
                if turn.state == State::Idle {
                    break;
                }
                assert_eq!((turn.state, turn.again), (State::Sending, false));
                let left = connection.stream.sent.len();
                connection.stream.room = 0;
                connection.turn(&mut desk);
                assert_eq!(
                    connection.stream.sent.len(),
                    left,
                    "nothing is read meanwhile"
                );
            }
            assert_eq!(answered(&connection.stream.taken), ids, "{room}");
            assert!(most < READ + GATHER + MAX_MESSAGE, "{most}");
            assert_eq!(connection.held(), 0);
        }
    }

    #[test]
    fn a_client_that_closes_its_side_gets_its_answers() {
        for room in [5, usize::MAX] {
            let mut desk = desk();
            let mut connection = connection(Script::taking_all([queries(IDS), vec![0, 9, 9]]));
            connection.stream.ended = true;
            connection.stream.room = room;
            connection.hang_up();
            let mut turn = exhaust(&mut connection, &mut desk);
            while turn.state == State::Sending {
                connection.stream.room = room;
                turn = exhaust(&mut connection, &mut desk);
            }
            assert_eq!(turn.state, State::Over);
            assert_eq!(answered(&connection.stream.taken), IDS);
        }
    }

    #[test]
    fn what_the_table_is_told() {
        let mut desk = desk();
        let mut connection = connection(Script::taking_all([]));
        let response = [&query(1)[..4], &[0x80], &query(1)[5..]].concat();
        let steps: [(&[u8], _, _); 5] = [
            (&query(1)[..5], State::Partial, false),
            (&query(1)[5..], State::Idle, true),
            (&response, State::Idle, false), // silence
            (&[&query(2)[..], &[0]].concat(), State::Partial, true),
            (&query(3)[1..], State::Idle, true),
        ];
        for (octets, state, answered) in steps {
            connection.stream.sent.push_back(octets.to_vec());
            let turn = connection.turn(&mut desk);
            assert_eq!(
                (turn.state, turn.answered, turn.again),
                (state, answered, false)
            );
        }
    }
}
