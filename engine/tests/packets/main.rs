//! Hostile packets: whatever comes in, what goes out is silence or a well-formed response to it.

mod arena;
mod asked;
mod chain;
mod check;
mod corpus;
mod generate;
mod limited;
mod message;
mod snapshot;

use std::collections::HashSet;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;

use dnslb_engine::stats::{Counters, Drop, Transport};
use dnslb_engine::wire::{MAX_MESSAGE, Rcode};

use arena::{Arena, Way};
use check::Outcome;
use generate::{Generator, Kind};

const PACKETS: usize = 200_000;

/// Let a packet come, and say which one it was if anything is wrong with the answer.
fn judge(arena: &mut Arena, way: Way, packet: &[u8], place: &str) -> Outcome {
    let mut packet = packet.to_vec();
    arena.vouch(way, &mut packet);
    catch_unwind(AssertUnwindSafe(|| arena.judge(way, &packet))).unwrap_or_else(|_| {
        let got = arena.answer(way, &packet).map(corpus::write);
        let packet = corpus::write(&packet);
        panic!("{place}, {way:?}:\n{packet}got {}", got.unwrap_or_default())
    })
}

#[test]
fn every_packet_gets_a_sound_answer_or_silence() {
    let mut arena = Arena::new();
    let mut generator = Generator::new(0x00D5_1B00);
    let mut seen = Seen::default();
    for index in 0..PACKETS {
        let (kind, way, packet) = generator.next();
        let outcome = judge(
            &mut arena,
            way,
            &packet,
            &format!("packet {index}, {kind:?}"),
        );
        assert!(
            kind != Kind::Query || matches!(outcome, Outcome::Message(..)),
            "packet {index} is a sound query"
        );
        seen.add(kind, outcome);
    }
    seen.was_everything(arena.counters());
}

#[test]
fn odd_packets() {
    let mut arena = Arena::new();
    let mut wrong = Vec::new();
    for odd in corpus::read(Path::new(env!("CARGO_MANIFEST_DIR"))) {
        for way in Way::all().map(Way::of) {
            let outcome = judge(&mut arena, way, &odd.packet, &odd.place);
            if way.is_plain(odd.settings) && outcome.rcode() != odd.due {
                wrong.push(format!("{}: {outcome:?}, not {:?}", odd.place, odd.due));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn every_beginning_of_a_query() {
    let mut arena = Arena::new();
    let mut generator = Generator::new(0xBE61_0001);
    for way in Way::all().map(Way::of) {
        let packet = generator.query();
        for length in 0..packet.len() {
            judge(
                &mut arena,
                way,
                &packet[..length],
                &format!("{length} octets"),
            );
        }
    }
}

#[test]
fn packets_of_every_size() {
    let mut arena = Arena::new();
    let mut generator = Generator::new(0x512E_0001);
    let sizes = (0..MAX_MESSAGE).step_by(97).chain([MAX_MESSAGE]);
    for (size, way) in sizes.zip(Way::all().collect::<Vec<_>>().into_iter().cycle()) {
        for filler in [0, 0x3F, 0xC0, 0xFF] {
            let mut packet = generator.query();
            packet.resize(size, filler);
            judge(&mut arena, Way::of(way), &packet, &format!("{size} octets"));
        }
    }
}

/// Answers are as good as the checks that they have met, so these have to have met all there are.
#[derive(Default)]
struct Seen {
    silent: u64,
    answered: u64,
    outcomes: HashSet<(Kind, Option<u16>)>,
    truncated: bool,
}

impl Seen {
    fn add(&mut self, kind: Kind, outcome: Outcome) {
        self.outcomes.insert((kind, outcome.rcode()));
        self.truncated |= matches!(outcome, Outcome::Message(_, true));
        match outcome {
            Outcome::Silence => self.silent += 1,
            _ => self.answered += 1,
        }
    }

    fn was_everything(&self, workers: &[Counters]) {
        for rcode in [0, 1, 2, 3, 5, 6, 16, 23] {
            let met = self.outcomes.contains(&(Kind::Query, Some(rcode)));
            assert!(met, "{rcode}");
        }
        for kind in [Kind::Mutant, Kind::Noise] {
            for rcode in [None, Some(1), Some(4), Some(5)] {
                assert!(self.outcomes.contains(&(kind, rcode)), "{kind:?} {rcode:?}");
            }
        }
        assert!(self.truncated);
        let sum = |count: &dyn Fn(&Counters, usize) -> u64, places| -> u64 {
            let all = workers
                .iter()
                .map(|one| (0..places).map(|at| count(one, at)).sum::<u64>());
            all.sum()
        };
        assert_eq!(sum(&Counters::rcode, Rcode::ALL.len()), self.answered);
        assert_eq!(sum(&Counters::drops, Drop::ALL.len()), self.silent);
        let transports: Vec<Transport> = workers.iter().map(Counters::transport).collect();
        assert_eq!(transports, [Transport::Udp, Transport::Tcp]);
    }
}
