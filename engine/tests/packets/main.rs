//! Hostile packets: whatever comes in, what goes out is silence or a well-formed response to it.

mod generate;
mod limited;
mod message;
mod snapshot;

use std::collections::HashSet;

use dnslb_engine::respond::{Arrival, respond};
use dnslb_engine::select::Dice;
use dnslb_engine::settings::UDP_PAYLOAD;
use dnslb_engine::stats::{Counters, Drop, Transport};
use dnslb_engine::wire::{MAX_MESSAGE, Rcode};

use generate::{Generator, Kind};
use message::{Message, Record, Section};

const PACKETS: usize = 200_000;

const HEADER: usize = 12;

/// The time, in milliseconds since 1970.
const NOW: u64 = 1_780_000_000_000;

/// Bits of the second header field.
const QR: u16 = 0x8000;
const OPCODE: u16 = 0x7800;
const TC: u16 = 0x0200;
const RD_CD: u16 = 0x0110;
const RA_Z_AD: u16 = 0x00E0;

const SOA: u16 = 6;
const CNAME: u16 = 5;
const OPT: u16 = 41;

#[test]
fn every_packet_gets_a_sound_answer_or_silence() {
    let (snapshot, tallies) = snapshot::everything();
    let mut generator = Generator::new(0x00D5_1B00);
    let mut dice = Dice::new(1);
    let mut out = vec![0; MAX_MESSAGE];
    let workers = [Transport::Udp, Transport::Tcp].map(|transport| {
        let counters = Counters::new(transport);
        counters.reserve(tallies);
        counters
    });
    let mut seen = Seen::default();
    for index in 0..PACKETS {
        let (kind, client, packet) = generator.next();
        let counters = &workers[index % workers.len()];
        let transport = counters.transport();
        let room = match transport {
            Transport::Udp => usize::from(UDP_PAYLOAD),
            Transport::Tcp => MAX_MESSAGE,
        };
        let room = &mut out[..room];
        let arrival = Arrival { client, now: NOW };
        let answer = respond(&snapshot, counters, &mut dice, arrival, &packet, room);
        let answer = answer.map(|answer| &room[..answer.length]);
        let outcome = std::panic::catch_unwind(|| check(kind, transport, &packet, answer));
        let rcode = outcome.unwrap_or_else(|_| {
            panic!("packet {index}, {kind:?}, from {client}: {packet:02x?} got {answer:02x?}")
        });
        seen.add(kind, rcode);
    }
    seen.was_everything(&workers);
}

/// Answers are as good as the checks that they have met, so these have to have met all there are.
#[derive(Default)]
struct Seen {
    silent: u64,
    answered: u64,
    outcomes: HashSet<(Kind, Option<u16>)>,
}

impl Seen {
    fn add(&mut self, kind: Kind, rcode: Option<u16>) {
        self.outcomes.insert((kind, rcode));
        match rcode {
            Some(_) => self.answered += 1,
            None => self.silent += 1,
        }
    }

    fn was_everything(&self, workers: &[Counters]) {
        for rcode in [0, 2, 3, 5, 16] {
            assert!(
                self.outcomes.contains(&(Kind::Query, Some(rcode))),
                "{rcode}"
            );
        }
        for kind in [Kind::Mutant, Kind::Noise] {
            for rcode in [None, Some(1), Some(4), Some(5)] {
                assert!(self.outcomes.contains(&(kind, rcode)), "{kind:?} {rcode:?}");
            }
        }
        let sum = |count: &dyn Fn(&Counters, usize) -> u64, places| -> u64 {
            let all = workers
                .iter()
                .map(|one| (0..places).map(|at| count(one, at)).sum::<u64>());
            all.sum()
        };
        assert_eq!(sum(&Counters::rcode, Rcode::ALL.len()), self.answered);
        assert_eq!(sum(&Counters::drops, Drop::ALL.len()), self.silent);
    }
}

/// What holds of every answer. Returns its rcode; None for a silence that is due.
fn check(kind: Kind, transport: Transport, packet: &[u8], answer: Option<&[u8]>) -> Option<u16> {
    let due = packet.len() >= HEADER && packet[2] & 0x80 == 0;
    assert_eq!(
        answer.is_some(),
        due,
        "silence for fragments and responses only"
    );
    let answer = answer?;
    let has_records = packet[6..HEADER].iter().any(|&octet| octet != 0);
    if transport == Transport::Udp && !has_records {
        assert!(
            answer.len() <= 512,
            "no EDNS, so RFC 1035 section 4.2.1 decides"
        );
    }
    let asked = u16::from_be_bytes([packet[2], packet[3]]);
    let message = Message::parse(answer).expect("a well-formed message");
    assert_eq!(message.id, [packet[0], packet[1]]);
    assert_eq!(message.flags & (OPCODE | RD_CD), asked & (OPCODE | RD_CD));
    assert_eq!(message.flags & (QR | RA_Z_AD), QR);
    assert!(
        transport == Transport::Udp || message.flags & TC == 0,
        "TCP truncates nothing"
    );
    let Some(question) = &message.question else {
        assert_eq!(
            answer.len(),
            HEADER,
            "an error before the question is a header"
        );
        assert!([1, 4].contains(&message.rcode()) && kind != Kind::Query);
        return Some(message.rcode());
    };
    let echoed = HEADER..HEADER + question.length;
    assert_eq!(answer[echoed.clone()], packet[echoed]);
    let opts = message.of_type(OPT).count();
    assert!(opts == usize::from(has_records) || kind == Kind::Mutant && opts == 0);
    let answers: Vec<&Record> = message.section(Section::Answer).collect();
    if message.flags & TC != 0 {
        assert_eq!(
            message.records.len(),
            opts,
            "nothing but OPT when truncated"
        );
        return Some(message.rcode());
    }
    let mut owner = question.name.clone();
    for record in &answers {
        assert_eq!(
            record.owner, owner,
            "each record belongs to the name that the chain has led to"
        );
        if record.rtype == CNAME && question.rtype != CNAME {
            owner.clone_from(record.target.as_ref().expect("a name"));
        }
    }
    let aliases = answers.iter().filter(|record| record.rtype == CNAME);
    let mut met = HashSet::new();
    for alias in aliases {
        assert!(met.insert(&alias.owner), "a chain says everything once");
    }
    let soas = message
        .section(Section::Authority)
        .filter(|record| record.rtype == SOA);
    if message.rcode() == 3 {
        assert_eq!(
            soas.count(),
            1,
            "NXDOMAIN says how long (RFC 2308 section 3)"
        );
    }
    Some(message.rcode())
}
