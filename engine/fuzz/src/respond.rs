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
                for way in [Way::PLAIN, ways[index % ways.len()]] {
                    inputs.push([&way[..], &[0], &packet].concat());
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
        if let Some(repeated) = stretch.checked_sub(239) {
            let end = packet.split_off(packet.len().saturating_sub(repeated.into()));
            let room = MAX_MESSAGE.saturating_sub(packet.len());
            packet.extend(end.iter().cycle().take(room));
        }
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

impl Default for Target {
    fn default() -> Self {
        Self::new()
    }
}
