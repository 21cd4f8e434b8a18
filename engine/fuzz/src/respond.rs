//! The target `respond`: the first octets of an input say in which way the rest, a packet, comes.
//!
//! ```text
//! way 3 (see `Way::of`) | stretch 1: 240 and more repeat the end of the packet until it has 65,535 octets
//! ```

use std::hint::black_box;

use dnslb_engine::wire::MAX_MESSAGE;

use crate::arena::{Arena, Way};
use crate::seeds;
use crate::slowest::Slowest;

/// An engine that packets are thrown at.
pub struct Target {
    arena: Arena,
    slowest_datagram: Slowest,
    slowest_message: Slowest,
}

/// Octets of an input before the packet.
pub(crate) const HEAD: usize = Way::OCTETS + 1;

/// The largest datagram that the engine takes as a query; larger messages come by TCP.
const DATAGRAM: usize = 2048;

impl Target {
    /// A target; what fuzzing starts from is written where the environment says.
    #[must_use]
    pub fn new() -> Self {
        let ways: Vec<_> = Way::all().collect();
        seeds::write(|packets| {
            let mut inputs = Vec::new();
            for (index, packet) in packets.into_iter().enumerate() {
                let other = ways[index % ways.len()];
                for (way, stretch) in [(Way::PLAIN, 0), (other, 0), (other, index as u8)] {
                    inputs.push([&way[..], &[stretch], &packet].concat());
                }
            }
            inputs
        });
        Self {
            arena: Arena::new(),
            slowest_datagram: Slowest::new("datagram"),
            slowest_message: Slowest::new("message"),
        }
    }

    /// Let an input come.
    ///
    /// # Panics
    ///
    /// When the answer is wrong.
    pub fn run(&mut self, input: &[u8]) {
        let Some((&[choice, client, time, stretch], packet)) = input.split_first_chunk::<HEAD>()
        else {
            return;
        };
        let way = Way::of([choice, client, time]);
        let mut packet = packet.to_vec();
        stretch_by(&mut packet, stretch, MAX_MESSAGE);
        self.arena.vouch(way, &mut packet);
        self.arena.judge(way, &packet);
        let arena = &mut self.arena;
        let slowest = if packet.len() <= DATAGRAM {
            &mut self.slowest_datagram
        } else {
            &mut self.slowest_message
        };
        slowest.time(input, || {
            black_box(arena.answer(way, black_box(&packet)));
        });
    }
}

/// Let the last octets of `message` be repeated until it has so many; how many of them, `stretch` says:
/// none below 240. Inputs stay small this way, and so does the work to make them.
pub(crate) fn stretch_by(message: &mut Vec<u8>, stretch: u8, most: usize) {
    let Some(count) = stretch.checked_sub(239) else {
        return;
    };
    let end = message.split_off(message.len().saturating_sub(count.into()));
    if !end.is_empty() {
        let room = most.saturating_sub(message.len());
        let mut repeated = end.repeat(room.div_ceil(end.len()));
        repeated.truncate(room);
        message.append(&mut repeated);
    }
}

impl Default for Target {
    fn default() -> Self {
        Self::new()
    }
}
