//! Packets of every sort: sound queries, queries with something broken, and noise.

use dnslb_engine::wire::name;

use crate::arena::Way;
use crate::snapshot::NAMES;

/// How a packet was made.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Kind {
    /// A sound query.
    Query,
    /// A query with octets changed, added or lost.
    Mutant,
    /// Octets by chance, mostly with the header of a query.
    Noise,
}

const TYPES: &[u16] = &[
    1, 1, 1, 28, 28, 2, 5, 6, 15, 16, 16, 33, 39, 41, 43, 43, 64, 65, 128, 251, 252, 255, 65_280,
];

/// Packets without end, the same ones for the same seed.
pub(crate) struct Generator(u64);

impl Generator {
    pub(crate) fn new(seed: u64) -> Self {
        Self(seed | 1)
    }

    /// A packet, how it was made, and the way in which it comes.
    pub(crate) fn next(&mut self) -> (Kind, Way, Vec<u8>) {
        let way = Way::of([self.octet(), self.octet(), self.octet()]);
        match self.below(4) {
            0 => (Kind::Noise, way, self.noise()),
            1 | 2 => (Kind::Query, way, self.query()),
            _ => {
                let mut packet = self.query();
                for _ in 0..=self.below(4) {
                    self.mutate(&mut packet);
                }
                (Kind::Mutant, way, packet)
            }
        }
    }

    /// Xorshift (Marsaglia 2003): enough to wander about, and needs no crate.
    fn roll(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0.wrapping_mul(0x2545_F491_4F6C_DD1D)
    }

    pub(crate) fn below(&mut self, bound: usize) -> usize {
        (self.roll() >> 33) as usize % bound
    }

    fn octet(&mut self) -> u8 {
        (self.roll() >> 56) as u8
    }

    fn octets(&mut self, count: usize) -> Vec<u8> {
        (0..count).map(|_| self.octet()).collect()
    }

    pub(crate) fn query(&mut self) -> Vec<u8> {
        let edns = self.below(4) > 0;
        let mut packet = self.octets(2);
        let rd_cd = [[0, 0], [1, 0], [0, 0x10], [1, 0x10]][self.below(4)];
        packet.extend(rd_cd);
        packet.extend([0, 1, 0, 0, 0, 0, 0, u8::from(edns)]);
        packet.extend(self.name());
        packet.extend(TYPES[self.below(TYPES.len())].to_be_bytes());
        packet.extend([0, [1, 1, 1, 1, 1, 1, 1, 3, 3, 255][self.below(10)]]);
        if edns {
            self.opt(&mut packet);
        }
        packet
    }

    /// A name that is served, one below it, or one of nobody's, its letters in mixed case.
    pub(crate) fn name(&mut self) -> Vec<u8> {
        let mut wire = name::from_text(NAMES[self.below(NAMES.len())]).expect("a name");
        for _ in 0..[0, 0, 0, 1, 2, 120][self.below(6)] {
            let longest = [63, 5, 5, 5, 5, 5, 5, 5][self.below(8)];
            let length = 1 + self.below(longest);
            let label = self.octets(length);
            if wire.len() + label.len() < name::MAX_NAME {
                wire = [&[label.len() as u8][..], &label, &wire].concat();
            }
        }
        let mut label = 0;
        for (at, octet) in wire.iter_mut().enumerate() {
            if at == label {
                label += 1 + usize::from(*octet);
            } else if octet.is_ascii_alphabetic() {
                *octet ^= self.octet() & 0x20;
            }
        }
        wire
    }

    fn opt(&mut self, packet: &mut Vec<u8>) {
        let size = [0_u16, 512, 1232, 4096, 65_535][self.below(5)];
        let version = u8::from(self.below(20) == 0);
        packet.extend([0, 0, 41]);
        packet.extend(size.to_be_bytes());
        packet.extend([0, version, self.octet() & 0x80, 0]);
        let mut options = Vec::new();
        for _ in 0..self.below(5) {
            options.extend(self.option());
        }
        packet.extend((options.len() as u16).to_be_bytes());
        packet.extend(options);
    }

    /// A sound option.
    pub(crate) fn option(&mut self) -> Vec<u8> {
        let (code, value) = match self.below(9) {
            0 => (3, Vec::new()),
            1 => (8, [&[0, 1, 24, 0][..], &self.octets(3)].concat()),
            2 => (8, [&[0, 2, 56, 0][..], &self.octets(7)].concat()),
            3 => (8, [0, 1, 0, 0].to_vec()),
            4 => (10, self.octets(8)),
            5 => (10, self.octets(24)),
            6 => (11, Vec::new()),
            7 => (19, Vec::new()),
            _ => ([12, 15, 26][self.below(3)], self.octets(4)),
        };
        [&[0, code, 0, value.len() as u8][..], &value].concat()
    }

    fn noise(&mut self) -> Vec<u8> {
        let longest = [1500, 80, 80, 80][self.below(4)];
        let length = self.below(longest);
        let mut packet = self.octets(length);
        if packet.len() > 12 && self.below(4) > 0 {
            packet[2] &= 1;
            packet[4..12].copy_from_slice(&[0, 1, 0, 0, 0, 0, 0, 0]);
            if self.below(2) == 0 {
                let name = self.name();
                packet.splice(12..12, name);
                packet.truncate(if self.below(2) == 0 { 31 } else { 1500 });
            }
        }
        packet
    }

    pub(crate) fn mutate(&mut self, packet: &mut Vec<u8>) {
        if packet.is_empty() {
            return;
        }
        let at = self.below(packet.len());
        match self.below(6) {
            0 => packet[at] = self.octet(),
            1 => packet[at] ^= 1 << self.below(8),
            2 => packet[at] = [0, 0x3F, 0x40, 0xC0, 0xFF][self.below(5)],
            3 => packet.truncate(at),
            4 => packet.insert(at, self.octet()),
            _ => {
                let copy = packet[at..].to_vec();
                packet.extend(copy);
            }
        }
    }
}
