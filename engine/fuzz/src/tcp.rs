//! The target `tcp`: a stream of octets, cut anywhere, from a client that takes as much as it likes.
//!
//! ```text
//! client 1 | cuts 4: a seed | stretch 1: 240 and more repeat the end of the stream to 100,000 octets | stream
//! ```

use std::collections::VecDeque;
use std::io::{ErrorKind, Read, Result, Write};
use std::sync::Arc;

use dnslb_engine::dnstap::Ends;
use dnslb_engine::stats::{Counters, Transport};
use dnslb_engine::tcp::connection::{Connection, Desk, State, Stream};
use dnslb_engine::wire::MAX_MESSAGE;
use dnslb_engine::worker::{Shared, Worker};

use crate::arena::{Arena, Way};
use crate::generate::Generator;
use crate::respond::stretch_by;
use crate::seeds;
use crate::slowest::Slowest;

/// Octets of an input before the stream.
pub(crate) const HEAD: usize = 6;

/// What a stretched stream comes to: more than the longest message, and than answers gather.
const STRETCHED: usize = 100_000;

/// More octets than a connection may ever hold: a query that has begun, and answers that gathered before
/// the client took no more, each in a buffer that may have grown to twice its content.
const HELD: usize = 6 * MAX_MESSAGE;

/// An engine that streams are sent to, and one that is given the same messages one by one.
pub struct Target {
    desk: Desk,
    twin: Arena,
    timed: Desk,
    slowest: Slowest,
}

/// A client's side of a connection.
#[derive(Default)]
struct Client {
    /// What each read of the engine brings; then nothing, or the end.
    sent: VecDeque<Vec<u8>>,
    ended: bool,
    /// How many octets the client takes now.
    room: usize,
    taken: Vec<u8>,
}

/// What an input says.
struct Input {
    way: Way,
    chance: u64,
    stream: Vec<u8>,
}

impl Target {
    /// A target; what fuzzing starts from is written where the environment says.
    #[must_use]
    pub fn new() -> Self {
        seeds::write(|packets| {
            let framed = packets.chunks(3).map(|some| {
                let messages = some.iter().map(|packet| frame(packet));
                messages.collect::<Vec<_>>().concat()
            });
            framed
                .enumerate()
                .map(|(index, stream)| [&[0, 0, 0, 0, index as u8, 0][..], &stream].concat())
                .collect()
        });
        Self {
            desk: desk(),
            twin: Arena::new(),
            timed: desk(),
            slowest: Slowest::new("stream"),
        }
    }

    /// Let an input come.
    ///
    /// # Panics
    ///
    /// When the stream is not answered as its messages are, one by one and in their order, or when the
    /// connection holds more than it may.
    pub fn run(&mut self, octets: &[u8]) {
        let Some(input) = Input::read(octets) else {
            return;
        };
        let answers = play(&mut self.desk, &input);
        let mut due = Vec::new();
        let mut rest = &input.stream[..];
        while let Some((message, after)) = unframe(rest) {
            if let Some(answer) = self.twin.answer(input.way, message) {
                due.extend(frame(answer));
            }
            rest = after;
        }
        assert!(answers == due, "{answers:02x?}, not {due:02x?}");
        let timed = &mut self.timed;
        self.slowest.time(octets, || {
            play(timed, &input);
        });
    }
}

impl Default for Target {
    fn default() -> Self {
        Self::new()
    }
}

impl Input {
    fn read(octets: &[u8]) -> Option<Self> {
        let (&[client, a, b, c, d, stretch], stream) = octets.split_first_chunk::<HEAD>()?;
        let mut stream = stream.to_vec();
        stretch_by(&mut stream, stretch, STRETCHED);
        Some(Self {
            // TCP, IPv4 or IPv6, and the settings without cookies, which depend on the time
            way: Way::of([1 | client & 2, client, 0]),
            chance: u64::from(u32::from_be_bytes([a, b, c, d])),
            stream,
        })
    }
}

/// Let a client play its part to the end. Returns what it was answered.
fn play(desk: &mut Desk, input: &Input) -> Vec<u8> {
    let mut chance = Generator::new(input.chance << 8);
    let longest = [1, 3, 20, 600, 20_000, STRETCHED][chance.below(6)];
    let mut connection = Connection::new(Client::default(), input.way.client);
    let mut rest = &input.stream[..];
    while !rest.is_empty() {
        let length = (1 + chance.below(longest))
            .max(rest.len() >> 11)
            .min(rest.len());
        let (part, after) = rest.split_at(length);
        let client = connection.stream();
        client.sent.push_back(part.to_vec());
        client.room = [usize::MAX, 100_000, 700, 1, 0][chance.below(5)];
        exhaust(&mut connection, desk);
        rest = after;
    }
    connection.stream().ended = true;
    connection.hang_up();
    loop {
        connection.stream().room = usize::MAX;
        if exhaust(&mut connection, desk) == State::Over {
            return std::mem::take(&mut connection.stream().taken);
        }
    }
}

/// Give a connection turns until it waits.
fn exhaust(connection: &mut Connection<Client>, desk: &mut Desk) -> State {
    loop {
        let turn = connection.turn(desk);
        assert!(
            connection.held() <= HELD,
            "{} octets held",
            connection.held()
        );
        if turn.state == State::Idle {
            assert_eq!(connection.held(), 0, "an idle connection holds nothing");
        }
        if !turn.again || turn.state == State::Over {
            return turn.state;
        }
    }
}

/// A desk whose worker answers as a new `Arena` does.
fn desk() -> Desk {
    let shared = Arc::new(Shared::default());
    shared.swap(Arc::new(Arena::new().into_snapshot()));
    let counters = Arc::new(Counters::new(Transport::Tcp));
    let mut worker = Worker::new(&shared, &counters, Arena::DICE);
    worker.refresh();
    Desk::new(worker)
}

/// A message with its length before it (RFC 1035 section 4.2.2).
pub(crate) fn frame(message: &[u8]) -> Vec<u8> {
    [&(message.len() as u16).to_be_bytes()[..], message].concat()
}

/// The first message of a stream, and what follows it.
pub(crate) fn unframe(stream: &[u8]) -> Option<(&[u8], &[u8])> {
    let length = usize::from(u16::from_be_bytes([*stream.first()?, *stream.get(1)?]));
    Some((stream.get(2..2 + length)?, &stream[2 + length..]))
}

impl Read for Client {
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
        if count < octets.len() {
            self.sent.push_front(octets.split_off(count));
        }
        Ok(count)
    }
}

impl Stream for Client {
    fn ends(&self) -> Result<Ends> {
        Err(ErrorKind::NotConnected.into())
    }
}

impl Write for Client {
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
