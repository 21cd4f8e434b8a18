//! A sampled query, and how it is laid out in a ring: words, then query and response.

#![deny(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects
)]

use std::net::{IpAddr, SocketAddr};

use super::Ends;
use crate::stats::Transport;

/// Words before the octets of query and response.
const HEAD: usize = 8;

/// Bits of a word that say how long after `received` an answer was made, in microseconds; the others
/// say when it was received, to the year 2109.
const LATE_BITS: u32 = 22;
const LATE: u64 = (1 << LATE_BITS) - 1;

/// What a worker samples, where it lies.
pub(super) struct Sample<'p> {
    /// How it came.
    pub(super) transport: Transport,
    /// Where from, where to.
    pub(super) ends: Ends,
    /// When the batch that it is of was received, in milliseconds since 1970.
    pub(super) received: u64,
    /// When it had been answered, in nanoseconds since 1970.
    pub(super) answered: u64,
    /// How many queries it stands for.
    pub(super) weight: f64,
    pub(super) query: &'p [u8],
    /// None for silence.
    pub(super) response: Option<&'p [u8]>,
}

impl Sample<'_> {
    /// How many words it takes.
    pub(super) fn words(&self) -> usize {
        let octets = |part: &[u8]| part.len().div_ceil(8);
        HEAD.saturating_add(octets(self.query))
            .saturating_add(self.response.map_or(0, octets))
    }

    /// Call `put` with each word.
    pub(super) fn write(&self, mut put: impl FnMut(u64)) {
        let Ends { peer, local } = self.ends;
        let response = self.response.unwrap_or_default();
        let lengths = (self.query.len() as u64) << 32 | response.len() as u64;
        put(lengths);
        put(u64::from(peer.port()) << 16
            | u64::from(local.port())
            | u64::from(self.transport == Transport::Tcp) << 32
            | u64::from(self.response.is_some()) << 33);
        for address in [peer, local] {
            let (high, low) = halves(address.ip());
            put(high);
            put(low);
        }
        put(self.received << LATE_BITS | self.since_received());
        put(self.weight.to_bits());
        for part in [self.query, response] {
            let (whole, rest) = part.as_chunks();
            for &chunk in whole {
                put(u64::from_le_bytes(chunk));
            }
            if !rest.is_empty() {
                let mut chunk = [0; 8];
                chunk
                    .iter_mut()
                    .zip(rest)
                    .for_each(|(to, from)| *to = *from);
                put(u64::from_le_bytes(chunk));
            }
        }
    }

    /// Microseconds from `received` to `answered`, as far as its bits go.
    fn since_received(&self) -> u64 {
        let micros = self.answered / 1000;
        micros
            .saturating_sub(self.received.saturating_mul(1000))
            .min(LATE)
    }
}

/// A sample taken out of a ring.
#[derive(Clone, Debug, PartialEq)]
pub struct Record {
    /// How the query came.
    pub transport: Transport,
    /// Where from, where to.
    pub ends: Ends,
    /// When the batch that it is of was received, in milliseconds since 1970.
    pub received: u64,
    /// When it had been answered, in microseconds since 1970.
    pub answered: u64,
    /// How many queries it stands for.
    pub weight: f64,
    /// The query as it came.
    pub query: Vec<u8>,
    /// The response as it was made; None for silence.
    pub response: Option<Vec<u8>>,
}

impl Record {
    /// Read a record from the words that `next` brings.
    pub(super) fn read(mut next: impl FnMut() -> u64) -> Self {
        let lengths = next();
        let facts = next();
        let mut end = |port: u64| {
            let bits = u128::from(next()) << 64 | u128::from(next());
            let address = IpAddr::V6(bits.into()).to_canonical();
            SocketAddr::new(address, port as u16)
        };
        let ends = Ends {
            peer: end(facts >> 16),
            local: end(facts),
        };
        let times = next();
        let received = times >> LATE_BITS;
        let weight = f64::from_bits(next());
        let mut octets = |length: usize| {
            let mut octets = Vec::with_capacity(length.next_multiple_of(8));
            while octets.len() < length {
                octets.extend(next().to_le_bytes());
            }
            octets.truncate(length);
            octets
        };
        let query = octets((lengths >> 32) as usize);
        let response = octets((lengths & 0xFFFF_FFFF) as usize);
        Self {
            transport: if facts >> 32 & 1 == 1 {
                Transport::Tcp
            } else {
                Transport::Udp
            },
            ends,
            received,
            answered: received.wrapping_mul(1000).wrapping_add(times & LATE),
            weight,
            query,
            response: (facts >> 33 & 1 == 1).then_some(response),
        }
    }
}

/// An address of either family; no socket of ours carries both, so mapped ones are IPv4.
fn halves(address: IpAddr) -> (u64, u64) {
    let bits = match address {
        IpAddr::V4(v4) => v4.to_ipv6_mapped().to_bits(),
        IpAddr::V6(v6) => v6.to_bits(),
    };
    ((bits >> 64) as u64, bits as u64)
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    pub(in super::super) fn sample<'p>(query: &'p [u8], response: Option<&'p [u8]>) -> Sample<'p> {
        Sample {
            transport: Transport::Udp,
            ends: Ends {
                peer: "192.0.2.7:4242".parse().unwrap(),
                local: "[2001:db8::1]:53".parse().unwrap(),
            },
            received: 1_764_000_000_123,
            answered: 1_764_000_000_123_456_789,
            weight: 2.5,
            query,
            response,
        }
    }

    #[test]
    fn what_is_written_is_read() {
        for response in [None, Some(&b""[..]), Some(&b"123456789"[..])] {
            for transport in [Transport::Udp, Transport::Tcp] {
                let sample = Sample {
                    transport,
                    ..sample(b"a query", response)
                };
                let mut words = Vec::new();
                sample.write(|word| words.push(word));
                assert_eq!(words.len(), sample.words());
                let mut words = words.into_iter();
                let record = Record::read(|| words.next().unwrap());
                assert_eq!(words.next(), None);
                assert_eq!(record.ends, sample.ends);
                assert_eq!(record.transport, transport);
                assert_eq!(record.received, 1_764_000_000_123);
                assert_eq!(record.answered, 1_764_000_000_123_456);
                assert_eq!(record.weight.to_bits(), 2.5_f64.to_bits());
                assert_eq!(record.query, b"a query");
                assert_eq!(record.response.as_deref(), response);
            }
        }
    }
}
