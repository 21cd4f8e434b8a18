//! The target `respond`: the first octets of an input say in which way the rest, a packet, comes.

use std::hint::black_box;

use crate::arena::{Arena, Way};
use crate::seeds;
use crate::slowest::Slowest;

/// An engine that packets are thrown at.
pub struct Target {
    arena: Arena,
    slowest: Slowest,
}

impl Target {
    /// A target; what fuzzing starts from is written where the environment says.
    #[must_use]
    pub fn new() -> Self {
        let ways: Vec<_> = Way::all().collect();
        seeds::write(|packets| {
            let mut inputs = Vec::new();
            for (index, packet) in packets.into_iter().enumerate() {
                for way in [Way::PLAIN, ways[index % ways.len()]] {
                    inputs.push([&way[..], &packet].concat());
                }
            }
            inputs
        });
        Self {
            arena: Arena::new(),
            slowest: Slowest::new(),
        }
    }

    /// Let an input come.
    ///
    /// # Panics
    ///
    /// When the answer is wrong.
    pub fn run(&mut self, input: &[u8]) {
        let Some((way, packet)) = input.split_first_chunk() else {
            return;
        };
        let way = Way::of(*way);
        let mut packet = packet.to_vec();
        self.arena.vouch(way, &mut packet);
        self.arena.judge(way, &packet);
        let arena = &mut self.arena;
        self.slowest.time(input, || {
            black_box(arena.answer(way, black_box(&packet)));
        });
    }
}

impl Default for Target {
    fn default() -> Self {
        Self::new()
    }
}
